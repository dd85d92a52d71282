/** Limits, in cgroup v1's terms as the OCI spec has them; crun and runc translate for v2. */
import { existsSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import { hasController } from '../../host/cgroup/detect.ts'
import type { CgroupInfo } from '../../host/cgroup/detect.ts'
import type { DeviceRule, ResourcesSpec } from '../../oci/runtime-types.ts'
import type { ResourceLimits } from '../types.ts'

/**
 * @param defaultPids containers.conf's pids_limit; left out silently where the host has no pids controller.
 * An asked limit whose controller is missing throws NO_CONTROLLER; a contradiction between two limits throws BAD_FLAG.
 * `warnings`: what was asked and has no meaning here.
 */
export function resolveResources(limits: ResourceLimits, defaultPids: number, rules: DeviceRule[], cgroups: CgroupInfo): { resources: ResourcesSpec; warnings: string[] } {
  checkMemory(limits)
  const warnings: string[] = []
  const resources: ResourcesSpec = { devices: rules }
  const memory = memoryResources(limits, cgroups, warnings)
  if (memory !== undefined) resources.memory = memory
  const cpu = cpuResources(limits, cgroups)
  if (cpu !== undefined) resources.cpu = cpu
  if (limits.pidsLimit !== undefined) need(cgroups, 'pids', 'pids-limit')
  const pids = limits.pidsLimit ?? defaultPids
  if (pids !== 0 && hasController(cgroups, 'pids')) resources.pids = { limit: pids }
  if (limits.blkioWeight !== undefined) {
    need(cgroups, 'blkio', 'blkio-weight')
    resources.blockIO = { weight: limits.blkioWeight }
  }
  return { resources, warnings }
}

function memoryResources(limits: ResourceLimits, cgroups: CgroupInfo, warnings: string[]): ResourcesSpec['memory'] {
  const memory: NonNullable<ResourcesSpec['memory']> = {}
  if (limits.memoryBytes) {
    memory.limit = limits.memoryBytes
    // podman and docker: as much swap again as there is memory.
    const swap = limits.memorySwapBytes ?? limits.memoryBytes * 2
    if (limits.memorySwapBytes !== undefined || hasSwapAccounting(cgroups)) memory.swap = swap
  }
  if (limits.memoryReservationBytes) memory.reservation = limits.memoryReservationBytes
  if (limits.kernelMemoryBytes) warnings.push('--kernel-memory has no effect: the kernel has no such limit any more')
  if (limits.memorySwappiness !== undefined && limits.memorySwappiness >= 0) {
    if (cgroups.version === 'v2') throw new TpodError('NO_CONTROLLER', `set --memory-swappiness ${limits.memorySwappiness}: cgroup v2 has no such limit`)
    memory.swappiness = limits.memorySwappiness
  }
  if (limits.oomKillDisable) {
    if (cgroups.version === 'v2') warnings.push('--oom-kill-disable has no effect on cgroup v2')
    else memory.disableOOMKiller = true
  }
  if (Object.keys(memory).length === 0) return undefined
  need(cgroups, 'memory', 'memory')
  return memory
}

function cpuResources(limits: ResourceLimits, cgroups: CgroupInfo): ResourcesSpec['cpu'] {
  const cpu: NonNullable<ResourcesSpec['cpu']> = {}
  if (limits.cpuShares) cpu.shares = limits.cpuShares
  if (limits.cpuQuotaUs) cpu.quota = limits.cpuQuotaUs
  if (limits.cpuPeriodUs) cpu.period = limits.cpuPeriodUs
  if (limits.cpuRtRuntimeUs) cpu.realtimeRuntime = limits.cpuRtRuntimeUs
  if (limits.cpuRtPeriodUs) cpu.realtimePeriod = limits.cpuRtPeriodUs
  if (Object.keys(cpu).length > 0) need(cgroups, 'cpu', 'cpus')
  if (limits.cpusetCpus || limits.cpusetMems) need(cgroups, 'cpuset', 'cpuset-cpus')
  if (limits.cpusetCpus) cpu.cpus = limits.cpusetCpus
  if (limits.cpusetMems) cpu.mems = limits.cpusetMems
  return Object.keys(cpu).length === 0 ? undefined : cpu
}

function checkMemory(limits: ResourceLimits): void {
  const { memoryBytes, memorySwapBytes, memoryReservationBytes } = limits
  if (memorySwapBytes !== undefined && memorySwapBytes > 0 && !memoryBytes) {
    throw new TpodError('BAD_FLAG', 'invalid --memory-swap: you should always set the memory limit when using memoryswap limit')
  }
  if (memorySwapBytes !== undefined && memorySwapBytes > 0 && memoryBytes && memorySwapBytes < memoryBytes) {
    throw new TpodError('BAD_FLAG', 'invalid --memory-swap: minimum memoryswap limit should be larger than memory limit')
  }
  if (memoryBytes && memoryReservationBytes && memoryBytes < memoryReservationBytes) {
    throw new TpodError('BAD_FLAG', 'invalid --memory: minimum memory limit can not be less than memory reservation limit')
  }
}

function hasSwapAccounting(cgroups: CgroupInfo): boolean {
  if (cgroups.version === 'v2') return true
  const directory = cgroups.v1Mounts.get('memory')
  return directory !== undefined && existsSync(`${directory}/memory.memsw.limit_in_bytes`)
}

function need(cgroups: CgroupInfo, controller: string, flag: string): void {
  if (hasController(cgroups, controller)) return
  throw new TpodError('NO_CONTROLLER', `set --${flag}: this host has no ${controller} cgroup controller`, {
    remedy: cgroups.version === 'v2' ? `delegate it: see cgroup.controllers and cgroup.subtree_control below ${cgroups.v2Mount ?? '/sys/fs/cgroup'}` : `mount the ${controller} hierarchy below /sys/fs/cgroup`,
  })
}

/** The control group of one container: its name for the runtime, its directories, who is inside, and its removal. */
import { readFileSync, rmdirSync, writeFileSync, readdirSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { isSystemdManaging } from './detect.ts'
import type { CgroupInfo } from './detect.ts'

export type CgroupManager = 'systemd' | 'cgroupfs'

/**
 * The manager asked for, or what the host can do. Throws BAD_CONFIG for another word, CGROUP_MANAGER when systemd was asked
 * for and isn't running.
 */
export function chooseCgroupManager(asked: string): CgroupManager {
  if (asked === '') return isSystemdManaging() ? 'systemd' : 'cgroupfs'
  if (asked === 'cgroupfs') return asked
  if (asked !== 'systemd') throw new TpodError('BAD_CONFIG', `cgroup manager ${JSON.stringify(asked)}: must be systemd or cgroupfs`)
  if (!isSystemdManaging()) {
    throw new TpodError('CGROUP_MANAGER', 'cgroup manager systemd: systemd is not running as PID 1 of this host', { remedy: 'use --cgroup-manager cgroupfs' })
  }
  return asked
}

/**
 * `linux.cgroupsPath` in the form that the manager wants: `/libpod_parent/libpod-ID` for cgroupfs, `SLICE:libpod:ID` for systemd
 * (podman's names, so that its tools and its users' monitoring find the container). Throws BAD_FLAG for a wrong --cgroup-parent.
 */
export function containerCgroupPath(manager: CgroupManager, containerId: string, parent?: string): string {
  if (manager === 'systemd') {
    const slice = parent === undefined || parent === '' ? 'machine.slice' : (parent.split('/').at(-1) as string)
    if (!slice.endsWith('.slice')) {
      throw new TpodError('BAD_FLAG', `invalid --cgroup-parent ${JSON.stringify(parent)}: did not receive systemd slice as cgroup parent when using systemd to manage cgroups`, { remedy: 'name a slice, such as machine.slice' })
    }
    return `${slice}:libpod:${containerId}`
  }
  if (parent?.endsWith('.slice')) {
    throw new TpodError('BAD_FLAG', `invalid --cgroup-parent ${JSON.stringify(parent)}: systemd slice received as cgroup parent when using cgroupfs`)
  }
  const base = `/${parent ?? 'libpod_parent'}`.replace(/\/+/g, '/').replace(/\/$/, '')
  if (base.split('/').includes('..')) throw new TpodError('BAD_FLAG', `invalid --cgroup-parent ${JSON.stringify(parent)}: must not contain ..`)
  return `${base === '' ? '/libpod_parent' : base}/libpod-${containerId}`
}

/** Path below a hierarchy's mount, for both forms of cgroupsPath. */
export function cgroupDirectoryName(cgroupsPath: string): string {
  const [slice, prefix, id] = cgroupsPath.split(':')
  if (prefix === undefined || id === undefined) return cgroupsPath
  // systemd nests slices by the dashes in their names: a-b.slice lies in a.slice.
  const words = (slice as string).replace(/\.slice$/, '').split('-')
  const nested = words.map((_word, index) => `${words.slice(0, index + 1).join('-')}.slice`)
  return `/${nested.join('/')}/${prefix}-${id}.scope`
}

/** Directory of the container in the hierarchy of `controller`, whether or not it exists. Undefined without such a hierarchy. */
function cgroupDirectory(cgroups: CgroupInfo, cgroupsPath: string, controller: string): string | undefined {
  const mount = cgroups.v1Mounts.get(controller) ?? cgroups.v2Mount
  return mount === undefined ? undefined : `${mount}${cgroupDirectoryName(cgroupsPath)}`
}

/** Host pids of everything in the container, its sub-groups too. [] when it is gone. */
export function readCgroupPids(cgroups: CgroupInfo, cgroupsPath: string): number[] {
  const directory = ['pids', 'freezer', 'devices', 'memory', 'name=systemd'].map((controller) => cgroups.v1Mounts.get(controller)).find((mount) => mount !== undefined) ?? cgroups.v2Mount
  if (directory === undefined) return []
  const pids: number[] = []
  collectPids(`${directory}${cgroupDirectoryName(cgroupsPath)}`, pids)
  return pids
}

function collectPids(directory: string, pids: number[]): void {
  for (const line of (readOrEmpty(`${directory}/cgroup.procs`) ?? '').split('\n')) if (line !== '') pids.push(Number(line))
  for (const name of subdirectories(directory)) collectPids(`${directory}/${name}`, pids)
}

/**
 * Freezes or thaws the container by its cgroup. The runtimes do it as well; this costs no process.
 * Throws CGROUP when there is no freezer.
 */
export function writeFreezer(cgroups: CgroupInfo, cgroupsPath: string, isFrozen: boolean): void {
  const directory = cgroupDirectory(cgroups, cgroupsPath, 'freezer')
  if (directory === undefined) throw new TpodError('CGROUP', `pause ${cgroupsPath}: this host has no freezer cgroup`)
  if (cgroups.v1Mounts.has('freezer')) writeFileSync(`${directory}/freezer.state`, isFrozen ? 'FROZEN' : 'THAWED')
  else writeFileSync(`${directory}/cgroup.freeze`, isFrozen ? '1' : '0')
}

/**
 * Removes the container's empty groups in all hierarchies, as a killed runtime leaves them. Idempotent; a group in which
 * a process still lives stays, and its directory is in the result. Parents are left alone: others may be creating in them.
 */
export function removeCgroups(cgroups: CgroupInfo, cgroupsPath: string): string[] {
  const name = cgroupDirectoryName(cgroupsPath)
  if (!/[/-][0-9a-f]{64}(\.scope)?$/.test(name)) return []
  const mounts = new Set([...cgroups.v1Mounts.values(), ...(cgroups.v2Mount === undefined ? [] : [cgroups.v2Mount])])
  return [...mounts].filter((mount) => !removeGroup(`${mount}${name}`)).map((mount) => `${mount}${name}`)
}

function removeGroup(directory: string): boolean {
  for (const name of subdirectories(directory)) removeGroup(`${directory}/${name}`)
  try {
    rmdirSync(directory)
    return true
  } catch (error) {
    return errorCode(error) === 'ENOENT'
  }
}

function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch {
    return []
  }
}

function readOrEmpty(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

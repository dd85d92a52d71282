/** Flags of run and create that limit resources. */
import type { InferredFlags } from '@oclif/core/interfaces'
import { TpodError } from '../../errors/tpod-error.ts'
import { parseUlimitFlag } from '../../libpod/spec/parse/device-flags.ts'
import { parseCpus, parseCpuset, parseInteger, parseMemory, parsePidsLimit, parseShmSize } from '../../libpod/spec/parse/numbers.ts'
import type { ContainerSpec, ResourceLimits } from '../../libpod/types.ts'
import { bool, csv, integer, text, uint } from '../options.ts'

const sizeValue = { value: '<number>[<unit>]' }

export const resourceFlags = {
  'blkio-weight': text('Block IO weight (relative weight) accepts a weight value between 10 and 1000.'),
  'cpu-period': uint('Limit the CPU CFS (Completely Fair Scheduler) period'),
  'cpu-quota': integer('Limit the CPU CFS (Completely Fair Scheduler) quota'),
  'cpu-rt-period': uint('Limit the CPU real-time period in microseconds'),
  'cpu-rt-runtime': integer('Limit the CPU real-time runtime in microseconds'),
  'cpu-shares': uint('CPU shares (relative weight)', { char: 'c' }),
  cpus: text('Number of CPUs. The default is 0.000 which means no limit', { value: 'float' }),
  'cpuset-cpus': text('CPUs in which to allow execution (0-3, 0,1)'),
  'cpuset-mems': text('Memory nodes (MEMs) in which to allow execution (0-3, 0,1). Only effective on NUMA systems.'),
  'kernel-memory': text('No longer supported by kernels: accepted with a warning', { hidden: true, ...sizeValue }),
  memory: text('Memory limit (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))', { char: 'm', ...sizeValue }),
  'memory-reservation': text('Memory soft limit (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))', sizeValue),
  'memory-swap': text("Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
  'memory-swappiness': integer('Tune container memory swappiness (0 to 100, or -1 for system default)', { default: -1 }),
  'oom-kill-disable': bool('Disable OOM Killer'),
  'oom-score-adj': integer("Tune the host's OOM preferences (-1000 to 1000)"),
  'pids-limit': text('Tune container pids limit (set -1 for unlimited)', { value: 'int' }),
  'shm-size': text('Size of /dev/shm (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))', sizeValue),
  ulimit: csv('Ulimit options'),
}

type Flags = InferredFlags<typeof resourceFlags>

type ResourceSpec = Pick<ContainerSpec, 'resources' | 'ulimits' | 'ulimitHost'> & { shmSizeBytes?: number }

export function resourceSpec(flags: Flags): ResourceSpec {
  const ulimitHost = flags.ulimit.includes('host')
  if (ulimitHost && flags.ulimit.length > 1) throw new TpodError('BAD_FLAG', 'ulimit can use "host" only alone')
  return {
    resources: limits(flags),
    ulimits: ulimitHost ? [] : flags.ulimit.map((item) => parseUlimitFlag(item)),
    ulimitHost,
    ...(flags['shm-size'] === undefined ? {} : { shmSizeBytes: parseShmSize(flags['shm-size']) }),
  }
}

function limits(flags: Flags): ResourceLimits {
  if (flags.cpus !== undefined && (flags['cpu-period'] !== undefined || flags['cpu-quota'] !== undefined)) {
    throw new TpodError('BAD_FLAG', '--cpus cannot be set together with --cpu-period or --cpu-quota')
  }
  const all: { [Key in keyof ResourceLimits]: ResourceLimits[Key] | undefined } = {
    blkioWeight: given(flags['blkio-weight'], (value) => parseInteger('blkio-weight', value, 10, 1000)),
    cpuPeriodUs: flags['cpu-period'],
    cpuQuotaUs: flags['cpu-quota'],
    ...(flags.cpus === undefined ? {} : parseCpus(flags.cpus)),
    cpuRtPeriodUs: flags['cpu-rt-period'],
    cpuRtRuntimeUs: flags['cpu-rt-runtime'],
    cpuShares: flags['cpu-shares'],
    cpusetCpus: given(flags['cpuset-cpus'], (value) => parseCpuset('cpuset-cpus', value)),
    cpusetMems: given(flags['cpuset-mems'], (value) => parseCpuset('cpuset-mems', value)),
    memoryBytes: given(flags.memory, (value) => parseMemory('memory', value)),
    memoryReservationBytes: given(flags['memory-reservation'], (value) => parseMemory('memory-reservation', value)),
    memorySwapBytes: given(flags['memory-swap'], (value) => parseMemory('memory-swap', value)),
    memorySwappiness: swappiness(flags['memory-swappiness']),
    oomKillDisable: flags['oom-kill-disable'] || undefined,
    oomScoreAdj: given(flags['oom-score-adj'], (value) => parseInteger('oom-score-adj', String(value), -1000, 1000)),
    pidsLimit: given(flags['pids-limit'], parsePidsLimit),
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as ResourceLimits
}

/** -1 leaves the system's value. */
function swappiness(value: number | undefined): number | undefined {
  return value === undefined || value === -1 ? undefined : parseInteger('memory-swappiness', String(value), 0, 100)
}

function given<From, To>(value: From | undefined, parse: (value: From) => To): To | undefined {
  return value === undefined ? undefined : parse(value)
}

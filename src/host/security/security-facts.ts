/** What this process may hand on, and which security modules the kernel runs: a few small reads, no process. */
import { existsSync, readFileSync } from 'node:fs'
import { capabilityNames } from '../../oci/capabilities.ts'

export interface SecurityFacts {
  /** Capabilities that exist for us at all: no container can get more. */
  boundingCapabilities: ReadonlySet<string>
  /** CAP_SYS_RESOURCE: hard limits can be raised, oom_score_adj lowered. */
  mayRaiseLimits: boolean
  /** Our own oom_score_adj, the lowest a child can have without CAP_SYS_RESOURCE. */
  oomScoreAdj: number
  /** Limits of this process by OCI name (RLIMIT_NOFILE); unlimited is Infinity. */
  limits: ReadonlyMap<string, { soft: number; hard: number }>
  hasSeccomp: boolean
  hasApparmor: boolean
  hasSelinux: boolean
}

export function readSecurityFacts(): SecurityFacts {
  const status = readFileSync('/proc/self/status', 'utf8')
  return {
    boundingCapabilities: new Set(capabilitiesOf(maskField(status, 'CapBnd'))),
    mayRaiseLimits: capabilitiesOf(maskField(status, 'CapEff')).includes('CAP_SYS_RESOURCE'),
    oomScoreAdj: Number(readOr('/proc/self/oom_score_adj', '0')),
    limits: parseLimits(readOr('/proc/self/limits', '')),
    hasSeccomp: /^Seccomp:/m.test(status),
    hasApparmor: readOr('/sys/module/apparmor/parameters/enabled', 'N').startsWith('Y'),
    hasSelinux: existsSync('/sys/fs/selinux/enforce'),
  }
}

/** Names of the bits that are set. */
function capabilitiesOf(mask: bigint): string[] {
  return capabilityNames.filter((_name, bit) => (mask >> BigInt(bit)) & 1n)
}

const limitNames: Readonly<Record<string, string>> = {
  'cpu time': 'CPU', 'file size': 'FSIZE', 'data size': 'DATA', 'stack size': 'STACK', 'core file size': 'CORE', 'resident set': 'RSS',
  processes: 'NPROC', 'open files': 'NOFILE', 'locked memory': 'MEMLOCK', 'address space': 'AS', 'file locks': 'LOCKS',
  'pending signals': 'SIGPENDING', 'msgqueue size': 'MSGQUEUE', 'nice priority': 'NICE', 'realtime priority': 'RTPRIO', 'realtime timeout': 'RTTIME',
}

/** /proc/PID/limits: `Max open files   1024   20000   files`. */
export function parseLimits(content: string): Map<string, { soft: number; hard: number }> {
  const limits = new Map<string, { soft: number; hard: number }>()
  for (const line of content.split('\n')) {
    const match = /^Max (.+?)\s+(\d+|unlimited)\s+(\d+|unlimited)\b/.exec(line)
    const name = match === null ? undefined : limitNames[match[1] as string]
    if (match !== null && name !== undefined) limits.set(`RLIMIT_${name}`, { soft: limitValue(match[2]), hard: limitValue(match[3]) })
  }
  return limits
}

function limitValue(text: string | undefined): number {
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text)
}

function maskField(status: string, field: string): bigint {
  const match = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)
  return BigInt(`0x${match?.[1] ?? '0'}`)
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return fallback
  }
}

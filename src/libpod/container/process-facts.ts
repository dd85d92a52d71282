/** What `top` shows of one process, by descriptor. Everything is read from the host's /proc. */
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { capabilityNames } from '../../oci/capabilities.ts'

export interface ProcessFacts {
  pid: number
  /** Pid and parent's pid as the container's processes see them. */
  innerPid: number
  innerParentPid: number
  parentPid: number
  processGroup: number
  command: string
  args: string[]
  state: string
  uid: number
  gid: number
  realUid: number
  realGid: number
  groups: number[]
  nice: number
  virtualKib: number
  residentKib: number
  /** Since the machine's boot. */
  startSec: number
  cpuSec: number
  tty: string
  seccomp: string
  label: string
  capabilities: Readonly<Record<'CapInh' | 'CapPrm' | 'CapEff' | 'CapBnd', bigint>>
}

export interface TopContext {
  passwd: ReadonlyMap<number, string>
  group: ReadonlyMap<number, string>
  hostPasswd: ReadonlyMap<number, string>
  hostGroup: ReadonlyMap<number, string>
  /** Seconds since boot. */
  uptimeSec: number
}

/** sysconf(_SC_CLK_TCK): 100 on every Linux that node and bun run on. */
const ticksPerSec = 100

/** Undefined when the process ended meanwhile. */
export function readProcess(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const status = parseStatus(readFileSync(`/proc/${pid}/status`, 'utf8'))
    const ids = (name: string): number[] => (status.get(name) ?? '').split(/\s+/).filter((word) => word !== '').map(Number)
    const parentPid = Number(fields[1])
    return {
      pid,
      innerPid: ids('NSpid').at(-1) ?? pid,
      innerParentPid: innerPidOf(parentPid, ids('NSpid').length),
      parentPid,
      processGroup: ids('NSpgid').at(-1) ?? Number(fields[2]),
      command: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
      args: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1),
      state: fields[0] ?? '?',
      uid: ids('Uid')[1] ?? 0, realUid: ids('Uid')[0] ?? 0, gid: ids('Gid')[1] ?? 0, realGid: ids('Gid')[0] ?? 0,
      groups: ids('Groups'),
      nice: Number(fields[16]),
      virtualKib: Number(fields[20]) / 1024,
      residentKib: ids('VmRSS')[0] ?? 0,
      startSec: Number(fields[19]) / ticksPerSec,
      cpuSec: (Number(fields[11]) + Number(fields[12])) / ticksPerSec,
      tty: readTty(pid, Number(fields[4])),
      seccomp: ['disabled', 'strict', 'filter'][ids('Seccomp')[0] ?? 0] ?? 'unknown',
      label: readLabel(pid),
      capabilities: { CapInh: mask(status, 'CapInh'), CapPrm: mask(status, 'CapPrm'), CapEff: mask(status, 'CapEff'), CapBnd: mask(status, 'CapBnd') },
    }
  } catch {
    return undefined
  }
}

/** Host pids whose pid namespace is that of `pid`. */
export function pidsInNamespace(pid: number): number[] {
  const namespace = readlinkSync(`/proc/${pid}/ns/pid`)
  return readdirSync('/proc').map(Number).filter((other) => {
    if (!(other > 0)) return false
    try {
      return readlinkSync(`/proc/${other}/ns/pid`) === namespace
    } catch {
      return false
    }
  })
}

function parseStatus(text: string): Map<string, string> {
  return new Map(text.split('\n').map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  }))
}

function mask(status: ReadonlyMap<string, string>, name: string): bigint {
  return BigInt(`0x${status.get(name) ?? '0'}`)
}

/** 0 for a parent outside the namespace, as getppid(2) says. */
function innerPidOf(pid: number, depth: number): number {
  try {
    const match = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    const pids = (match?.[1] ?? '').split(/\s+/)
    return pids.length >= depth ? Number(pids.at(-1)) : 0
  } catch {
    return 0
  }
}

function readTty(pid: number, device: number): string {
  if (device === 0) return '?'
  const major = (device >> 8) & 0xfff
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00)
  if (major >= 136 && major <= 143) return `pts/${minor + (major - 136) * 256}`
  try {
    const stats = statSync(`/proc/${pid}/root/dev/console`)
    return stats.rdev === device ? 'console' : 'tty'
  } catch {
    return 'tty'
  }
}

function readLabel(pid: number): string {
  try {
    const label = readFileSync(`/proc/${pid}/attr/current`, 'utf8').replace(/[\0\n]/g, '')
    return label === '' ? '?' : label
  } catch {
    return '?'
  }
}

export interface Descriptor { title: string; value(facts: ProcessFacts, context: TopContext): string }

function named(table: ReadonlyMap<number, string>, id: number): string {
  return table.get(id) ?? String(id)
}

function capabilityText(bits: bigint): string {
  const names = capabilityNames.filter((_name, bit) => ((bits >> BigInt(bit)) & 1n) === 1n)
  if (names.length === 0) return 'none'
  return names.length === capabilityNames.length ? 'full' : names.map((name) => name.replace('CAP_', '')).toSorted().join(',')
}

/** Go's Duration.String for whole and fractional seconds. */
function durationText(seconds: number): string {
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  const rest = Number((seconds % 60).toFixed(6))
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${rest}s`
}

function elapsed(facts: ProcessFacts, context: TopContext): number {
  return Math.max(context.uptimeSec - facts.startSec, 0)
}

function startTime(facts: ProcessFacts, context: TopContext): string {
  const date = new Date(Date.now() - elapsed(facts, context) * 1000)
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`
}

/** podman's names and titles (`podman top --list-descriptors`). */
export const descriptors: Readonly<Record<string, Descriptor>> = {
  args: { title: 'COMMAND', value: (facts) => (facts.args.length === 0 ? `[${facts.command}]` : facts.args.join(' ')) },
  capamb: { title: 'AMBIENT CAPS', value: () => 'none' },
  capbnd: { title: 'BOUNDING CAPS', value: (facts) => capabilityText(facts.capabilities.CapBnd) },
  capeff: { title: 'EFFECTIVE CAPS', value: (facts) => capabilityText(facts.capabilities.CapEff) },
  capinh: { title: 'INHERITED CAPS', value: (facts) => capabilityText(facts.capabilities.CapInh) },
  capprm: { title: 'PERMITTED CAPS', value: (facts) => capabilityText(facts.capabilities.CapPrm) },
  comm: { title: 'COMMAND', value: (facts) => facts.command },
  etime: { title: 'ELAPSED', value: (facts, context) => durationText(elapsed(facts, context)) },
  group: { title: 'GROUP', value: (facts, context) => named(context.group, facts.gid) },
  groups: { title: 'GROUPS', value: (facts, context) => facts.groups.map((gid) => named(context.group, gid)).join(',') },
  hgroup: { title: 'HGROUP', value: (facts, context) => named(context.hostGroup, facts.gid) },
  hgroups: { title: 'HGROUPS', value: (facts, context) => facts.groups.map((gid) => named(context.hostGroup, gid)).join(',') },
  hpid: { title: 'HPID', value: (facts) => String(facts.pid) },
  huser: { title: 'HUSER', value: (facts, context) => named(context.hostPasswd, facts.uid) },
  label: { title: 'LABEL', value: (facts) => facts.label },
  nice: { title: 'NI', value: (facts) => String(facts.nice) },
  pcpu: { title: '%CPU', value: (facts, context) => (100 * facts.cpuSec / Math.max(elapsed(facts, context), 0.01)).toFixed(3) },
  pgid: { title: 'PGID', value: (facts) => String(facts.processGroup) },
  pid: { title: 'PID', value: (facts) => String(facts.innerPid) },
  ppid: { title: 'PPID', value: (facts) => String(facts.innerParentPid) },
  rgroup: { title: 'RGROUP', value: (facts, context) => named(context.group, facts.realGid) },
  rss: { title: 'RSS', value: (facts) => String(facts.residentKib) },
  ruser: { title: 'RUSER', value: (facts, context) => named(context.passwd, facts.realUid) },
  seccomp: { title: 'SECCOMP', value: (facts) => facts.seccomp },
  state: { title: 'STATE', value: (facts) => facts.state },
  stime: { title: 'STIME', value: startTime },
  time: { title: 'TIME', value: (facts) => durationText(facts.cpuSec) },
  tty: { title: 'TTY', value: (facts) => facts.tty },
  user: { title: 'USER', value: (facts, context) => named(context.passwd, facts.uid) },
  vsz: { title: 'VSZ', value: (facts) => String(facts.virtualKib) },
}

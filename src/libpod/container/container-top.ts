/** `top`: the container's processes, read from the host's /proc. Nothing of the image is executed (CVE-2022-1227). */
import { readFileSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import type { Engine } from '../engine.ts'
import { observeState } from '../state/container-files.ts'
import { getContainer } from '../state/find-container.ts'
import { notRunning } from './kill-container.ts'
import { descriptors, pidsInNamespace, readProcess, type Descriptor, type ProcessFacts, type TopContext } from './process-facts.ts'

export interface TopResult {
  titles: string[]
  rows: string[][]
}

const defaultDescriptors = ['user', 'pid', 'ppid', 'pcpu', 'etime', 'tty', 'time', 'args']

/**
 * `columns`: podman's AIX-style descriptors (`podman top --list-descriptors`), one per word or separated by commas; none: the default set.
 * ps(1) options are understood as far as they choose columns: -e -f -ef aux -o LIST. Throws NOT_RUNNING, BAD_DESCRIPTOR.
 */
export async function topContainer(engine: Engine, nameOrId: string, columns: readonly string[] = []): Promise<TopResult> {
  const config = await getContainer(engine, nameOrId)
  const state = observeState(engine.state, config.id)
  if (state.status !== 'running' && state.status !== 'paused') throw notRunning('top', nameOrId, state.status)
  const chosen = chooseColumns(columns).map(findDescriptor)
  const { detectCgroups } = await import('../../host/cgroup/detect.ts')
  const { readCgroupPids } = await import('../../host/cgroup/container-cgroup.ts')
  const pids = config.cgroupPath === '' ? [] : readCgroupPids(detectCgroups(), config.cgroupPath)
  // --cgroups=disabled: what shares the first process's pid namespace.
  const all = pids.length > 0 ? pids : pidsInNamespace(state.pid)
  const context = await topContext(state.pid)
  const processes = all.toSorted((a, b) => a - b).map((pid) => readProcess(pid)).filter((facts): facts is ProcessFacts => facts !== undefined)
  return {
    titles: chosen.map((one) => one.title),
    rows: processes.map((facts) => chosen.map((one) => one.value(facts, context))),
  }
}

/** Names for `--list-descriptors`. */
export function listDescriptors(): string[] {
  return Object.keys(descriptors)
}

function chooseColumns(words: readonly string[]): string[] {
  const text = words.join(' ').trim()
  if (text === '') return [...defaultDescriptors]
  if (/^(-?e|-?ef|-f|-fe)$/.test(text)) return ['user', 'pid', 'ppid', 'pcpu', 'stime', 'tty', 'time', 'args']
  if (/^-?aux$/.test(text)) return ['user', 'pid', 'pcpu', 'vsz', 'rss', 'tty', 'state', 'stime', 'time', 'args']
  return text.replace(/^-e?o\s*/, '').split(/[\s,]+/).filter((word) => word !== '')
}

/** ps(1) spells some of them differently. */
const aliases: Readonly<Record<string, string>> = {
  cmd: 'args', command: 'args', ucmd: 'comm', euser: 'user', uid: 'huser', '%cpu': 'pcpu', tname: 'tty', tt: 'tty', s: 'state', stat: 'state',
  gid: 'hgroup', egroup: 'group', cputime: 'time', start: 'stime',
}

function findDescriptor(name: string): Descriptor {
  const lower = name.toLowerCase()
  const known = Object.hasOwn(aliases, lower) ? aliases[lower] as string : lower
  const found = Object.hasOwn(descriptors, known) ? descriptors[known] : undefined
  if (found !== undefined) return found
  throw new TpodError('BAD_DESCRIPTOR', `top: ${JSON.stringify(name)}: unknown descriptor`, { remedy: `one of ${Object.keys(descriptors).join(', ')}` })
}

async function topContext(pid: number): Promise<TopContext> {
  const { readFileInRoot } = await import('../../host/fs/in-root.ts')
  const inner = (path: string): ReadonlyMap<number, string> => {
    try {
      return parseNames(readFileInRoot(`/proc/${pid}/root`, path, maxTableBytes)?.toString('utf8') ?? '')
    } catch {
      // A FIFO, a giant, or gone with the process: numbers do as well as names.
      return new Map()
    }
  }
  return {
    passwd: inner('/etc/passwd'), group: inner('/etc/group'),
    hostPasswd: parseNames(readFileSync('/etc/passwd', 'utf8')), hostGroup: parseNames(readFileSync('/etc/group', 'utf8')),
    uptimeSec: Number(readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0]),
  }
}

const maxTableBytes = 1024 * 1024

/** passwd(5) and group(5) alike: name, password, id. The first entry of an id counts. */
function parseNames(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':', 3)
    if (name !== undefined && id !== undefined && /^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name)
  }
  return names
}

/** Is it still the same process? Answered from /proc alone: a pid and its start time (clock ticks since boot) name a process for one boot. */
import { readFileSync } from 'node:fs'

let cachedBootId: string | undefined

/** The kernel's id of this boot; read once, it cannot change under a running process. */
export function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  return cachedBootId
}

export interface ProcessStat {
  /** R, S, D, Z, T, X … */
  state: string
  parentPid: number
  /** Field 22 of proc(5)'s stat. */
  startTime: string
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  if (!(pid > 0)) return undefined
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  return parseProcessStat(text)
}

/** The command name in field 2 may hold spaces and parentheses: fields are counted from the last one. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, parentPid] = fields
  const startTime = fields[19]
  if (state === undefined || parentPid === undefined || startTime === undefined) return undefined
  return { state, parentPid: Number(parentPid), startTime }
}

/** '' when there is no such process. */
export function processStartTime(pid: number): string {
  return readProcessStat(pid)?.startTime ?? ''
}

/** True while the process exists and is no zombie. An empty start time matches nothing. */
export function isAlive(pid: number, startTime: string): boolean {
  if (pid <= 0 || startTime === '') return false
  const stat = readProcessStat(pid)
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X'
}

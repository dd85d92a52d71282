/** What /proc/PID/stat tells: which process a recorded pid still is. */
import { readFileSync } from 'node:fs'

export interface ProcessStat {
  /** One letter of proc(5): R, S, D, Z, T, … */
  state: string
  parentPid: number
  /** Field 22, clock ticks since boot. With the pid it identifies a process until the next boot. */
  startTime: string
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    // ENOENT or ESRCH: the process is gone.
    return undefined
  }
  // The command's name in parentheses may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, parentPid, startTime] = [fields[0], fields[1], fields[19]]
  if (state === undefined || parentPid === undefined || startTime === undefined) return undefined
  return { state, parentPid: Number(parentPid), startTime }
}

/** Field 22 of /proc/PID/stat as text (it exceeds no safe integer, but is only ever compared). */
export function readProcessStartTime(pid: number): string | undefined {
  return readProcessStat(pid)?.startTime
}

/** True while the process that had `pid` and `startTime` runs; a zombie counts as ended, a reused pid as another. */
export function isSameProcess(pid: number, startTime: string | undefined): boolean {
  if (pid <= 0 || startTime === undefined) return false
  const stat = readProcessStat(pid)
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X'
}

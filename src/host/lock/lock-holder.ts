import { fstatSync, readdirSync, readFileSync } from 'node:fs'
import { readProcessStat } from '../process/liveness.ts'
import { LockType, native } from '../native/native.ts'
import type { LockMode } from './lock-file.ts'

export interface LockHolder {
  pid: number
  command: string
  /** By SIGSTOP, a terminal's ^Z or a debugger. */
  isStopped: boolean
}

/**
 * Who holds a lock that conflicts with `mode` on the open file. The kernel names POSIX owners only; owners of
 * open-file-description locks are found in /proc/PID/fdinfo, as far as we may read it. Undefined: nobody, or hidden.
 */
export function findLockHolder(fd: number, mode: LockMode): LockHolder | undefined {
  const conflict = native.getOfdLock(fd, LockType[mode])
  if (conflict === null) return undefined
  const pid = conflict.pid > 0 ? conflict.pid : findByInode(fstatSync(fd).ino)
  return pid === undefined ? undefined : { pid, command: commandOf(pid), isStopped: isStopped(pid) }
}

function findByInode(inode: number): number | undefined {
  const wanted = new RegExp(String.raw`^lock:.*LCK.*:${inode} `, 'm')
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (Number.isInteger(pid) && holdsLock(pid, wanted)) return pid
  }
  return undefined
}

function holdsLock(pid: number, wanted: RegExp): boolean {
  try {
    const directory = `/proc/${pid}/fdinfo`
    return readdirSync(directory).some(fd => wanted.test(readFileSync(`${directory}/${fd}`, 'utf8')))
  } catch {
    // The process ended meanwhile, or is another user's.
    return false
  }
}

function isStopped(pid: number): boolean {
  const state = readProcessStat(pid)?.state
  return state === 'T' || state === 't'
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return 'unknown'
  }
}

/**
 * RUN/tpod/live/ID: "something of this container may have to be cleaned up". Made before the first thing of a start, removed after
 * the last of its cleanup. A foreground process holds a lock on it as long as it lives: then cleanup is its business, and
 * conmon's exit command and `recover` keep away.
 */
import { existsSync, mkdirSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'
import { LockFile } from '../../host/lock/lock-file.ts'
import { containerPaths, type StatePaths } from './container-paths.ts'

/** Marks without owning: for detached starts. */
export function markLive(paths: StatePaths, id: string): void {
  const { live } = containerPaths(paths, id)
  try {
    writeFileSync(live, '', { mode: 0o600 })
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    mkdirSync(paths.live, { recursive: true, mode: 0o700 })
    writeFileSync(live, '', { mode: 0o600 })
  }
}

/** Marks and owns; `release()` (or death) ends the ownership. */
export async function ownLive(paths: StatePaths, id: string): Promise<LockFile> {
  return LockFile.acquire(containerPaths(paths, id).live, 'write')
}

/** True while a foreground process owns it. */
export function isOwned(paths: StatePaths, id: string): boolean {
  const { live } = containerPaths(paths, id)
  if (!existsSync(live)) return false
  const lock = LockFile.tryAcquire(live, 'read')
  if (lock === undefined) return true
  lock.release()
  return false
}

export function listLive(paths: StatePaths): string[] {
  return listDirectory(paths.live)
}

export function listDirectory(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

export function removeMarker(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

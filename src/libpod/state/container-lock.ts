/**
 * A container's lock: taken for each change of its state, before any lock of volumes, networks or the store
 * (docs/ARCHITECTURE.md). Never held while waiting for the container or a user.
 */
import { existsSync, rmdirSync, unlinkSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import { LockFile } from '../../host/lock/lock-file.ts'
import type { ContainerConfig } from '../types.ts'
import { readConfig } from './container-files.ts'
import { containerPaths, type StatePaths } from './container-paths.ts'

export interface LockedContainer {
  config: ContainerConfig
}

/** Runs fn with the container's lock and its configuration as it is under the lock. Throws NO_SUCH_CONTAINER when it is gone by then. */
export async function withContainerLock<T>(
  paths: StatePaths, id: string, fn: (locked: LockedContainer) => Promise<T>, options: { signal?: AbortSignal } = {},
): Promise<T> {
  const own = containerPaths(paths, id)
  if (!existsSync(own.directory)) throw noSuchContainer(id)
  const lock = await LockFile.acquire(own.lock, 'write', options)
  try {
    const config = readConfig(paths, id)
    if (config === undefined) {
      forgetEmptyDirectory(own.directory, own.lock)
      throw noSuchContainer(id)
    }
    return await fn({ config })
  } finally {
    lock.release()
  }
}

/** As withContainerLock, but undefined when somebody holds the lock or the container is gone. */
export async function tryWithContainerLock<T>(
  paths: StatePaths, id: string, fn: (locked: LockedContainer) => Promise<T>,
): Promise<T | undefined> {
  const own = containerPaths(paths, id)
  if (!existsSync(own.config)) return undefined
  const lock = LockFile.tryAcquire(own.lock, 'write')
  if (lock === undefined) return undefined
  try {
    const config = readConfig(paths, id)
    return config === undefined ? undefined : await fn({ config })
  } finally {
    lock.release()
  }
}

export function noSuchContainer(nameOrId: string): TpodError {
  return new TpodError('NO_SUCH_CONTAINER', `no container with name or ID "${nameOrId}" found: no such container`)
}

/** Taking the lock of a container that was just removed makes its directory anew. */
function forgetEmptyDirectory(directory: string, lock: string): void {
  try {
    unlinkSync(lock)
    rmdirSync(directory)
  } catch {
    // Not empty: it is being created, and the creator's.
  }
}

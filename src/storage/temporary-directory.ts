/**
 * Directories for what is half made or half deleted: `temp-dir-X` beside `lock-X`, where the lock is held as long as
 * somebody works in it. A lock that can be had means the owner died. This is the scheme of containers/storage 1.59;
 * its older `overlay/staging` would not do: podman 4.3 deletes that folder at the end of every command.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { errorCode } from '../errors/tpod-error.ts'
import { removeTree } from '../host/fs/remove-tree.ts'
import { LockFile } from '../host/lock/lock-file.ts'

export class TemporaryDirectory {
  readonly path: string
  readonly #lock: LockFile
  #count = 0
  #isRemoved = false

  private constructor(path: string, lock: LockFile) {
    this.path = path
    this.#lock = lock
  }

  /** Makes one in `parent` (made 0700 if missing). */
  static create(parent: string): TemporaryDirectory {
    mkdirSync(parent, { recursive: true, mode: 0o700 })
    for (;;) {
      const suffix = randomBytes(8).toString('hex')
      const lockPath = `${parent}/lock-${suffix}`
      const lock = LockFile.tryAcquire(lockPath, 'write')
      // A sweeper may have locked or unlinked the file between our open and our lock.
      if (lock === undefined) continue
      if (!existsSync(lockPath)) {
        lock.release()
        continue
      }
      const path = `${parent}/temp-dir-${suffix}`
      try {
        mkdirSync(path, { mode: 0o700 })
      } catch (error) {
        lock.release()
        throw error
      }
      return new TemporaryDirectory(path, lock)
    }
  }

  /** Moves a file or directory of the same file system in, to be removed with this one. A missing one is fine. */
  take(path: string): void {
    const target = `${this.path}/${this.#count++}-${path.slice(path.lastIndexOf('/') + 1)}`
    try {
      renameSync(path, target)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }

  /** Removes it with all content. Idempotent. When it fails (EBUSY) the next sweep tries again. */
  async remove(): Promise<void> {
    if (this.#isRemoved) return
    this.#isRemoved = true
    try {
      await removeTree(this.path)
      unlinkLock(this.#lock.path)
    } finally {
      this.#lock.release()
    }
  }
}

/** Removes the directories in `parent` whose owners died. One readdir when there is nothing. */
export async function sweepTemporaryDirectories(parent: string): Promise<void> {
  for (const suffix of suffixesIn(parent)) {
    const lockPath = `${parent}/lock-${suffix}`
    const lock = LockFile.tryAcquire(lockPath, 'write')
    if (lock === undefined) continue
    try {
      await removeTree(`${parent}/temp-dir-${suffix}`)
      unlinkLock(lockPath)
    } catch (error) {
      // A mount that is still held somewhere: not ours to break, and no reason to fail the command that sweeps.
      if (errorCode(error) !== 'EBUSY') throw error
    } finally {
      lock.release()
    }
  }
}

function suffixesIn(parent: string): Set<string> {
  // statSync without an exception: the usual case is that the directory does not exist.
  if (!statSync(parent, { throwIfNoEntry: false })?.isDirectory()) return new Set()
  const suffixes = readdirSync(parent).map(name => /^(?:temp-dir|lock)-(.+)$/.exec(name)?.[1])
  return new Set(suffixes.filter(suffix => suffix !== undefined))
}

function unlinkLock(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

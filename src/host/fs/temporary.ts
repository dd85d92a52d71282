/**
 * Temporary files and directories that need a name, and so outlive a kill -9: each is locked by whoever made it, and who
 * makes the next one in the same place removes those whose lock is free. One scheme for all of them but the store's own
 * (storage/temporary-directory.ts, which other tools know).
 */
import { closeSync, constants, fchmodSync, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { LockType, native } from '../native/native.ts'
import { removeTree } from './remove-tree.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants
/** A child that inherits the descriptor would hold the lock. */
const O_CLOEXEC = 0o2000000
const filePattern = /^\.tmp-(?:archive|blob|signature)-[0-9a-f]{16}$/
/** The lock of a directory, which stands beside it: it is made first and goes last. */
const lockPattern = /^tpod-(?:compressed|gpg|sign)-[0-9a-f]{16}\.lock$/

export interface TemporaryFile {
  /** Open for reading and writing; its lock goes with it. */
  fd: number
  path: string
}

/**
 * A new, empty `.tmp-KIND-…` in `directory`, to be renamed or removed by the caller, who closes the descriptor after that.
 * `mode` holds whatever the umask. Throws the system's errors.
 */
export function createTemporaryFile(directory: string, kind: 'archive' | 'blob' | 'signature', mode: number): TemporaryFile {
  return createLocked(() => `${directory}/.tmp-${kind}-${randomBytes(8).toString('hex')}`, mode)
}

/** Removes the temporary files in `directory` whose makers died. Never throws: what cannot be removed stays for the next sweep. */
export function sweepTemporaryFiles(directory: string): void {
  for (const path of pathsIn(directory, filePattern)) {
    const fd = lockAbandoned(path)
    if (fd === undefined) continue
    quietly(() => unlinkSync(path))
    closeSync(fd)
  }
}

export interface TemporaryDirectory {
  path: string
  /** With all content. Idempotent. */
  remove(): Promise<void>
}

/** A new `tpod-KIND-…`, 0700, in `parent`; before that it removes those whose makers died. Throws the system's errors. */
export async function createTemporaryDirectory(parent: string, kind: 'compressed' | 'gpg' | 'sign'): Promise<TemporaryDirectory> {
  await sweepTemporaryDirectories(parent)
  const lock = createLocked(() => `${parent}/tpod-${kind}-${randomBytes(8).toString('hex')}.lock`, 0o600)
  const path = directoryOf(lock.path)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    quietly(() => unlinkSync(lock.path))
    closeSync(lock.fd)
    throw error
  }
  let isThere = true
  return {
    path,
    remove: async () => {
      if (!isThere) return
      isThere = false
      try {
        await removeTree(path)
        unlinkSync(lock.path)
      } finally {
        closeSync(lock.fd)
      }
    },
  }
}

/** Removes the temporary directories in `parent` whose makers died. Never throws: what cannot be removed stays for the next sweep. */
export async function sweepTemporaryDirectories(parent: string): Promise<void> {
  for (const lockPath of pathsIn(parent, lockPattern)) {
    const fd = lockAbandoned(lockPath)
    if (fd === undefined) continue
    try {
      const path = directoryOf(lockPath)
      // Where everybody may write, what is another's is none of ours.
      const stats = lstatSync(path, { throwIfNoEntry: false })
      if (stats?.isDirectory() === true && stats.uid === process.geteuid?.()) await removeTree(path)
      unlinkSync(lockPath)
    } catch {
      // The next sweep tries again.
    } finally {
      closeSync(fd)
    }
  }
}

function createLocked(nextPath: () => string, mode: number): TemporaryFile {
  for (;;) {
    const path = nextPath()
    const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    try {
      fchmodSync(fd, mode)
      // A sweeper may have come between open and lock.
      if (isLockedByUs(fd)) return { fd, path }
    } catch (error) {
      quietly(() => unlinkSync(path))
      closeSync(fd)
      throw error
    }
    closeSync(fd)
  }
}

function isLockedByUs(fd: number): boolean {
  try {
    if (!native.tryOfdLock(fd, LockType.write)) return false
  } catch {
    // A file system without locks: nobody can sweep there either.
    return true
  }
  return fstatSync(fd).nlink > 0
}

/** The file's descriptor, with its lock; undefined when it is somebody's. */
function lockAbandoned(path: string): number | undefined {
  let fd: number
  try {
    fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
  } catch {
    return undefined
  }
  try {
    const stats = fstatSync(fd)
    if (stats.isFile() && stats.nlink === 1 && stats.uid === process.geteuid?.() && native.tryOfdLock(fd, LockType.write)) return fd
  } catch {
    // As above.
  }
  closeSync(fd)
  return undefined
}

function directoryOf(lockPath: string): string {
  return lockPath.slice(0, -'.lock'.length)
}

function pathsIn(directory: string, pattern: RegExp): string[] {
  try {
    return readdirSync(directory).filter((name) => pattern.test(name)).map((name) => `${directory}/${name}`)
  } catch {
    return []
  }
}

function quietly(act: () => void): void {
  try {
    act()
  } catch {
    // Gone already, or for the next sweep.
  }
}

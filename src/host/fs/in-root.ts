/**
 * Paths of a container's root file system. The image chose its symlinks, FIFOs and device nodes, so no path is ever joined
 * to the root as a string: the kernel resolves it with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS).
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { native } from '../native/native.ts'

const RESOLVE_NO_MAGICLINKS = 0x02
const RESOLVE_IN_ROOT = 0x10
const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100

/** An open directory descriptor (stays the caller's) or a host path that the host itself chose. */
export type Root = number | string

/**
 * Opens `path` as a process whose root directory is `root` would see it. Throws with the errno's code ('ENOENT', 'ELOOP').
 * The caller closes the descriptor. Use O_PATH for anything that might not be a regular file: opening a FIFO or a device is an act.
 */
export function openInRoot(root: Root, path: string, flags: number, mode = 0): number {
  return withRoot(root, (rootFd) => openat2InRoot(rootFd, path, flags, mode))
}

/** What `path` is, following symlinks within the root; undefined when it does not exist. */
export function statInRoot(root: Root, path: string): Stats | undefined {
  return withOpenPath(root, path, (fd) => fstatSync(fd))
}

/**
 * The file's bytes, or undefined when there is none. Throws NOT_REGULAR for anything but a regular file (a FIFO would hang us,
 * CVE-2024-9676) and TOO_LARGE above `maxBytes`.
 */
export function readFileInRoot(root: Root, path: string, maxBytes: number): Buffer | undefined {
  return withOpenPath(root, path, (fd) => {
    checkRegular(fstatSync(fd), path, maxBytes)
    const readable = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      return readCapped(readable, path, maxBytes)
    } finally {
      closeSync(readable)
    }
  })
}

/**
 * Calls `use` with a descriptor open for appending to the regular file `path`; false when there is no such file.
 * Throws NOT_REGULAR.
 */
export function appendFileInRoot(root: Root, path: string, use: (fd: number) => void): boolean {
  const done = withOpenPath(root, path, (fd) => {
    checkRegular(fstatSync(fd), path, Number.POSITIVE_INFINITY)
    const writable = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK)
    try {
      use(writable)
      return true
    } finally {
      closeSync(writable)
    }
  })
  return done ?? false
}

/**
 * Makes the directory and its parents as needed, mode 0755, owned by `owner`; what exists keeps its owner. Throws NOT_DIRECTORY when
 * something else has the name (also a dangling symlink: it is not followed into nothing).
 */
export function makeDirectoryInRoot(root: Root, path: string, owner: { uid: number; gid: number }): void {
  withRoot(root, (rootFd) => {
    let reached = '/'
    for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
      const parent = openat2InRoot(rootFd, reached, O_PATH | constants.O_DIRECTORY)
      reached = `${reached === '/' ? '' : reached}/${name}`
      try {
        makeOne(rootFd, parent, name, reached, owner)
      } finally {
        closeSync(parent)
      }
    }
  })
}

/** Makes a symlink where nothing of that name exists; its directory must. True when it was made. */
export function symlinkInRoot(root: Root, target: string, directory: string, name: string): boolean {
  const made = withOpenPath(root, directory, (fd) => {
    try {
      native.symlinkat(target, fd, name)
      return true
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      throw error
    }
  })
  return made ?? false
}

function makeOne(rootFd: number, parent: number, name: string, path: string, owner: { uid: number; gid: number }): void {
  if (name === '..') return
  const existing = withOpenPath(rootFd, path, (fd) => fstatSync(fd))
  if (existing?.isDirectory()) return
  if (existing !== undefined) throw new TpodError('NOT_DIRECTORY', `make directory ${path} in the container: not a directory`)
  try {
    native.mkdirat(parent, name, 0o755)
  } catch (error) {
    throw new TpodError('NOT_DIRECTORY', `make directory ${path} in the container: ${errorCode(error) === 'EEXIST' ? 'it is a symlink that leads nowhere' : String(errorCode(error))}`, { cause: error })
  }
  native.fchownat(parent, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW)
}

function openat2InRoot(rootFd: number, path: string, flags: number, mode = 0): number {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return native.openat2(rootFd, path === '' ? '/' : path, flags | O_CLOEXEC, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    } catch (error) {
      // EAGAIN: something was renamed or mounted while the kernel walked; openat2(2) asks to try again.
      if (errorCode(error) !== 'EAGAIN' || attempt >= 32) throw error
    }
  }
}

function withRoot<T>(root: Root, use: (rootFd: number) => T): T {
  if (typeof root === 'number') return use(root)
  const fd = native.openat2(AT_FDCWD, root, O_PATH | constants.O_DIRECTORY | O_CLOEXEC, 0, 0)
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function withOpenPath<T>(root: Root, path: string, use: (fd: number) => T): T | undefined {
  let fd: number
  try {
    fd = openInRoot(root, path, O_PATH)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function checkRegular(stats: Stats, path: string, maxBytes: number): void {
  if (!stats.isFile()) throw new TpodError('NOT_REGULAR', `read ${path} of the container: not a regular file`)
  if (stats.size > maxBytes) throw tooLarge(path, maxBytes)
}

function tooLarge(path: string, maxBytes: number): TpodError {
  return new TpodError('TOO_LARGE', `read ${path} of the container: larger than ${maxBytes} bytes`)
}

function readCapped(fd: number, path: string, maxBytes: number): Buffer {
  const chunks: Buffer[] = []
  let total = 0
  for (;;) {
    const chunk = Buffer.allocUnsafe(64 * 1024)
    const length = readSync(fd, chunk, 0, chunk.length, null)
    if (length === 0) return Buffer.concat(chunks)
    total += length
    // The size was checked, but the container's processes can make it grow.
    if (total > maxBytes) throw tooLarge(path, maxBytes)
    chunks.push(chunk.subarray(0, length))
  }
}

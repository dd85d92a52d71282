/**
 * What a layout, a `dir:` image or an archive has in common for who reads it: names and their bytes. A directory is read
 * through its descriptor, an archive through an index of its members (archive-files.ts); neither is ever unpacked.
 */
import { closeSync, constants, fstatSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { Open } from '../../host/native/constants.ts'
import { native } from '../../host/native/native.ts'
import { readFileRange, readWholeFile } from './read-file-range.ts'

export interface StreamOptions {
  /** Start at this byte. */
  offset?: number
  signal?: AbortSignal
}

export interface OpenedStream {
  /** Of the whole file. */
  sizeBytes: number
  bytes: AsyncIterable<Uint8Array>
}

/** Read-only files by relative name (`blobs/sha256/…`). */
export interface FileSet {
  /** For messages: the directory's or archive's path. */
  readonly description: string
  /** undefined when there is no such file. Throws NOT_REGULAR, OUTSIDE_LAYOUT, TOO_LARGE. */
  read(name: string, maxBytes: number): Promise<Buffer | undefined>
  /** Bytes of the file; undefined when there is none. Same errors. */
  sizeOf(name: string): Promise<number | undefined>
  /** undefined when there is none; the file is open from here to the end of `bytes`, which must be read or returned. */
  open(name: string, options?: StreamOptions): Promise<OpenedStream | undefined>
  /** Names in it, without order; what is no regular file is left out. */
  names(): Promise<string[]>
  /** Idempotent. */
  close(): Promise<void>
}

const RESOLVE_NO_MAGICLINKS = 0x02
const RESOLVE_BENEATH = 0x08

/**
 * The files below `opened`. Nothing outside it is opened: a symlink that leads out is refused, as a layout from elsewhere
 * must not choose files of this machine. Messages call it `path`. Throws NO_SUCH_IMAGE_PATH.
 */
export function openDirectoryFiles(opened: string, path = opened): FileSet {
  const { O_PATH, O_DIRECTORY, O_CLOEXEC } = Open
  let root = -1
  try {
    root = native.openat2(-100, opened === '' ? '.' : opened, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0)
  } catch (cause) {
    throw new TpodError('NO_SUCH_IMAGE_PATH', `open ${path}: ${describeErrno(cause)}`, { cause })
  }
  const withFile = <T>(name: string, use: (fd: number, sizeBytes: number) => T): T | undefined => {
    const fd = openBeneath(root, name, path)
    if (fd === undefined) return undefined
    let taken = false
    try {
      const stats = fstatSync(fd)
      // Opened without blocking: a FIFO or a device has been opened by now, but nobody waits for it.
      if (!stats.isFile()) throw new TpodError('NOT_REGULAR', `read ${path}/${name}: not a regular file`)
      const result = use(fd, stats.size)
      taken = result !== null && typeof result === 'object' && 'bytes' in result
      return result
    } finally {
      if (!taken) closeSync(fd)
    }
  }
  return {
    description: path,
    read: async (name, maxBytes) => withFile(name, (fd, size) => readWholeFile(fd, 0, size, maxBytes, `${path}/${name}`)),
    sizeOf: async (name) => withFile(name, (_, size) => size),
    open: async (name, { offset = 0, signal } = {}) => withFile(name, (fd, size) => ({ sizeBytes: size, bytes: readFileRange(fd, offset, size - offset, { close: true, ...(signal === undefined ? {} : { signal }) }) })),
    names: async () => {
      const { readdirSync } = await import('node:fs')
      return readdirSync(`/proc/self/fd/${root}/.`, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
    },
    close: async () => {
      if (root >= 0) closeSync(root)
      root = -1
    },
  }
}

function openBeneath(root: number, name: string, path: string): number | undefined {
  try {
    return native.openat2(root, name, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | Open.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
  } catch (cause) {
    const code = errorCode(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'EXDEV' || code === 'ELOOP') {
      throw new TpodError('OUTSIDE_LAYOUT', `read ${path}/${name}: it is a symbolic link that leads out of ${path}`, { cause, remedy: 'replace the link by the file it means; blobs kept elsewhere are named with --shared-blob-dir' })
    }
    // A socket, or a FIFO that nobody writes to.
    if (code === 'ENXIO') throw new TpodError('NOT_REGULAR', `read ${path}/${name}: not a regular file`, { cause })
    throw new TpodError('NO_SUCH_IMAGE_PATH', `read ${path}/${name}: ${describeErrno(cause)}`, { cause })
  }
}

/** Go's words for the usual failures of open. */
export function describeErrno(error: unknown): string {
  const code = errorCode(error)
  const words: Record<string, string> = { ENOENT: 'no such file or directory', ENOTDIR: 'not a directory', EACCES: 'permission denied', EISDIR: 'is a directory', EROFS: 'read-only file system', ENOSPC: 'no space left on device' }
  return words[code ?? ''] ?? code ?? String(error)
}

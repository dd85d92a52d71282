/**
 * A tar archive as a set of files: one pass over its headers makes an index, contents are then read by seeking. Nothing
 * of the archive becomes a path of this machine. Compressed archives, and such that come through a pipe, are first
 * written (uncompressed) to a temporary file without a name.
 */
import { closeSync, constants, fstatSync, open as openFile, readSync } from 'node:fs'
import { detectCompression, magicBytes } from '../../archive/compression.ts'
import { decompressDetected } from '../../archive/detect-compression.ts'
import type { TarEntry } from '../../archive/tar-entry.ts'
import { TarReader } from '../../archive/tar-reader.ts'
import { TpodError, errorMessage, throwIfAborted } from '../../errors/tpod-error.ts'
import { describeErrno } from './file-set.ts'
import type { FileSet } from './file-set.ts'
import { readFileRange, readWholeFile } from './read-file-range.ts'
import { readStream } from './read-stream.ts'
import { spoolToFile } from './spool-file.ts'

interface Member {
  kind: 'file' | 'link' | 'other'
  /** Of the content in the archive. */
  offset: number
  sizeBytes: number
  /** Whole name of another member. */
  target?: string
  isSparse?: boolean
}

export interface ArchiveOptions {
  /** Where a compressed archive is unpacked to; default /var/tmp. */
  temporaryDirectory?: string | undefined
  signal?: AbortSignal | undefined
}

/** Of an archive of images; the biggest honest ones have a few thousand. */
const maxMembers = 250_000
/** Of all names together, which are kept: long ones compress to nothing. */
const maxNameBytes = 64 * 1024 * 1024
const maxLinkDepth = 8
const windowBytes = 64 * 1024

/**
 * Opens an archive by path. A FIFO or a pipe (/dev/stdin) is read to its end first. Throws NO_SUCH_IMAGE_PATH,
 * ARCHIVE_INVALID, ARCHIVE_TRUNCATED, ARCHIVE_LIMIT, ARCHIVE_UNSUPPORTED, NO_SPACE.
 */
export async function openArchiveFiles(path: string, options: ArchiveOptions = {}): Promise<FileSet> {
  // Not the synchronous call: opening a FIFO waits for its writer, and signals are to be heard meanwhile.
  const fd = await openForReading(path).catch((cause: unknown) => {
    throw new TpodError('NO_SUCH_IMAGE_PATH', `open ${path}: ${describeErrno(cause)}`, { cause })
  })
  return openArchiveDescriptor(fd, path, options)
}

/** The same with an open descriptor, which is closed with the set, also when opening fails. */
export async function openArchiveDescriptor(fd: number, description: string, options: ArchiveOptions = {}): Promise<FileSet> {
  let open = fd
  try {
    const stats = fstatSync(open)
    if (stats.isDirectory()) throw new TpodError('NO_SUCH_IMAGE_PATH', `open ${description}: is a directory, not an archive`)
    if (stats.isCharacterDevice() || stats.isBlockDevice()) throw new TpodError('NOT_REGULAR', `read ${description}: it is a device, not an archive`)
    let sizeBytes = stats.size
    const seekable = stats.isFile()
    const compression = seekable ? detectCompression(readStart(open)) : undefined
    if (compression !== 'none') {
      const spooled = await spoolToFile(uncompressed(open, seekable ? stats.size : undefined, options), options.temporaryDirectory)
      closeSync(open)
      open = spooled.fd
      sizeBytes = spooled.sizeBytes
    }
    const members = indexMembers(open, sizeBytes, description, options.signal)
    return filesOf(open, members, description)
  } catch (error) {
    closeSync(open)
    throw error
  }
}

function openForReading(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    openFile(path, constants.O_RDONLY | constants.O_NOCTTY, (error, fd) => (error ? reject(error) : resolve(fd)))
  })
}

function readStart(fd: number): Buffer {
  const start = Buffer.alloc(magicBytes)
  return start.subarray(0, readSync(fd, start, 0, start.length, 0))
}

/** What a hostile archive unpacks to would fill the disk: bombs are looked for. */
function uncompressed(fd: number, sizeBytes: number | undefined, { signal }: ArchiveOptions): AsyncGenerator<Uint8Array> {
  return decompressDetected(sizeBytes === undefined ? readStream(fd, signal) : readFileRange(fd, 0, sizeBytes), { signal })
}

function indexMembers(fd: number, sizeBytes: number, description: string, signal: AbortSignal | undefined): Map<string, Member[]> {
  const members = new Map<string, Member[]>()
  let position = 0
  let count = 0
  let nameBytes = 0
  const advance = (bytes: Buffer): void => void (position += bytes.length)
  const reader = new TarReader({
    raw: advance,
    content: advance,
    entryEnd: () => undefined,
    entry: (entry) => {
      if (++count > maxMembers) throw new TpodError('ARCHIVE_LIMIT', `read ${description}: more than ${maxMembers} members`)
      nameBytes += entry.name.length + entry.linkName.length
      if (nameBytes > maxNameBytes) throw new TpodError('ARCHIVE_LIMIT', `read ${description}: the names of its members have more than ${maxNameBytes} bytes`)
      const name = cleanName(entry.name)
      if (name === undefined || entry.kind === 'directory') return
      const member = describeMember(entry, name, position)
      const same = members.get(name)
      if (same === undefined) members.set(name, [member])
      else same.push(member)
    },
  })
  const window = Buffer.allocUnsafe(windowBytes)
  let windowStart = 0
  let windowEnd = 0
  try {
    while (position < sizeBytes && !reader.isAtEnd) {
      if (position < windowStart || position >= windowEnd) {
        throwIfAborted(signal)
        windowStart = position
        windowEnd = position + readSync(fd, window, 0, Math.min(windowBytes, sizeBytes - position), position)
        if (windowEnd === windowStart) break
      }
      const from = position - windowStart
      reader.push(window.subarray(from, Math.min(from + 512 - (position % 512), windowEnd - windowStart)))
      const skipped = reader.skipContent()
      position += skipped
      if (position > sizeBytes) throw new TpodError('ARCHIVE_TRUNCATED', 'read the tar archive: it ends within a member', { remedy: 'fetch or build the archive again' })
    }
    reader.finish()
  } catch (error) {
    if (!(error instanceof TpodError)) throw error
    if (count === 0 && error.code !== 'ARCHIVE_LIMIT') throw new TpodError('ARCHIVE_INVALID', `read ${description}: it is no tar archive`, { cause: error })
    throw new TpodError(error.code, `read ${description}: ${errorMessage(error).replace(/^read the tar archive: /, '')}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
  return members
}

function describeMember(entry: TarEntry, name: string, position: number): Member {
  if (entry.kind === 'file') return { kind: 'file', offset: position, sizeBytes: entry.sizeBytes, ...(entry.sparse === undefined ? {} : { isSparse: true }) }
  if (entry.kind === 'hardlink' || entry.kind === 'symlink') {
    const isRelative = entry.kind === 'symlink' && !entry.linkName.startsWith('/')
    const directory = name.slice(0, name.lastIndexOf('/') + 1)
    const target = isRelative ? cleanName(directory + entry.linkName) : entry.kind === 'hardlink' ? cleanName(entry.linkName) : undefined
    return { kind: 'link', offset: 0, sizeBytes: 0, ...(target === undefined ? {} : { target }) }
  }
  return { kind: 'other', offset: 0, sizeBytes: 0 }
}

/** Without `./`, doubled slashes and inner `..`; undefined when it leads out of the archive. */
export function cleanName(name: string): string | undefined {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return undefined
  }
  return parts.length === 0 ? undefined : parts.join('/')
}

/** Documents of which there must be one: two tools that choose differently would see two images. */
const singular = new Set(['index.json', 'manifest.json', 'oci-layout'])

function filesOf(fd: number, members: ReadonlyMap<string, readonly Member[]>, description: string): FileSet {
  let isClosed = false
  const find = (name: string): Member | undefined => {
    let current = cleanName(name)
    for (let depth = 0; depth <= maxLinkDepth; depth++) {
      const same = current === undefined ? undefined : members.get(current)
      const member = same?.[0]
      if (member === undefined) return undefined
      if (same !== undefined && same.length > 1 && singular.has(current ?? '')) throw new TpodError('ARCHIVE_AMBIGUOUS', `read ${description}: it has ${same.length} members named ${current}`, { remedy: 'do not trust its origin: tools differ in which of them they take' })
      if (member.kind === 'file') {
        if (member.isSparse === true) throw new TpodError('ARCHIVE_UNSUPPORTED', `read ${description}: ${name} is stored as a sparse file`, { remedy: 'write the archive without --sparse' })
        return member
      }
      if (member.kind === 'other') throw new TpodError('NOT_REGULAR', `read ${description}: ${name} is not a regular file`)
      if (member.target === undefined) throw new TpodError('OUTSIDE_LAYOUT', `read ${description}: ${name} is a link that leads out of the archive`)
      current = member.target
    }
    throw new TpodError('ARCHIVE_INVALID', `read ${description}: ${name} is a link to a link to a link: a loop`)
  }
  return {
    description,
    read: async (name, maxBytes) => {
      const member = find(name)
      return member === undefined ? undefined : readWholeFile(fd, member.offset, member.sizeBytes, maxBytes, `${description}: ${name}`)
    },
    sizeOf: async (name) => find(name)?.sizeBytes,
    open: async (name, { offset = 0, signal } = {}) => {
      const member = find(name)
      if (member === undefined) return undefined
      return { sizeBytes: member.sizeBytes, bytes: readFileRange(fd, member.offset + offset, member.sizeBytes - offset, signal === undefined ? {} : { signal }) }
    },
    names: async () => [...members].flatMap(([name, [first]]) => (first?.kind === 'file' ? [name] : [])),
    close: async () => {
      if (!isClosed) closeSync(fd)
      isClosed = true
    },
  }
}

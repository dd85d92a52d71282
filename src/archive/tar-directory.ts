/**
 * A directory as tar members, in a fixed order. Safe while a container changes the tree: every step goes from an open
 * directory to a name in it, never through a path that could have become a symlink.
 */
import { closeSync, constants, fstatSync, lstatSync, readSync, readdirSync, readlinkSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { errorCode } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { toPath } from './byte-string.ts'
import type { ByteString } from './byte-string.ts'
import { writeTar } from './tar-write.ts'
import type { TarMember } from './tar-write.ts'
import type { TarEntryKind } from './tar-entry.ts'

export interface TarDirectoryOptions {
  /** 'translate' an overlay upper directory's whiteouts and opaque marks to the OCI spelling; 'keep' files as they are. */
  whiteouts: 'translate' | 'keep'
  /** Same seconds for every member, for reproducible layers. */
  mtimeSec?: number
  /** Same owner for every member. */
  owner?: { uid: number; gid: number }
  /** Whether a path (without leading slash) is left out, with all below it. */
  exclude?: (path: ByteString) => boolean
  signal?: AbortSignal
}

/**
 * Tar stream of what is below `directory` (not the directory itself), names sorted by bytes, hard links kept, sockets
 * left out as tar cannot hold them. Opens directories without following symlinks and files without blocking.
 */
export function tarDirectory(directory: string, options: TarDirectoryOptions): AsyncGenerator<Uint8Array, void, undefined> {
  return writeTar(directoryMembers(directory, options))
}

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY
const resolveBeneathNoSymlinks = 0x08 | 0x04
const cloexec = 0o2000000

/** The members themselves, to be mixed with others. The contents must be read (or skipped) before the next member. */
async function* directoryMembers(directory: string, options: TarDirectoryOptions): AsyncGenerator<TarMember, void, undefined> {
  const root = native.openat2(-100, directory, directoryFlags | cloexec, 0, 0)
  const walk: Walk = { options, linked: new Map() }
  try {
    yield* walkDirectory(walk, root, '')
  } finally {
    closeSync(root)
  }
}

interface Walk {
  options: TarDirectoryOptions
  /** First name of each inode that has several. */
  linked: Map<string, ByteString>
}

async function* walkDirectory(walk: Walk, fd: number, prefix: ByteString): AsyncGenerator<TarMember, void, undefined> {
  const names = readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).map((name) => name.toString('latin1'))
  for (const base of names.toSorted()) {
    walk.options.signal?.throwIfAborted()
    const name = prefix + base
    if (walk.options.exclude?.(name) === true) continue
    const stats = statAt(fd, base)
    if (stats === undefined) continue
    if (stats.isDirectory()) yield* walkChild(walk, fd, base, name, stats)
    else yield* leafMember(walk, fd, base, name, stats)
  }
}

async function* walkChild(walk: Walk, parent: number, base: ByteString, name: ByteString, stats: BigIntStats): AsyncGenerator<TarMember> {
  const child = openAt(parent, base, directoryFlags)
  if (child === undefined) return
  try {
    const member = describe(walk, parent, base, name, stats, 'directory')
    const isOpaque = walk.options.whiteouts === 'translate' && takeOpaque(member)
    yield member
    if (isOpaque) yield { kind: 'file', name: `${name}/.wh..wh..opq`, mode: 0, uid: member.uid ?? 0, gid: member.gid ?? 0 }
    yield* walkDirectory(walk, child, `${name}/`)
  } finally {
    closeSync(child)
  }
}

async function* leafMember(walk: Walk, parent: number, base: ByteString, name: ByteString, stats: BigIntStats): AsyncGenerator<TarMember> {
  const kind = leafKind(stats)
  if (kind === undefined) return
  if (kind === 'character' && stats.rdev === 0n && walk.options.whiteouts === 'translate') {
    const slash = name.length - base.length
    yield { kind: 'file', name: `${name.slice(0, slash)}.wh.${base}`, mode: 0, ...times(walk, stats) }
    return
  }
  const member = describe(walk, parent, base, name, stats, kind)
  if (stats.nlink > 1n) {
    const key = `${stats.dev}:${stats.ino}`
    const first = walk.linked.get(key)
    if (first !== undefined) {
      yield { ...member, kind: 'hardlink', linkName: first }
      return
    }
    walk.linked.set(key, name)
  }
  if (kind === 'file') yield* fileMember(parent, base, member)
  else yield member
}

async function* fileMember(parent: number, base: ByteString, member: TarMember): AsyncGenerator<TarMember> {
  // Non-blocking: it may have become a FIFO since it was looked at.
  const fd = openAt(parent, base, constants.O_RDONLY | constants.O_NONBLOCK)
  if (fd === undefined) return
  try {
    const stats = fstatSync(fd)
    if (stats.isFile()) yield { ...member, sizeBytes: stats.size, content: readAll(fd) }
  } finally {
    closeSync(fd)
  }
}

async function* readAll(fd: number): AsyncGenerator<Uint8Array> {
  for (;;) {
    const buffer = Buffer.allocUnsafe(64 * 1024)
    const length = readSync(fd, buffer, 0, buffer.length, null)
    if (length === 0) return
    yield buffer.subarray(0, length)
  }
}

function describe(walk: Walk, parent: number, base: ByteString, name: ByteString, stats: BigIntStats, kind: TarEntryKind): TarMember {
  const owner = walk.options.owner ?? { uid: Number(stats.uid), gid: Number(stats.gid) }
  const member: TarMember = { kind, name, mode: Number(stats.mode) & 0o7777, ...owner, ...times(walk, stats) }
  if (kind === 'symlink') member.linkName = readlinkSync(pathAt(parent, base), { encoding: 'buffer' }).toString('latin1')
  if (kind === 'character' || kind === 'block') {
    member.deviceMajor = Number(((stats.rdev >> 8n) & 0xfffn) | ((stats.rdev >> 32n) & ~0xfffn))
    member.deviceMinor = Number((stats.rdev & 0xffn) | ((stats.rdev >> 12n) & ~0xffn))
  }
  const xattrs = readXattrs(pathAt(parent, base))
  return xattrs === undefined ? member : { ...member, xattrs }
}

function times(walk: Walk, stats: BigIntStats): { mtimeSec: number; mtimeNsec: number } {
  if (walk.options.mtimeSec !== undefined) return { mtimeSec: walk.options.mtimeSec, mtimeNsec: 0 }
  const nanoseconds = ((stats.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return { mtimeSec: Number((stats.mtimeNs - nanoseconds) / 1_000_000_000n), mtimeNsec: Number(nanoseconds) }
}

/** Attributes of the host's policy and of overlay's own bookkeeping are no part of an archive. */
function readXattrs(path: string | Buffer): Map<ByteString, Buffer> | undefined {
  let names: string[]
  try {
    names = native.listxattr(path)
  } catch (error) {
    if (errorCode(error) === 'ENOTSUP' || errorCode(error) === 'EOPNOTSUPP') return undefined
    throw error
  }
  const xattrs = new Map<ByteString, Buffer>()
  for (const name of names) {
    const isBookkeeping = /^(trusted|user)\.overlay\.(?!opaque$|overlay\.)/.test(name)
    if (name === 'security.selinux' || isBookkeeping) continue
    const value = native.getxattr(path, name)
    if (value !== null) xattrs.set(name, value)
  }
  return xattrs.size === 0 ? undefined : xattrs
}

/** Takes overlay's opaque mark off the member; true when it had one. */
function takeOpaque(member: TarMember): boolean {
  const xattrs = new Map(member.xattrs)
  const values = ['trusted.overlay.opaque', 'user.overlay.opaque'].map((name) => {
    const value = xattrs.get(name)
    xattrs.delete(name)
    return value
  })
  member.xattrs = xattrs
  return values.some((value) => value?.length === 1 && value[0] === 0x79)
}

function leafKind(stats: BigIntStats): TarEntryKind | undefined {
  if (stats.isFile()) return 'file'
  if (stats.isSymbolicLink()) return 'symlink'
  if (stats.isCharacterDevice()) return 'character'
  if (stats.isBlockDevice()) return 'block'
  return stats.isFIFO() ? 'fifo' : undefined
}

/** `/proc/self/fd/N/NAME`: N is the directory that was opened, whatever its path leads to by now. */
function pathAt(directoryFd: number, base: ByteString): string | Buffer {
  return toPath(`/proc/self/fd/${directoryFd}/${base}`)
}

function statAt(directoryFd: number, base: ByteString): BigIntStats | undefined {
  return lstatSync(pathAt(directoryFd, base), { bigint: true, throwIfNoEntry: false })
}

/** undefined when it went away or became something else. */
function openAt(directoryFd: number, base: ByteString, flags: number): number | undefined {
  try {
    return native.openat2(directoryFd, toPath(base), flags | cloexec, 0, resolveBeneathNoSymlinks)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO') return undefined
    throw error
  }
}

/**
 * File system calls of the unpacking worker. All are synchronous, so that they run on the worker's own thread: only
 * that thread was confined by chroot, the runtime's pool was not. Paths are byte strings below the root.
 */
import { chmodSync, lchownSync, lstatSync, lutimesSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { errorCode } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { toPath } from './byte-string.ts'
import type { ByteString } from './byte-string.ts'

const atCurrentDirectory = -100
const noFollow = 0x100

export function rooted(path: ByteString): string | Buffer {
  return toPath(`/${path}`)
}

/** Makes the missing directories of a path, 0755 as containers/storage does under the usual umask. */
export function makeParents(path: ByteString, owner: { uid: number; gid: number }): void {
  const missing: ByteString[] = []
  for (let parent = path; parent !== ''; parent = parent.slice(0, Math.max(parent.lastIndexOf('/'), 0))) {
    if (tryMakeDirectory(parent, owner)) break
    missing.push(parent)
  }
  for (const parent of missing.toReversed()) tryMakeDirectory(parent, owner)
}

/** False when its own parent is missing; true when it exists now. */
function tryMakeDirectory(path: ByteString, owner: { uid: number; gid: number }): boolean {
  try {
    mkdirSync(rooted(path), 0o755)
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return true
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
  lchownSync(rooted(path), owner.uid, owner.gid)
  chmodSync(rooted(path), 0o755)
  return true
}

/** Removes whatever is there, never following a symlink. Nothing there is success. */
export function removeTree(path: ByteString): void {
  const target = rooted(path)
  try {
    unlinkSync(target)
    return
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    // EISDIR on Linux, EPERM by POSIX.
    if (errorCode(error) !== 'EISDIR' && errorCode(error) !== 'EPERM') throw error
  }
  for (const name of readdirSync(target, { encoding: 'buffer' })) removeTree(`${path}/${name.toString('latin1')}`)
  rmdirSync(target)
}

export type ExistingKind = 'directory' | 'symlink' | 'whiteout' | 'other' | undefined

export function existingKind(path: ByteString): ExistingKind {
  const stats = lstatSync(rooted(path), { throwIfNoEntry: false })
  if (stats === undefined) return undefined
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  return stats.isCharacterDevice() && stats.rdev === 0 ? 'whiteout' : 'other'
}

export function hasOwner(path: ByteString, owner: { uid: number; gid: number }): boolean {
  const stats = lstatSync(rooted(path))
  return stats.uid === owner.uid && stats.gid === owner.gid
}

/** Sets both times to the modification time, on the link itself. Whole seconds go the runtime's cheaper way. */
export function setTimes(path: ByteString, seconds: number, nanoseconds: number): void {
  if (nanoseconds === 0 && seconds >= 0) lutimesSync(rooted(path), seconds, seconds)
  else native.utimensat(atCurrentDirectory, rooted(path), seconds, nanoseconds, seconds, nanoseconds, noFollow)
}

export function makeNode(path: ByteString, mode: number, major: number, minor: number): void {
  native.mknodat(atCurrentDirectory, rooted(path), mode, major, minor)
}

export function setXattr(path: ByteString, name: ByteString, value: Uint8Array): void {
  native.setxattr(rooted(path), name, value)
}

/**
 * Copies a directory tree between places that a hostile process may be changing: every step goes through descriptors,
 * no name is followed if it is a symlink, and what appears at the target meanwhile is left as it is.
 */
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, lstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { native } from '../native/native.ts'

const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
const RESOLVE_NO_MAGICLINKS = 0x02
const RESOLVE_NO_SYMLINKS = 0x04
const RESOLVE_BENEATH = 0x08
const AT_SYMLINK_NOFOLLOW = 0x100
const RENAME_NOREPLACE = 1
const ENTRIES_PER_TURN = 500
/** A file under way; renamed when complete, so that a crash leaves no half file under a real name. */
const temporaryName = '.tpod-copy'

const AT_FDCWD = -100
const AT_SYMLINK_FOLLOW = 0x400
/** Descriptors held for files with several names; beyond it they become separate files. */
const maxLinked = 500

interface CopyState {
  entries: number
  buffer: Buffer
  /** `dev:ino` of a source with more than one name to a descriptor of its copy. */
  linked: Map<string, number>
}

/**
 * Copies the content of the directory open as `source` into the directory `target`: files, directories, symlinks, devices and
 * FIFOs with owner, mode, times and xattrs (not security labels). `target` itself takes the source's owner and mode.
 * Existing entries stay; hard links stay hard links; sockets are left out. Throws the system error of the failing call, or BAD_NAME for
 * a name that is not UTF-8: copying it under another would be worse.
 */
export async function copyTree(source: number, target: string): Promise<void> {
  const targetFd = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC)
  const state: CopyState = { entries: 0, buffer: Buffer.allocUnsafe(256 * 1024), linked: new Map() }
  try {
    await copyDirectory(source, targetFd, state)
  } finally {
    for (const fd of state.linked.values()) closeSync(fd)
    closeSync(targetFd)
  }
}

async function copyDirectory(source: number, target: number, state: CopyState): Promise<void> {
  for (const name of readdirSync(`/proc/self/fd/${source}`, { encoding: 'buffer' })) {
    state.entries += 1
    if (state.entries % ENTRIES_PER_TURN === 0) await new Promise(setImmediate)
    await copyEntry(source, target, name, state)
  }
  copyAttributes(source, target, fstatSync(source))
}

async function copyEntry(source: number, target: number, nameBytes: Buffer, state: CopyState): Promise<void> {
  const name = nameBytes.toString('utf8')
  if (!Buffer.from(name, 'utf8').equals(nameBytes)) throw new TpodError('BAD_NAME', `copy ${JSON.stringify(name)}: the file's name is not UTF-8`)
  const stats = lstatSync(`/proc/self/fd/${source}/${name}`)
  if (stats.isDirectory()) return copySubdirectory(source, target, name, stats, state)
  if (stats.isFile()) return copyFile(source, target, name, stats, state)
  if (stats.isSocket()) return
  ifNew(() => {
    if (stats.isSymbolicLink()) native.symlinkat(native.readlinkat(source, name), target, name)
    else native.mknodat(target, name, stats.mode, deviceMajor(stats.rdev), deviceMinor(stats.rdev))
    native.fchownat(target, name, stats.uid, stats.gid, AT_SYMLINK_NOFOLLOW)
    if (!stats.isSymbolicLink()) changeMode(target, name, stats.mode & 0o7777)
    setTimes(target, name, stats)
  })
}

async function copySubdirectory(source: number, target: number, name: string, stats: Stats, state: CopyState): Promise<void> {
  const from = openBeneath(source, name, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    ifNew(() => native.mkdirat(target, name, 0o700))
    const to = openBeneath(target, name, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await copyDirectory(from, to, state)
    } finally {
      closeSync(to)
    }
    setTimes(target, name, stats)
  } finally {
    closeSync(from)
  }
}

function copyFile(source: number, target: number, name: string, stats: Stats, state: CopyState): void {
  const { buffer, linked } = state
  const identity = `${stats.dev}:${stats.ino}`
  const first = linked.get(identity)
  if (first !== undefined) {
    ifNew(() => native.linkat(AT_FDCWD, `/proc/self/fd/${first}`, target, name, AT_SYMLINK_FOLLOW))
    return
  }
  removeTemporary(target)
  const from = openBeneath(source, name, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const to = native.openat2(target, temporaryName, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | O_CLOEXEC, 0o600, RESOLVE_BENEATH)
    try {
      for (let length = readSync(from, buffer, 0, buffer.length, null); length > 0; length = readSync(from, buffer, 0, buffer.length, null)) {
        for (let written = 0; written < length;) written += writeSync(to, buffer, written, length - written)
      }
      copyAttributes(from, to, stats)
    } finally {
      closeSync(to)
    }
  } finally {
    closeSync(from)
  }
  setTimes(target, temporaryName, stats)
  if (stats.nlink > 1 && linked.size < maxLinked) linked.set(identity, openBeneath(target, temporaryName, constants.O_RDONLY))
  ifNew(() => native.renameat2(target, temporaryName, target, name, RENAME_NOREPLACE))
  removeTemporary(target)
}

function copyAttributes(from: number, to: number, stats: Stats): void {
  // Owner first: the kernel clears setuid bits and file capabilities on ownership change.
  fchownSync(to, stats.uid, stats.gid)
  fchmodSync(to, stats.mode & 0o7777)
  for (const name of native.listxattr(`/proc/self/fd/${from}`, true)) {
    if (name.startsWith('trusted.overlay.') || name === 'security.selinux') continue
    const value = native.getxattr(`/proc/self/fd/${from}`, name, true)
    if (value !== null) native.setxattr(`/proc/self/fd/${to}`, name, value, true)
  }
}

/** fchmodat(2) follows symlinks, and whoever shares the target may have put one in place of what we just made: EOPNOTSUPP then. */
function changeMode(directory: number, name: string, mode: number): void {
  const fd = openBeneath(directory, name, O_PATH)
  try {
    native.fchmodat(AT_FDCWD, `/proc/self/fd/${fd}`, mode, 0)
  } finally {
    closeSync(fd)
  }
}

function setTimes(directory: number, name: string, stats: Stats): void {
  const seconds = Math.floor(stats.mtimeMs / 1000)
  native.utimensat(directory, name, null, 0, seconds, Math.round((stats.mtimeMs - seconds * 1000) * 1e6), AT_SYMLINK_NOFOLLOW)
}

function openBeneath(directory: number, name: string, flags: number): number {
  return native.openat2(directory, name, flags | constants.O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
}

function ifNew(make: () => void): void {
  try {
    make()
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
}

function removeTemporary(directory: number): void {
  try {
    native.unlinkat(directory, temporaryName, 0)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/** Linux encodes 12 bits of major and 20 of minor in the low 32 bits of st_rdev. */
export function deviceMajor(rdev: number): number {
  return (rdev >>> 8) & 0xfff
}

export function deviceMinor(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00)
}


/** Gives a whole tree to another owner while hostile processes may be changing it: every step goes through descriptors. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import { native } from '../native/native.ts'

const AT_FDCWD = -100
const O_CLOEXEC = 0o2000000
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EMPTY_PATH = 0x1000
const RESOLVE_BENEATH = 0x08
const RESOLVE_NO_SYMLINKS = 0x04
/** One descriptor per level is held. */
const maxDepth = 500

/**
 * Changes owner and group of `path` and all below it; symlinks themselves, not what they lead to. `path` is the caller's own
 * and may be any kind of file. Entries that already have the owner are left alone, for a change of owner clears setuid bits.
 * Throws the system error of the failing call (ENOTDIR, ELOOP: a directory was swapped for a symlink), TOO_DEEP.
 */
export function chownTree(path: string, owner: { uid: number; gid: number }): void {
  if (!lstatSync(path).isDirectory()) {
    native.fchownat(AT_FDCWD, path, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW)
    return
  }
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC)
  try {
    chownDirectory(fd, owner, 0)
  } finally {
    closeSync(fd)
  }
}

function chownDirectory(fd: number, owner: { uid: number; gid: number }, depth: number): void {
  if (depth > maxDepth) throw new TpodError('TOO_DEEP', `change the owner of a tree: its directories are nested deeper than ${maxDepth}`)
  const own = fstatSync(fd)
  if (own.uid !== owner.uid || own.gid !== owner.gid) native.fchownat(fd, '', owner.uid, owner.gid, AT_EMPTY_PATH)
  for (const name of readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' })) {
    const stats = lstatSync(Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]), { throwIfNoEntry: false })
    if (stats === undefined) continue
    if (!stats.isDirectory()) {
      if (stats.uid !== owner.uid || stats.gid !== owner.gid) native.fchownat(fd, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW)
      continue
    }
    const below = native.openat2(fd, name, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
    try {
      chownDirectory(below, owner, depth + 1)
    } finally {
      closeSync(below)
    }
  }
}

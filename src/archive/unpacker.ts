/**
 * Applies tar members to the current root directory with the meaning containers/storage gives them: whiteouts, merged
 * directories, replaced files. Runs in the confined worker only: it writes to absolute paths.
 */
import {
  chmodSync, closeSync, constants, fchmodSync, fchownSync, ftruncateSync, futimesSync, lchownSync, linkSync, mkdirSync,
  openSync, symlinkSync,
} from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../errors/tpod-error.ts'
import { toDisplay, toPath } from './byte-string.ts'
import type { ByteString } from './byte-string.ts'
import { existingKind, hasOwner, makeNode, makeParents, removeTree, rooted, setTimes, setXattr } from './confined-file-system.ts'
import { openedFile, writeContent } from './file-content.ts'
import type { OpenFile } from './file-content.ts'
import { mapId } from './id-map.ts'
import { baseName, cleanMemberPath, parentPath } from './member-path.ts'
import type { TarEntry } from './tar-entry.ts'
import type { StageLayerOptions } from './types.ts'
import { opaqueXattrName, whiteoutPrefix, whiteoutTarget } from './whiteout.ts'

export type UnpackOptions = Pick<StageLayerOptions, 'whiteouts' | 'idMaps' | 'ignoreChownErrors'>

interface Owner {
  uid: number
  gid: number
}

/** Call begin, write any number of times, end for each member, then finish once. Any throw ends the unpacking. */
export class Unpacker {
  private readonly options: UnpackOptions
  private readonly rootOwner: Owner
  private file: OpenFile | undefined
  /** Directory times come last: unpacking into a directory changes them. */
  private readonly directoryTimes = new Map<ByteString, { seconds: number; nanoseconds: number }>()
  private readonly uidSet = new Set<number>()
  private readonly gidSet = new Set<number>()

  constructor(options: UnpackOptions) {
    this.options = options
    this.rootOwner = { uid: mapId(0, options.idMaps?.uid), gid: mapId(0, options.idMaps?.gid) }
  }

  get owners(): { uids: number[]; gids: number[] } {
    return { uids: ascending(this.uidSet), gids: ascending(this.gidSet) }
  }

  /** Makes the member; a file's content follows by `write`. */
  begin(entry: TarEntry): void {
    const path = cleanMemberPath(entry.name)
    const base = baseName(path)
    if (!base.startsWith(whiteoutPrefix)) {
      this.uidSet.add(entry.uid)
      this.gidSet.add(entry.gid)
    }
    try {
      if (base.startsWith(whiteoutPrefix) && this.options.whiteouts !== 'aufs') this.applyWhiteout(entry, path, base)
      else this.make(entry, path)
    } catch (error) {
      throw describeFailure(error, entry)
    }
  }

  write(bytes: Buffer): void {
    const { file } = this
    if (file === undefined) return
    try {
      writeContent(file, bytes)
    } catch (error) {
      throw describeFailure(error, file.entry)
    }
  }

  end(): void {
    const { file } = this
    if (file === undefined) return
    this.file = undefined
    try {
      this.finishFile(file)
    } catch (error) {
      throw describeFailure(error, file.entry)
    } finally {
      closeSync(file.fd)
    }
  }

  /** Sets the times of directories. */
  finish(): void {
    for (const [path, time] of this.directoryTimes) {
      try {
        setTimes(path, time.seconds, time.nanoseconds)
      } catch (error) {
        // A later member may have removed it through a symlinked parent.
        if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error
      }
    }
  }

  /** Whether a member of this path was unpacked. Whiteouts leave nothing under their own name, so they count as there. */
  isThere(path: ByteString): boolean {
    return baseName(path).startsWith(whiteoutPrefix) || existingKind(path) !== undefined
  }

  /** Closes what a failed run left open. */
  abandon(): void {
    if (this.file !== undefined) closeSync(this.file.fd)
    this.file = undefined
  }

  private make(entry: TarEntry, path: ByteString): void {
    if (path === '' && entry.kind !== 'directory') {
      throw new TpodError('ARCHIVE_INVALID', `unpack ${toDisplay(entry.name)}: the layer's root must be a directory`)
    }
    // containers/storage leaves the root as the layer below has it; the same image must not differ between tools.
    if (path === '') return
    if (entry.kind === 'file') {
      this.makeFile(entry, path)
      return
    }
    const isSkippedDevice = (entry.kind === 'block' || entry.kind === 'character') && this.options.whiteouts === 'overlay-user'
    // A user namespace may not make devices; the runtime supplies the ones a container needs.
    if (isSkippedDevice) return
    if (entry.kind === 'directory') this.makeDirectory(entry, path)
    else this.place(path, () => makeSpecial(entry, path))
    this.setMetadata(entry, path)
  }

  private makeFile(entry: TarEntry, path: ByteString): void {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW
    const fd = this.place(path, () => openSync(rooted(path), flags, 0o600))
    if (fd === undefined) return
    this.file = openedFile(fd, entry, path)
  }

  private makeDirectory(entry: TarEntry, path: ByteString): void {
    let wasWhiteout = false
    this.place(path, () => mkdirSync(rooted(path), 0o700), () => {
      const existing = existingKind(path)
      wasWhiteout ||= existing === 'whiteout'
      return existing === 'directory'
    })
    // Whiteout and directory of one name in one layer: new content over a deleted directory.
    if (wasWhiteout) this.markOpaque(path)
    this.directoryTimes.set(path, { seconds: entry.mtimeSec, nanoseconds: entry.mtimeNsec })
  }

  /**
   * Runs `create`, which must fail with EEXIST when something is there: then that is removed first, unless `keep` says
   * it will do. A missing parent is made. Trying first costs nothing for the usual member, which is new.
   */
  private place<T>(path: ByteString, create: () => T, keep: () => boolean = () => false): T | undefined {
    for (let attempt = 0; ; attempt++) {
      try {
        return create()
      } catch (error) {
        const code = errorCode(error)
        if (attempt > 2 || (code !== 'EEXIST' && code !== 'ENOENT')) throw error
        if (code === 'ENOENT') makeParents(parentPath(path), this.rootOwner)
        else if (keep()) return undefined
        else this.replace(path)
      }
    }
  }

  private replace(path: ByteString): void {
    removeTree(path)
    this.directoryTimes.delete(path)
  }

  private finishFile(file: OpenFile): void {
    const { entry, path, fd } = file
    if (entry.sparse !== undefined) ftruncateSync(fd, entry.sizeBytes)
    const owner = this.hostOwner(entry)
    this.tolerateChown(() => fchownSync(fd, owner.uid, owner.gid))
    // After chown, which clears setuid bits.
    fchmodSync(fd, entry.mode)
    if (entry.xattrs !== undefined) this.setXattrs(entry, path)
    if (entry.mtimeNsec === 0 && entry.mtimeSec >= 0) futimesSync(fd, entry.mtimeSec, entry.mtimeSec)
    else setTimes(path, entry.mtimeSec, entry.mtimeNsec)
  }

  private setMetadata(entry: TarEntry, path: ByteString): void {
    const isLink = entry.kind === 'symlink' || (entry.kind === 'hardlink' && existingKind(path) === 'symlink')
    const owner = this.hostOwner(entry)
    // Another name of a file that is complete: chown, even to the same owner, would take its capabilities.
    const isOwnedAlready = entry.kind === 'hardlink' && hasOwner(path, owner)
    if (!isOwnedAlready) this.tolerateChown(() => lchownSync(rooted(path), owner.uid, owner.gid))
    if (!isLink) chmodSync(rooted(path), entry.mode)
    if (entry.xattrs !== undefined) this.setXattrs(entry, path)
    if (entry.kind !== 'directory') setTimes(path, entry.mtimeSec, entry.mtimeNsec)
  }

  private hostOwner(entry: TarEntry): Owner {
    const { idMaps } = this.options
    if (idMaps === undefined) return entry
    return { uid: mapId(entry.uid, idMaps.uid), gid: mapId(entry.gid, idMaps.gid) }
  }

  private tolerateChown(change: () => void): void {
    try {
      change()
    } catch (error) {
      const code = errorCode(error)
      if (this.options.ignoreChownErrors !== true || (code !== 'EPERM' && code !== 'EINVAL')) throw error
    }
  }

  private setXattrs(entry: TarEntry, path: ByteString): void {
    for (const [name, value] of entry.xattrs ?? []) {
      if (isIgnoredXattr(name)) continue
      try {
        setXattr(path, name, value)
      } catch (error) {
        const code = errorCode(error)
        const isRefusedToUser = code === 'EPERM' && this.options.whiteouts !== 'overlay-trusted'
        // As containers/storage: a file system without attributes still holds the files.
        if (code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && !isRefusedToUser) throw error
      }
    }
  }

  private applyWhiteout(entry: TarEntry, path: ByteString, base: ByteString): void {
    const parent = parentPath(path)
    const target = whiteoutTarget(base)
    if (target.kind === 'opaque') {
      if (parent !== '' && existingKind(parent) === undefined) makeParents(parent, this.rootOwner)
      this.markOpaque(parent)
      return
    }
    if (target.kind === 'metadata') return
    const hidden = parent === '' ? target.name : `${parent}/${target.name}`
    try {
      this.place(hidden, () => makeNode(hidden, 0o020000, 0, 0), () => this.keepOverWhiteout(hidden))
      if (existingKind(hidden) !== 'whiteout') return
    } catch (error) {
      // A layer may hold .wh.a and a/.wh.b: `a` is a whiteout by then, and hides b too.
      if (errorCode(error) === 'ENOTDIR') return
      throw error
    }
    const owner = this.hostOwner(entry)
    this.tolerateChown(() => lchownSync(rooted(hidden), owner.uid, owner.gid))
  }

  /** A whiteout hides lower layers only (OCI layer spec): what this layer holds stays, a directory hides what is below it. */
  private keepOverWhiteout(path: ByteString): boolean {
    if (existingKind(path) === 'directory') this.markOpaque(path)
    return true
  }

  private markOpaque(path: ByteString): void {
    const name = opaqueXattrName(this.options.whiteouts)
    if (name !== undefined) setXattr(path, name, Buffer.from('y'))
  }
}

function ascending(ids: Set<number>): number[] {
  return [...ids].toSorted((a, b) => a - b)
}

function makeSpecial(entry: TarEntry, path: ByteString): void {
  switch (entry.kind) {
    case 'symlink':
      symlinkSync(toPath(entry.linkName), rooted(path))
      break
    case 'hardlink':
      linkSync(rooted(cleanMemberPath(entry.linkName)), rooted(path))
      break
    case 'character':
      makeNode(path, 0o020000 | entry.mode, entry.deviceMajor, entry.deviceMinor)
      break
    case 'block':
      makeNode(path, 0o060000 | entry.mode, entry.deviceMajor, entry.deviceMinor)
      break
    default:
      makeNode(path, 0o010000 | entry.mode, 0, 0)
  }
}

/**
 * SELinux labels belong to the host's policy. overlay's own attributes would let a layer redirect names to other lower
 * files or claim to be opaque: only whiteout members may say that. (`overlay.overlay.` is overlay's escape for nesting.)
 */
function isIgnoredXattr(name: ByteString): boolean {
  if (name === 'security.selinux') return true
  return /^(trusted|user)\.overlay\.(?!overlay\.)/.test(name)
}

function describeFailure(error: unknown, entry: TarEntry): Error {
  if (error instanceof TpodError) return error
  const code = errorCode(error)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return new TpodError(isFull ? 'NO_SPACE' : 'UNPACK_FAILED', `unpack ${toDisplay(entry.name)}: ${errorMessage(error)}`, {
    cause: error,
    ...(isFull ? { remedy: 'free space where the store is: tpod rmi, tpod image prune' } : {}),
  })
}


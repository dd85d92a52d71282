/** Volumes of the local driver with `type`, `device` and `o`: their directory is a mount point, mounted before a container starts. */
import { chownSync } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import { parseMountOptions } from '../../host/mount/mount-options.ts'
import { isMountPoint } from '../../host/mount/mountinfo.ts'
import { Mount } from '../../host/native/constants.ts'
import { native } from '../../host/native/native.ts'
import type { VolumeInfo } from './volume-store.ts'

const MNT_DETACH = 2

/**
 * Mounts what the volume's options ask for, once; nothing for a volume without them. Caller holds no lock: two callers at
 * once are told apart by the mount table. Throws VOLUME_MOUNT.
 */
export function mountVolume(volume: VolumeInfo): void {
  const { type, device, o } = volume.options
  const words = (o ?? '').split(',').filter((word) => word !== '')
  if (type === undefined && device === undefined) return applyOwner(volume, words)
  if (isMountPoint(volume.mountpoint)) return
  if (type !== undefined && /^(nfs4?|cifs|smb3?|fuse.*)$/.test(type)) {
    throw mountError(volume, `type ${type} needs its own mount program, which is not supported yet`)
  }
  const { flags, propagation, data } = parseMountOptions(words)
  const isBind = type === 'bind' || (flags & Mount.MS_BIND) !== 0
  try {
    native.mount(device ?? 'tmpfs', volume.mountpoint, isBind ? null : (type ?? null), isBind ? flags | Mount.MS_BIND : flags, isBind || data === '' ? null : data)
    // The kernel disregards other flags of a bind until it is remounted.
    if (isBind && (flags & ~(Mount.MS_BIND | Mount.MS_REC)) !== 0) native.mount(null, volume.mountpoint, null, ((flags | Mount.MS_BIND) & ~Mount.MS_REC) | Mount.MS_REMOUNT, null)
    for (const one of propagation) native.mount(null, volume.mountpoint, null, one, null)
  } catch (error) {
    throw mountError(volume, errorMessage(error), error)
  }
}

/** Undoes mountVolume. Idempotent. */
export function unmountVolume(mountpoint: string): void {
  if (!isMountPoint(mountpoint)) return
  try {
    native.umount2(mountpoint, MNT_DETACH)
  } catch (error) {
    // EINVAL: another process unmounted it first.
    if (errorCode(error) !== 'EINVAL' && errorCode(error) !== 'ENOENT') throw error
  }
}

function applyOwner(volume: VolumeInfo, words: readonly string[]): void {
  const ids = Object.fromEntries(words.map((word) => word.split('=', 2) as [string, string]))
  const unknown = Object.keys(ids).find((key) => (key !== 'uid' && key !== 'gid') || !/^\d+$/.test(ids[key] ?? ''))
  if (unknown !== undefined) throw mountError(volume, `option ${JSON.stringify(unknown)} needs a type or a device; without them only uid=N and gid=N are valid`)
  if (words.length > 0) chownSync(volume.mountpoint, Number(ids['uid'] ?? -1), Number(ids['gid'] ?? -1))
}

function mountError(volume: VolumeInfo, why: string, cause?: unknown): TpodError {
  return new TpodError('VOLUME_MOUNT', `mount volume ${volume.name}: ${why}`, { cause })
}

/** Volumes of the local driver with `type`, `device` and `o`: their directory is a mount point, mounted before a container starts. */
import { chownSync, readFileSync } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import type { VolumeInfo } from './volume-store.ts'

const flagBits: Readonly<Record<string, number>> = {
  ro: 1, nosuid: 2, nodev: 4, noexec: 8, sync: 16, noatime: 1024, nodiratime: 2048, bind: 4096, rbind: 4096 | 16384, relatime: 1 << 21, strictatime: 1 << 24,
}
const neutral = new Set(['rw', 'suid', 'dev', 'exec', 'async', 'defaults'])
const MNT_DETACH = 2

/**
 * Mounts what the volume's options ask for, once; nothing for a volume without them. Caller holds no lock: two callers at
 * once are told apart by the mount table. Throws VOLUME_MOUNT.
 */
export function mountVolume(volume: VolumeInfo): void {
  const { type, device, o } = volume.options
  const words = (o ?? '').split(',').filter((word) => word !== '')
  if (type === undefined && device === undefined) return applyOwner(volume, words)
  if (isMounted(volume.mountpoint)) return
  if (type !== undefined && /^(nfs4?|cifs|smb3?|fuse.*)$/.test(type)) {
    throw mountError(volume, `type ${type} needs its own mount program, which is not supported yet`)
  }
  const flags = words.reduce((bits, word) => bits | (flagBits[word] ?? 0), 0)
  const data = words.filter((word) => flagBits[word] === undefined && !neutral.has(word)).join(',')
  const isBind = type === 'bind' || (flags & 4096) !== 0
  try {
    native.mount(device ?? 'tmpfs', volume.mountpoint, isBind ? null : (type ?? null), isBind ? flags | 4096 : flags, isBind || data === '' ? null : data)
    // The kernel disregards other flags of a bind until it is remounted.
    if (isBind && (flags & ~(4096 | 16384)) !== 0) native.mount(null, volume.mountpoint, null, (flags & ~16384) | 32, null)
  } catch (error) {
    throw mountError(volume, errorMessage(error), error)
  }
}

/** Undoes mountVolume. Idempotent. */
export function unmountVolume(mountpoint: string): void {
  if (!isMounted(mountpoint)) return
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

function isMounted(mountpoint: string): boolean {
  const escaped = mountpoint.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${escaped} `)
}

function mountError(volume: VolumeInfo, why: string, cause?: unknown): TpodError {
  return new TpodError('VOLUME_MOUNT', `mount volume ${volume.name}: ${why}`, { cause })
}

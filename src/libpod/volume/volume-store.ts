/**
 * Named volumes: data at ROOT/volumes/NAME/_data (podman's place, so that the files are found by both), our record at
 * ROOT/tpod/volumes/NAME.json. Every change happens under that volume's lock; the record is written before the directory
 * is made and removed after it is gone, so that whatever a crash leaves has a record that says what to undo.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { TpodError } from '../../errors/tpod-error.ts'
import { readJsonIfExists } from '../../host/fs/read-optional.ts'
import { removeTree } from '../../host/fs/remove-tree.ts'
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'
import { withVolumeLock } from './volume-lock.ts'
import { checkVolumeName } from './volume-name.ts'

export interface VolumeRecord {
  version: 1
  name: string
  driver: 'local'
  /** RFC 3339. */
  created: string
  labels: Record<string, string>
  /** The local driver's: type, device, o. */
  options: Record<string, string>
  /** Made for one container, without a name of the user's. */
  anonymous: boolean
  /** The image's content was copied in, or something else was there first: never copy again (CVE-2020-1726). */
  isFilled: boolean
  /** A container had it, but its image had nothing to fill it with. */
  isUsed?: boolean
}

export interface VolumeInfo extends VolumeRecord { mountpoint: string }

export interface NewVolume {
  /** Absent: 64 random hex digits. */
  name?: string
  labels?: Readonly<Record<string, string>>
  options?: Readonly<Record<string, string>>
  anonymous?: boolean
}

export interface VolumePaths {
  /** ROOT/volumes, or [engine] volume_path. */
  dataDirectory: string
  /** ROOT/tpod/volumes */
  recordDirectory: string
}

/** @param ownDirectory ROOT/tpod; @param volumePath containers.conf's volume_path, '' for ROOT/volumes. */
export function volumePaths(graphRoot: string, ownDirectory: string, volumePath = ''): VolumePaths {
  return { dataDirectory: volumePath === '' ? `${graphRoot}/volumes` : volumePath, recordDirectory: `${ownDirectory}/volumes` }
}

/** Where a volume's files are; pure. Throws BAD_NAME. */
export function volumeMountpoint(paths: VolumePaths, name: string): string {
  checkVolumeName(name)
  return `${paths.dataDirectory}/${name}/_data`
}

export function newAnonymousVolumeName(): string {
  return randomBytes(32).toString('hex')
}

/**
 * Makes the volume, or with `ifMissing` returns the one that exists (as `run -v name:/x` wants). Idempotent after a crash.
 * Throws VOLUME_EXISTS, BAD_NAME, BAD_VOLUME_OPTION.
 */
export async function createVolume(paths: VolumePaths, volume: NewVolume, ifMissing = false): Promise<VolumeInfo> {
  const name = volume.name ?? newAnonymousVolumeName()
  const mountpoint = volumeMountpoint(paths, name)
  checkOptions(name, volume.options ?? {})
  return withVolumeLock(paths, name, async () => {
    const existing = readRecord(paths, name)
    if (existing !== undefined && !ifMissing) {
      throw new TpodError('VOLUME_EXISTS', `create volume ${name}: volume with name ${name} already exists`, { remedy: 'choose another name, or remove it first' })
    }
    // A directory without our record is podman's or a user's: use it, and never copy an image over it.
    const record = existing ?? newRecord(name, volume, hasEntries(mountpoint))
    if (existing === undefined) await writeRecord(paths, record)
    mkdirSync(`${paths.dataDirectory}/${name}`, { recursive: true, mode: 0o755 })
    mkdirSync(mountpoint, { recursive: true, mode: 0o755 })
    return { ...record, mountpoint }
  })
}

/** By full name. Undefined when tpod has no such volume. */
export function findVolume(paths: VolumePaths, name: string): VolumeInfo | undefined {
  if (!isVolumeName(name)) return undefined
  const record = readRecord(paths, name)
  return record === undefined ? undefined : { ...record, mountpoint: volumeMountpoint(paths, name) }
}

/** By full name or a unique beginning of it. Throws NO_SUCH_VOLUME, AMBIGUOUS_NAME. */
export function getVolume(paths: VolumePaths, nameOrPrefix: string): VolumeInfo {
  const exact = findVolume(paths, nameOrPrefix)
  if (exact !== undefined) return exact
  const matches = nameOrPrefix === '' ? [] : listNames(paths).filter((name) => name.startsWith(nameOrPrefix))
  if (matches.length > 1) throw new TpodError('AMBIGUOUS_NAME', `find volume ${nameOrPrefix}: more than one result for volume name ${nameOrPrefix}`)
  const found = matches[0] === undefined ? undefined : findVolume(paths, matches[0])
  if (found === undefined) throw new TpodError('NO_SUCH_VOLUME', `no volume with name "${nameOrPrefix}" found: no such volume`, { exitCode: 1 })
  return found
}

/** All volumes by name. */
export function listVolumes(paths: VolumePaths): VolumeInfo[] {
  return listNames(paths).flatMap((name) => findVolume(paths, name) ?? [])
}

/**
 * Removes data, then record. `users` names the containers that have it (asked under the lock): any makes this throw VOLUME_IN_USE.
 * Success means "it is not there"; a volume that never was throws NO_SUCH_VOLUME unless `ifMissing` is set.
 */
export async function removeVolume(paths: VolumePaths, name: string, users: (name: string) => Promise<string[]>, options: { ifMissing?: boolean } = {}): Promise<void> {
  checkVolumeName(name)
  await withVolumeLock(paths, name, async () => {
    if (readRecord(paths, name) === undefined) {
      if (options.ifMissing) return
      throw new TpodError('NO_SUCH_VOLUME', `no volume with name "${name}" found: no such volume`, { exitCode: 1 })
    }
    const inUse = await users(name)
    if (inUse.length > 0) {
      throw new TpodError('VOLUME_IN_USE', `volume ${name} is being used by the following container(s): ${inUse.join(', ')}: volume is being used`, { exitCode: 2 })
    }
    const { unmountVolume } = await import('./mount-volume.ts')
    unmountVolume(volumeMountpoint(paths, name))
    await removeTree(`${paths.dataDirectory}/${name}`)
    rmSync(recordPath(paths, name), { force: true })
  })
}

/** Caller holds the volume's lock. */
export async function writeRecord(paths: VolumePaths, record: VolumeRecord): Promise<void> {
  mkdirSync(paths.recordDirectory, { recursive: true, mode: 0o700 })
  // An anonymous volume's record after a power cut is worth no wait of the disk at every start.
  await writeFileAtomic(recordPath(paths, record.name), `${JSON.stringify(record)}\n`, { mode: 0o600, sync: !record.anonymous, isLocked: true })
}

export function readRecord(paths: VolumePaths, name: string): VolumeRecord | undefined {
  return readJsonIfExists<VolumeRecord>(recordPath(paths, name))
}

export function hasEntries(directory: string): boolean {
  try {
    return readdirSync(directory).length > 0
  } catch {
    return false
  }
}

function recordPath(paths: VolumePaths, name: string): string {
  return `${paths.recordDirectory}/${name}.json`
}

function newRecord(name: string, volume: NewVolume, isFilled: boolean): VolumeRecord {
  return {
    version: 1, name, driver: 'local', created: new Date().toISOString(), labels: { ...volume.labels }, options: { ...volume.options },
    anonymous: volume.anonymous ?? volume.name === undefined, isFilled,
  }
}

function listNames(paths: VolumePaths): string[] {
  try {
    return readdirSync(paths.recordDirectory).filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5)).filter(isVolumeName).toSorted()
  } catch {
    return [] // Nothing was made yet.
  }
}

function isVolumeName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)
}

function checkOptions(name: string, options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) {
    if (!['type', 'device', 'o'].includes(key)) {
      throw new TpodError('BAD_VOLUME_OPTION', `create volume ${name}: invalid mount option ${key} for driver 'local'`, { remedy: 'type, device and o are supported' })
    }
  }
  if (options['type'] !== undefined && options['device'] === undefined && options['type'] !== 'tmpfs') {
    throw new TpodError('BAD_VOLUME_OPTION', `create volume ${name}: type=${options['type']} needs a device`)
  }
  const { device } = options
  const isBind = options['type'] === 'bind' || /(^|,)r?bind(,|$)/.test(options['o'] ?? '')
  if (isBind && device !== undefined && !existsSync(device)) {
    throw new TpodError('BAD_VOLUME_OPTION', `invalid volume option device for driver 'local': stat ${device}: no such file or directory`)
  }
}

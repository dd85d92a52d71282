/** storage.conf(5): where the store is and how its overlay driver mounts. */
import { readFileSync, realpathSync } from 'node:fs'
import { normalize } from 'node:path'
import { TpodError, errorMessage } from '../errors/tpod-error.ts'
import { readTextIfExists } from '../host/fs/read-optional.ts'
import { defaultGraphRoot, defaultRunRoot, storageConfFiles } from './paths.ts'
import type { UserPlace } from './paths.ts'

/** storage/'s StoreOptions; spelled here because config/ does not import from storage/. */
export interface StorageConfig {
  graphRoot: string
  runRoot: string
  driver: 'overlay'
  driverOptions: Record<string, string>
  additionalImageStores: string[]
  userXattr: boolean
}

export interface StorageRequest extends UserPlace {
  /** --root; drops the driver options of storage.conf, but (as in podman) not its run root. */
  root?: string
  /** --runroot */
  runroot?: string
  /** --storage-driver; drops the driver options of storage.conf. */
  driver?: string
  /** --storage-opt, `overlay.mountopt=nodev`; replaces those of storage.conf. A single '' clears them. */
  storageOpts?: readonly string[]
}

/** One storage.conf, as far as it concerns us. */
interface StorageFile {
  driver?: string
  graphroot?: string
  runroot?: string
  rootless_storage_path?: string
  imagestore?: string
  transient_store?: boolean
  options?: Record<string, unknown>
}

/**
 * Options that change the format on disk, or promise a limit, in ways this implementation does not have. `pull_options`
 * is none: it allows partial pulls of zstd:chunked layers, and to fetch them whole gives the same layers.
 */
const UNSUPPORTED: Readonly<Record<string, readonly string[]>> = {
  use_composefs: ['false', ''],
  force_mask: [''],
  size: ['', '0'],
  inodes: ['', '0'],
  additionallayerstores: [],
}
/** Both names mean read-only stores that are searched, too. */
const IMAGE_STORE_KEYS = ['imagestore', 'additionalimagestore']
const OVERLAY_KEYS = ['mountopt', 'mount_program', 'ignore_chown_errors', 'skip_mount_home', 'use_composefs', 'force_mask', 'size', 'inodes']

/**
 * The store's options from files, environment (CONTAINERS_STORAGE_CONF, STORAGE_DRIVER, STORAGE_OPTS) and flags, flags
 * strongest. Throws BAD_CONFIG naming the file, UNSUPPORTED_DRIVER, UNSUPPORTED_STORAGE_OPTION.
 */
export async function loadStorageOptions(request: StorageRequest): Promise<StorageConfig> {
  const { path, file } = await readStorageConf(request)
  checkSupported(path, file)
  const driver = request.driver ?? (request.env['STORAGE_DRIVER'] || file.driver || 'overlay')
  if (driver !== 'overlay' && driver !== 'overlay2') {
    throw new TpodError('UNSUPPORTED_DRIVER', `open store: storage driver "${driver}" is not supported, only overlay is`, {
      remedy: `set driver = "overlay" in ${path ?? 'storage.conf'}, or give --storage-driver overlay with another --root`,
    })
  }
  const options = driverOptions(request, file)
  for (const [key, harmless] of Object.entries(UNSUPPORTED)) {
    const value = options.values[key]
    if (value !== undefined && !harmless.includes(value)) throw unsupportedOption(`${key} = "${value}"`, path)
  }
  return {
    graphRoot: resolvePath(request.root ?? graphRootOf(request, file), request),
    runRoot: resolvePath(request.runroot ?? runRootOf(request, file), request),
    driver: 'overlay',
    driverOptions: options.values,
    additionalImageStores: options.imageStores.map(store => resolvePath(store, request)),
    userXattr: !request.isRoot || isInUserNamespace(),
  }
}

async function readStorageConf(request: StorageRequest): Promise<{ path?: string; file: StorageFile }> {
  const explicit = request.env['CONTAINERS_STORAGE_CONF']
  for (const path of explicit ? [explicit] : storageConfFiles(request)) {
    const text = readTextIfExists(path)
    if (text !== undefined) return { path, file: await parseStorageConf(path, text) }
  }
  if (explicit) throw new TpodError('BAD_CONFIG', `read ${explicit}: no such file`, { remedy: 'correct or unset CONTAINERS_STORAGE_CONF' })
  return { file: {} }
}

async function parseStorageConf(path: string, text: string): Promise<StorageFile> {
  const { parse } = await import('smol-toml')
  try {
    const { storage } = parse(text)
    return typeof storage === 'object' ? (storage as StorageFile) : {}
  } catch (error) {
    throw new TpodError('BAD_CONFIG', `read ${path}: ${errorMessage(error).split('\n', 1)[0]}`, { remedy: `correct ${path}`, cause: error })
  }
}

function checkSupported(path: string | undefined, file: StorageFile): void {
  if (file.imagestore) throw unsupportedOption(`imagestore = "${file.imagestore}"`, path)
  if (file.transient_store === true) throw unsupportedOption('transient_store = true', path)
}

function unsupportedOption(what: string, path: string | undefined): TpodError {
  return new TpodError('UNSUPPORTED_STORAGE_OPTION', `open store: ${what} is not supported`, {
    remedy: path === undefined ? 'leave the option out' : `remove it from ${path}, or use another store with --root`,
  })
}

/** A user's own file may name graphroot; the system's graphroot belongs to root. */
function graphRootOf(request: StorageRequest, file: StorageFile): string {
  if (request.isRoot) return file.graphroot || defaultGraphRoot(request)
  const path = file.rootless_storage_path
  if (path) return path
  return file.graphroot && isUsersFile(request) ? file.graphroot : defaultGraphRoot(request)
}

function runRootOf(request: StorageRequest, file: StorageFile): string {
  return file.runroot && (request.isRoot || isUsersFile(request)) ? file.runroot : defaultRunRoot(request)
}

function isUsersFile(request: StorageRequest): boolean {
  if (request.env['CONTAINERS_STORAGE_CONF']) return true
  return readTextIfExists(storageConfFiles(request)[0] ?? '') !== undefined
}

/** Driver options without their `overlay.` prefix, and the additional image stores among them. */
function driverOptions(request: StorageRequest, file: StorageFile): { values: Record<string, string>; imageStores: string[] } {
  const values: Record<string, string> = {}
  const imageStores: string[] = []
  const fromFile = request.root === undefined && request.driver === undefined && !request.storageOpts?.length
  if (fromFile) {
    const options = file.options ?? {}
    const overlay = typeof options['overlay'] === 'object' && options['overlay'] !== null ? (options['overlay'] as Record<string, unknown>) : {}
    for (const key of OVERLAY_KEYS) {
      const value = overlay[key] ?? options[key]
      if (value !== undefined) values[key] = String(value)
    }
    if (options['disable-volatile'] === true) values['disable_volatile'] = 'true'
    const layerStores = overlay['additionallayerstores'] ?? options['additionallayerstores']
    if (Array.isArray(layerStores) && layerStores.length > 0) values['additionallayerstores'] = layerStores.join(',')
    if (Array.isArray(options['additionalimagestores'])) imageStores.push(...options['additionalimagestores'].map(String))
  }
  const given = [...(request.env['STORAGE_OPTS']?.split(',') ?? []), ...(request.storageOpts ?? [])]
  for (const option of given) addOption(option, values, imageStores)
  return { values, imageStores }
}

function addOption(option: string, values: Record<string, string>, imageStores: string[]): void {
  if (option === '') return
  const match = /^(?:overlay2?|\.)?\.?([a-z_]+)=(.*)$/s.exec(option)
  const [, key, value] = match ?? []
  if (key === undefined || value === undefined || (!IMAGE_STORE_KEYS.includes(key) && !OVERLAY_KEYS.includes(key))) {
    throw new TpodError('UNSUPPORTED_STORAGE_OPTION', `open store: storage option ${JSON.stringify(option)} is not known`, {
      remedy: `known are ${[...IMAGE_STORE_KEYS, ...OVERLAY_KEYS].map(name => `overlay.${name}=`).join(', ')}`,
    })
  }
  if (IMAGE_STORE_KEYS.includes(key)) imageStores.push(...value.split(',').filter(path => path !== ''))
  else values[key] = value
}

/** `$HOME`, `$UID` and other variables expanded, links resolved as far as the path exists: all tools must name it alike. */
function resolvePath(path: string, { env, uid, home }: UserPlace): string {
  const expanded = path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_all, braced: string | undefined, plain: string | undefined) => {
    const name = braced ?? plain ?? ''
    return name === 'UID' ? String(uid) : name === 'HOME' ? home : (env[name] ?? '')
  })
  try {
    return realpathSync(expanded)
  } catch {
    const clean = normalize(expanded)
    return clean.length > 1 ? clean.replace(/\/$/, '') : clean
  }
}

/** Whether ids are mapped: root in a user namespace may not set trusted.* attributes. */
function isInUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  } catch {
    return false
  }
}

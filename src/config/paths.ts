/** Default places of the store, as containers/storage chooses them. */
import { lstatSync, mkdirSync, statSync } from 'node:fs'
import { errorCode, TpodError } from '../errors/tpod-error.ts'

export interface UserPlace {
  env: Readonly<Record<string, string | undefined>>
  isRoot: boolean
  /** Of the user, not of the root user inside a user namespace. */
  uid: number
  home: string
}

const SYSTEM_GRAPH_ROOT = '/var/lib/containers/storage'
const SYSTEM_RUN_ROOT = '/run/containers/storage'

/** Graph root without configuration. */
export function defaultGraphRoot(place: UserPlace): string {
  if (place.isRoot) return SYSTEM_GRAPH_ROOT
  return `${place.env['XDG_DATA_HOME'] || `${place.home}/.local/share`}/containers/storage`
}

/** Run root without configuration. */
export function defaultRunRoot(place: UserPlace): string {
  return place.isRoot ? SYSTEM_RUN_ROOT : `${userRuntimeDirectory(place)}/containers`
}

/**
 * XDG_RUNTIME_DIR, or where it would be; the last resort is a folder in TMPDIR that containers/storage uses too. As anybody
 * may make things there, it is made here, and refused if it is another's: who owns it would choose what containers run.
 * Throws RUNTIME_DIRECTORY.
 */
export function userRuntimeDirectory({ env, uid }: Pick<UserPlace, 'env' | 'uid'>): string {
  if (env['XDG_RUNTIME_DIR']) return env['XDG_RUNTIME_DIR']
  const usual = `/run/user/${uid}`
  if (statSync(usual, { throwIfNoEntry: false })?.uid === uid) return usual
  const fallback = `${env['TMPDIR'] || '/tmp'}/storage-run-${uid}`
  // In a user namespace we may be shown as root.
  if (process.geteuid?.() === uid) checkOwnDirectory(fallback, uid)
  return fallback
}

function checkOwnDirectory(path: string, uid: number): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (cause) {
    // Where nothing can be made the store says so when it needs it.
    if (errorCode(cause) !== 'EEXIST') return
  }
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined || (stats.isDirectory() && stats.uid === uid && (stats.mode & 0o022) === 0)) return
  throw new TpodError('RUNTIME_DIRECTORY', `use ${path}: it is no directory that you alone may write to`, { remedy: 'log in with a session that has XDG_RUNTIME_DIR, or set it to a directory of your own with mode 0700' })
}

/** storage.conf files, most important first; the first that exists is the only one read. */
export function storageConfFiles(place: UserPlace): string[] {
  const user = place.isRoot && !place.env['XDG_CONFIG_HOME'] ? [] : [`${place.env['XDG_CONFIG_HOME'] || `${place.home}/.config`}/containers/storage.conf`]
  return [...user, '/etc/containers/storage.conf', '/usr/share/containers/storage.conf']
}

/** Where what images need beside registries.conf is looked for: policy.json and registries.d (of each, the first that exists counts), certs.d. */
export interface ImagePlaces {
  policyPaths: readonly [own: string, systems: string]
  registriesDirectories: readonly string[]
  certDirectories: readonly string[]
  lookasideDirectory: string
}

export function imagePlaces({ env, home, uid }: Pick<UserPlace, 'env' | 'uid' | 'home'>): ImagePlaces {
  const own = `${env['XDG_CONFIG_HOME'] || `${home}/.config`}/containers`
  return {
    policyPaths: [`${own}/policy.json`, '/etc/containers/policy.json'],
    registriesDirectories: [`${own}/registries.d`, '/etc/containers/registries.d'],
    certDirectories: [...uid === 0 ? [] : [`${own}/certs.d`], '/etc/containers/certs.d', '/etc/docker/certs.d'],
    lookasideDirectory: defaultLookasideDirectory({ home, uid }),
  }
}

/** Where containers/image keeps signatures for which registries.d names no place. */
function defaultLookasideDirectory({ home, uid }: { home: string; uid: number }): string {
  return uid === 0 ? '/var/lib/containers/sigstore' : `${home}/.local/share/containers/sigstore`
}

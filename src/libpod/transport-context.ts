/**
 * What reaching images takes without an engine: registries, directories and archives need no store, no containers.conf and
 * no privileges. A store is opened when `containers-storage:` is named.
 */
import { type Credentials, type CredentialSource, credentialSource, fixedCredentials } from '../config/auth-file.ts'
import { authPaths } from '../config/auth-paths.ts'
import { imagePlaces } from '../config/paths.ts'
import type { Policy } from '../config/policy.ts'
import { ownEnvironment } from '../host/process/self.ts'
import type { RegistriesConfig } from '../config/registries-conf.ts'
import type { StorePlace, TransportContext } from '../image/types.ts'
import type { Platform } from '../oci/image-types.ts'
import { hostPlatform, normalizePlatform } from '../oci/platform.ts'
import type { Store } from '../storage/types.ts'
import { loadRegistriesOf } from './registries-of.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface TransportContextOptions {
  /** HOME, XDG_*, CONTAINERS_*, REGISTRY_AUTH_FILE and the proxies' variables. Default: this process's. */
  env?: Env
  /** Instead of the usual auth files. */
  authFile?: string
  /** policy.json, instead of the user's or the system's; must exist. */
  policyPath?: string
  /** Accept every image, whatever policy.json says. */
  insecurePolicy?: boolean
  /** registries.d, instead of the user's or the system's. */
  registriesDirectory?: string
  /** registries.conf, instead of the user's or the system's; must exist. */
  registriesConf?: string
  /** What of the machine's platform is replaced when an index is looked into. */
  platform?: { os?: string; architecture?: string; variant?: string }
  temporaryDirectory?: string
  userAgent?: string
  /** What `containers-storage:` without [driver@root+runroot] means, where not storage.conf's. */
  store?: StorePlace
}

/** Reads nothing yet. */
export function openTransportContext(options: TransportContextOptions = {}): TransportContext {
  const { env = ownEnvironment() } = options
  const home = env['HOME'] || '/root'
  const places = imagePlaces({ env, home, uid: process.getuid?.() ?? 0 })
  const registries = registriesFor(env, options.registriesConf, home)
  let policy: Promise<Policy> | undefined
  return {
    registries,
    credentials: credentialsFor(env, registries, options.authFile === undefined ? {} : { authFile: options.authFile }),
    policy: () => (policy ??= policyFor(options, places.policyPaths)),
    platform: platformFor(options.platform),
    certDirectories: places.certDirectories,
    registriesDirectories: options.registriesDirectory === undefined ? places.registriesDirectories : [options.registriesDirectory],
    lookasideDirectory: places.lookasideDirectory,
    proxyEnv: env,
    uploadsDirectory: `${env['XDG_CACHE_HOME'] || `${home}/.cache`}/tpod/uploads`,
    userAgent: options.userAgent ?? 'tpod',
    ...(options.temporaryDirectory === undefined ? {} : { temporaryDirectory: options.temporaryDirectory }),
    openStore: storeOpener(env, options.store),
  }
}

export interface CredentialChoice {
  /** Instead of the usual auth files. */
  authFile?: string
  /** user[:password]. */
  creds?: string
  username?: string
  password?: string
  /** Ask nobody. */
  anonymous?: boolean
}

/** Throws BAD_CREDENTIALS for what contradicts itself, in skopeo's words. */
export function credentialsFor(env: Env, registries: () => Promise<RegistriesConfig>, choice: CredentialChoice): CredentialSource {
  const { creds, username, password, anonymous } = choice
  if (anonymous === true) return { find: async () => undefined }
  if (creds !== undefined) return fixedCredentials(creds)
  if (username !== undefined) {
    const credentials: Credentials = { username, password: password ?? '' }
    return { find: async () => credentials, forOthers: { find: async () => undefined } }
  }
  return credentialSource(authPaths({ env, uid: process.getuid?.() ?? 0, authFile: choice.authFile, credentialHelpers: async () => (await registries()).credentialHelpers }))
}

function registriesFor(env: Env, registriesConf: string | undefined, home: string): () => Promise<RegistriesConfig> {
  let loading: Promise<RegistriesConfig> | undefined
  return () => loading ??= loadRegistriesOf({ env, isRoot: (process.getuid?.() ?? 0) === 0, home }, registriesConf)
}

async function policyFor({ policyPath, insecurePolicy }: TransportContextOptions, policyPaths: readonly string[]): Promise<Policy> {
  const { loadPolicy } = await import('../config/policy.ts')
  if (insecurePolicy === true) return loadPolicy([])
  if (policyPath !== undefined) return loadPolicy([policyPath], { mustExist: true })
  return loadPolicy(policyPaths)
}

function platformFor(wanted: TransportContextOptions['platform']): Platform {
  const host = hostPlatform(process.arch)
  if (wanted === undefined) return host
  const { os = host.os, architecture = host.architecture, variant } = wanted
  // A variant of this machine says nothing about another architecture.
  const own = variant ?? (architecture === host.architecture ? host.variant : undefined)
  return normalizePlatform({ os, architecture, ...(own === undefined ? {} : { variant: own }) })
}

/** One store per place and run. */
function storeOpener(env: Env, usual: StorePlace | undefined): TransportContext['openStore'] {
  const open = new Map<string, Promise<Store>>()
  return (place = usual ?? {}) => {
    const key = JSON.stringify(place)
    const known = open.get(key) ?? openPlace(env, place)
    open.set(key, known)
    return known
  }
}

async function openPlace(env: Env, { driver, graphRoot, runRoot, options }: StorePlace): Promise<Store> {
  const [{ loadStorageOptions }, { openStore }] = await Promise.all([import('../config/storage-conf.ts'), import('../storage/open-store.ts')])
  const uid = process.getuid?.() ?? 0
  return openStore(await loadStorageOptions({
    env, uid, isRoot: uid === 0, home: env['HOME'] || '/root',
    ...(driver === undefined ? {} : { driver }), ...(graphRoot === undefined ? {} : { root: graphRoot }),
    ...(runRoot === undefined ? {} : { runroot: runRoot }), ...(options === undefined ? {} : { storageOpts: options }),
  }))
}

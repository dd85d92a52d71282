/** Puts together what pulling needs from paths; reads nothing until asked. */
import { credentialSource } from '../config/auth-file.ts'
import type { AuthPaths } from '../config/auth-file.ts'
import type { Policy } from '../config/policy.ts'
import type { RegistriesConfig } from '../config/registries-conf.ts'
import { TpodError } from '../errors/tpod-error.ts'
import { hostPlatform } from '../oci/platform.ts'
import type { Store } from '../storage/types.ts'
import type { ImageContext, StorePlace } from './types.ts'

export interface ImageContextOptions {
  store: Store
  registries: () => Promise<RegistriesConfig>
  /** `credentialHelpers` is taken from registries.conf where it is absent. */
  auth: AuthPaths
  /** First that exists counts: ~/.config/containers/policy.json, /etc/containers/policy.json; or --signature-policy alone. */
  policyPaths?: readonly string[]
  policyMustExist?: boolean
  /** Of registries.d, the first that exists counts. */
  registriesDirectories?: readonly string[]
  /** Where signatures lie where registries.d names no place. */
  lookasideDirectory?: string
  /** Other stores than the one in use, named in brackets; absent: refused. */
  openStoreAt?: (place: StorePlace) => Promise<Store>
  /** `process.arch`. */
  architecture: string
  /** ~/.config/containers/certs.d comes first for users other than root. */
  certDirectories?: readonly string[]
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked up. */
  proxyEnv?: Readonly<Record<string, string | undefined>>
  userAgent?: string
  /** Default /var/tmp. */
  temporaryDirectory?: string
  /** Default: in the store. */
  uploadsDirectory?: string
}

export function openImageContext(options: ImageContextOptions): ImageContext {
  const { store, registries, auth } = options
  let policy: Promise<Policy> | undefined
  return {
    store,
    openStore: async (place) => {
      if (place !== undefined && options.openStoreAt !== undefined) return options.openStoreAt(place)
      if (place !== undefined) throw new TpodError('BAD_IMAGE_NAME', 'open containers-storage: another store than the one in use cannot be named here', { remedy: 'leave [driver@root+runroot] away' })
      return store
    },
    registries,
    credentials: credentialSource({ credentialHelpers: async () => (await registries()).credentialHelpers, ...auth }),
    policy: () => (policy ??= import('../config/policy.ts').then(({ loadPolicy }) => loadPolicy(options.policyPaths ?? ['/etc/containers/policy.json'], { mustExist: options.policyMustExist === true }))),
    platform: hostPlatform(options.architecture),
    certDirectories: options.certDirectories ?? ['/etc/containers/certs.d', '/etc/docker/certs.d'],
    ...(options.registriesDirectories === undefined ? {} : { registriesDirectories: options.registriesDirectories }),
    ...(options.lookasideDirectory === undefined ? {} : { lookasideDirectory: options.lookasideDirectory }),
    ...(options.proxyEnv === undefined ? {} : { proxyEnv: options.proxyEnv }),
    ...(options.temporaryDirectory === undefined ? {} : { temporaryDirectory: options.temporaryDirectory }),
    uploadsDirectory: options.uploadsDirectory ?? `${store.ownDirectory}/uploads`,
    userAgent: options.userAgent ?? 'tpod',
  }
}

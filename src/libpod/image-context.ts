/** What reaching registries takes, from an engine's environment. Reads no file yet: registries.conf, policy and auth files wait for their first use. */
import { fixedCredentials } from '../config/auth-file.ts'
import { authPaths } from '../config/auth-paths.ts'
import { imagePlaces } from '../config/paths.ts'
import type { RegistriesConfig } from '../config/registries-conf.ts'
import { openImageContext } from '../image/open-image-context.ts'
import type { ImageContext } from '../image/types.ts'
import type { Engine } from './engine.ts'

export interface RegistryAccess {
  /** Instead of the usual auth files. */
  authFile?: string | undefined
  /** user:password, instead of any auth file. */
  credentials?: string | undefined
  /** policy.json, instead of the user's or the system's; must exist. */
  signaturePolicy?: string | undefined
}

/** What finds names among local images; an engine that was opened without registries knows full names only. */
export function registriesOf(engine: Engine): () => Promise<RegistriesConfig> {
  const load = engine.options.loadRegistries
  if (!load) throw new Error('the engine was opened without registries')
  return load
}

/** Throws BAD_FLAG-like errors for malformed credentials. */
export function imageContext(engine: Engine, access: RegistryAccess = {}): ImageContext {
  const env = engine.options.hostEnv
  const home = env['HOME'] || '/root'
  const uid = process.getuid?.() ?? 0
  const { policyPaths, ...places } = imagePlaces({ env, home, uid })
  const context = openImageContext({
    store: engine.store,
    registries: registriesOf(engine),
    auth: authPaths({ env, uid, authFile: access.authFile }),
    ...(access.signaturePolicy === undefined
      ? { policyPaths }
      : { policyPaths: [access.signaturePolicy], policyMustExist: true }),
    ...places,
    openStoreAt: async (place) => (await import('./transport-context.ts')).openTransportContext({ env }).openStore(place),
    architecture: process.arch,
    proxyEnv: { ...engineEnvironment(engine), ...env },
    userAgent: engine.options.userAgent ?? 'tpod',
    temporaryDirectory: temporaryDirectoryOf(engine),
  })
  return access.credentials === undefined ? context : { ...context, credentials: fixedCredentials(access.credentials, context.credentials) }
}

/** For what is large: as podman, TMPDIR or /var/tmp, as bulky data has no place in a memory file system. */
export function temporaryDirectoryOf(engine: Engine): string {
  return engine.options.hostEnv['TMPDIR'] || '/var/tmp'
}

/** `env` of containers.conf's [engine], where many set the proxy; the caller's own environment goes before it. */
function engineEnvironment(engine: Engine): Record<string, string> {
  return Object.fromEntries(engine.config.engine.env.flatMap((entry) => {
    const end = entry.indexOf('=')
    return end < 1 ? [] : [[entry.slice(0, end), entry.slice(end + 1)]]
  }))
}

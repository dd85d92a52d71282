/** What image operations need to know of the machine and the user, from the engine, the flags and the environment. */
import { fixedCredentials } from '../config/auth-file.ts'
import { userRuntimeDirectory } from '../config/paths.ts'
import { TpodError } from '../errors/tpod-error.ts'
import { openImageContext } from '../image/open-image-context.ts'
import type { ImageContext, PullOptions } from '../image/types.ts'
import type { Engine } from '../libpod/engine.ts'
import type { Platform } from '../oci/image-types.ts'
import { hostPlatform, normalizePlatform, parsePlatform } from '../oci/platform.ts'
import { version } from './version.ts'

type Env = Readonly<Record<string, string | undefined>>
type LoadRegistries = ImageContext['registries']

export interface ImageFlags {
  authfile?: string | undefined
  creds?: string | undefined
}

/** What finds names among local images. */
export function registriesOf(engine: Engine): LoadRegistries {
  const load = engine.options.loadRegistries
  if (!load) throw new Error('the engine was opened without registries')
  return load
}

/** Opens no file yet: registries.conf, policy and auth files are read when first asked for. */
export function imageContext(engine: Engine, env: Env, flags: ImageFlags = {}): ImageContext {
  const home = env['HOME'] || '/root'
  const configHome = env['XDG_CONFIG_HOME'] || `${home}/.config`
  const uid = process.getuid?.() ?? 0
  const authFile = flags.authfile ?? (env['REGISTRY_AUTH_FILE'] || undefined)
  const context = openImageContext({
    store: engine.store,
    registries: registriesOf(engine),
    auth: {
      ...(authFile === undefined ? {} : { authFile }),
      runtimeDirectory: uid === 0 && !env['XDG_RUNTIME_DIR'] ? '/run' : userRuntimeDirectory({ env, uid }),
      configHome, home,
      dockerDirectory: env['DOCKER_CONFIG'] || `${home}/.docker`,
    },
    policyPaths: [`${configHome}/containers/policy.json`, '/etc/containers/policy.json'],
    architecture: process.arch,
    certDirectories: [...uid === 0 ? [] : [`${configHome}/containers/certs.d`], '/etc/containers/certs.d', '/etc/docker/certs.d'],
    userAgent: `tpod/${version}`,
  })
  return flags.creds === undefined ? context : { ...context, credentials: fixedCredentials(flags.creds) }
}

export interface PlatformFlags {
  arch?: string | undefined
  os?: string | undefined
  platform?: string | undefined
  variant?: string | undefined
}

/** The platform that --platform or --arch, --os and --variant ask for; undefined: the machine's. */
export function wantedPlatform(flags: PlatformFlags): Platform | undefined {
  const host = hostPlatform(process.arch)
  if (flags.platform !== undefined) {
    if ((flags.arch ?? flags.os ?? flags.variant) !== undefined) {
      throw new TpodError('USAGE', '--platform option can not be specified with --arch, --os or --variant')
    }
    return parsePlatform(flags.platform, host)
  }
  if ((flags.arch ?? flags.os ?? flags.variant) === undefined) return undefined
  return normalizePlatform({
    os: flags.os ?? host.os, architecture: flags.arch ?? host.architecture,
    ...(flags.variant === undefined ? {} : { variant: flags.variant }),
  })
}

/** --pull's words, and those of older versions. */
export function pullPolicy(word: string): NonNullable<PullOptions['policy']> {
  if (word === 'true') return 'always'
  if (word === 'false') return 'missing'
  return word === 'ifnewer' ? 'newer' : (word as NonNullable<PullOptions['policy']>)
}

/** Where credentials are looked for and written, from a caller's environment. */
import type { AuthPaths } from './auth-file.ts'
import { userRuntimeDirectory } from './paths.ts'

export interface AuthPathsOptions {
  env: Readonly<Record<string, string | undefined>>
  uid: number
  /** --authfile; absent: REGISTRY_AUTH_FILE, else the usual files. */
  authFile?: string | undefined
  /** registries.conf's `credential-helpers`. */
  credentialHelpers?: () => Promise<readonly string[]>
}

export function authPaths({ env, uid, authFile, credentialHelpers }: AuthPathsOptions): AuthPaths {
  const home = env['HOME'] || '/root'
  const only = authFile ?? (env['REGISTRY_AUTH_FILE'] || undefined)
  return {
    ...(only === undefined ? {} : { authFile: only }),
    ...(credentialHelpers === undefined ? {} : { credentialHelpers }),
    runtimeDirectory: uid === 0 && !env['XDG_RUNTIME_DIR'] ? '/run' : userRuntimeDirectory({ env, uid }),
    configHome: env['XDG_CONFIG_HOME'] || `${home}/.config`,
    dockerDirectory: env['DOCKER_CONFIG'] || `${home}/.docker`,
    home,
  }
}

/** The file that a login writes: --authfile's, or the one in the runtime directory. */
export function authFileToWrite(paths: AuthPaths): string {
  if (paths.authFile !== undefined) return paths.authFile
  if (paths.runtimeDirectory === undefined || paths.runtimeDirectory === '/run') return '/run/containers/0/auth.json'
  return `${paths.runtimeDirectory}/containers/auth.json`
}

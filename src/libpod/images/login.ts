/**
 * Logging in to registries and out, with podman's, buildah's and skopeo's semantics. No engine is needed; what a person is
 * asked and told goes through the callbacks.
 */
import { type AuthPaths, credentialSource, type Credentials } from '../../config/auth-file.ts'
import { authPaths } from '../../config/auth-paths.ts'
import { type AuthTarget, checkAuthKey, removeAllCredentials, removeCredentials, storeCredentials } from '../../config/auth-write.ts'
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { EndpointOptions, TransportContext } from '../../image/types.ts'
import { parseReference } from '../../oci/reference.ts'

export interface LoginAccess {
  /** How registries are reached; its credentials are not used. */
  context: TransportContext
  /** HOME, XDG_*, REGISTRY_AUTH_FILE, DOCKER_CONFIG. */
  env: Readonly<Record<string, string | undefined>>
  /** Instead of REGISTRY_AUTH_FILE or the usual files. A login makes it. */
  authFile?: string | undefined
  /** Write docker's config.json at that path; reading, it alone counts. */
  compatAuthFile?: string | undefined
  /** Without a registry: the first unqualified search registry (podman), else an error (skopeo). */
  acceptUnspecified?: boolean
  /** HOST/NAMESPACE[/REPOSITORY] is a key of its own; else (skopeo's older habit) HOST is taken. Default true. */
  acceptRepositories?: boolean
  endpoint?: EndpointOptions
}

export type LoginEvent = { type: 'trying-existing'; key: string } | { type: 'existing-invalid' }

export interface LoginOptions extends LoginAccess {
  username?: string | undefined
  /** Never put into messages. */
  password?: string | undefined
  /** Asked where no user name was given and none is stored, or the stored credentials are refused. Absent: an error. */
  askUsername?: (stored: string) => Promise<string>
  askPassword?: () => Promise<string>
  onEvent?: (event: LoginEvent) => void
}

export type LoginResult =
  /** `storedIn`: for people. */
  | { kind: 'logged-in'; key: string; storedIn: string }
  | { kind: 'already'; key: string; registry: string }

/**
 * Checks the credentials with the registry, then stores them. Throws LOGIN_FAILED for wrong ones, BAD_REGISTRY_NAME, what
 * reaching the registry throws and what storing throws; nothing is stored then.
 */
export async function login(registryName: string | undefined, options: LoginOptions): Promise<LoginResult> {
  const { key, registry } = await registryKey(registryName, options, 'login to')
  const target = targetOf(options)
  const stored = await storedCredentials(target, key)
  if (stored?.identityToken !== undefined) throw new TpodError('LOGIN_FAILED', 'currently logged in, auth file contains an Identity token', { remedy: `log out first: tpod logout ${key}` })
  if (!options.username && !options.password && stored?.username && stored.password) {
    options.onEvent?.({ type: 'trying-existing', key })
    if (await isAccepted(options, key, registry, stored)) return { kind: 'already', key, registry }
    options.onEvent?.({ type: 'existing-invalid' })
  }
  const credentials = await askedCredentials(options, stored?.username ?? '')
  await check(options, key, registry, credentials)
  return { kind: 'logged-in', key, storedIn: await storeCredentials(target, key, credentials) }
}

/** The user who is logged in. Throws NOT_LOGGED_IN. */
export async function loggedInUser(registryName: string | undefined, options: LoginAccess): Promise<string> {
  const { key } = await registryKey(registryName, options, 'login to')
  const stored = await storedCredentials(targetOf(options), key)
  if (!stored?.username) throw notLoggedIn(key)
  return stored.username
}

export type LogoutResult = { kind: 'removed'; key: string } | { /** docker's own file has them, which is not ours to change. */ kind: 'docker'; key: string }

/** Throws NOT_LOGGED_IN, AUTH_FILE_MISSING for an --authfile that does not exist, and what changing the file throws. */
export async function logout(registryName: string | undefined, options: LoginAccess): Promise<LogoutResult> {
  await checkAuthFile(options)
  const { key, registry } = await registryKey(registryName, options, 'logout from')
  const target = targetOf(options)
  if (await removeCredentials(target, key)) return { kind: 'removed', key }
  const elsewhere = await storedCredentials(target, key)
  if (elsewhere?.username && elsewhere.password && (await isAccepted(options, key, registry, elsewhere))) return { kind: 'docker', key }
  throw notLoggedIn(key)
}

/** All registries' credentials. Errors as logout's, but for NOT_LOGGED_IN. */
export async function logoutAll(options: LoginAccess): Promise<void> {
  await checkAuthFile(options)
  await removeAllCredentials(targetOf(options))
}

function targetOf({ context, env, authFile, compatAuthFile, endpoint }: LoginAccess): AuthTarget {
  if (authFile !== undefined && compatAuthFile !== undefined) throw new TpodError('BAD_FLAG', 'options for paths to the credential file and to the Docker-compatible credential file can not be set simultaneously')
  const paths = authPaths({ env, uid: process.getuid?.() ?? 0, authFile, credentialHelpers: async () => (await context.registries()).credentialHelpers })
  return {
    paths,
    ...(compatAuthFile === undefined ? {} : { compatAuthFile }),
    ...(endpoint?.signal === undefined ? {} : { signal: endpoint.signal }),
  }
}

/** Undefined without; an auth file that a login is to make is no error. */
async function storedCredentials({ paths, compatAuthFile }: AuthTarget, key: string): Promise<Credentials | undefined> {
  const only = compatAuthFile ?? paths.authFile
  const files: AuthPaths = only === undefined ? paths : { ...paths, authFile: only }
  try {
    return await credentialSource(files).find(key)
  } catch (error) {
    if (errorCode(error) === 'AUTH_FILE_MISSING') return undefined
    throw new TpodError(errorCode(error) ?? 'AUTH_FILE_INVALID', `get credentials: ${errorMessage(error)}`, { cause: error })
  }
}

async function checkAuthFile({ authFile }: LoginAccess): Promise<void> {
  if (authFile === undefined) return
  const { stat } = await import('node:fs/promises')
  await stat(authFile).catch((cause: unknown) => {
    throw new TpodError('AUTH_FILE_MISSING', `checking authfile: stat ${authFile}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorMessage(cause)}`, { cause })
  })
}

async function registryKey(text: string | undefined, { context, acceptUnspecified, acceptRepositories = true }: LoginAccess, action: string): Promise<{ key: string; registry: string }> {
  if (text === undefined) {
    if (acceptUnspecified !== true) throw new TpodError('USAGE', `please provide a registry to ${action}`)
    const first = (await context.registries()).searchRegistries[0]
    if (first === undefined) throw new TpodError('USAGE', 'no registries found in registries.conf, a registry must be provided')
    return { key: first, registry: first }
  }
  const key = /^https?:\/\//.test(text) ? (URL.canParse(text) ? new URL(text).host : '') : text
  const registry = key.split('/', 1)[0] as string
  if (!acceptRepositories || registry === key) {
    checkAuthKey(registry)
    return { key: registry, registry }
  }
  const reference = parseReference(key)
  if (reference.tag !== undefined || reference.digest !== undefined) throw new TpodError('BAD_REGISTRY_NAME', `reference "${key}" contains tag or digest`, { remedy: 'write HOST[:PORT][/NAMESPACE[/REPOSITORY]]' })
  checkAuthKey(key)
  return { key, registry }
}

async function askedCredentials({ username, password, askUsername, askPassword }: LoginOptions, stored: string): Promise<{ username: string; password: string }> {
  let user = username ?? ''
  if (user === '') {
    if (askUsername === undefined) throw new TpodError('LOGIN_FAILED', 'getting username and password: no user name was given, and nobody can be asked', { remedy: 'give --username and --password-stdin' })
    user = (await askUsername(stored)).trim() || stored
  }
  if (password) return { username: user.trim(), password }
  if (askPassword === undefined) throw new TpodError('LOGIN_FAILED', 'getting username and password: no password was given, and nobody can be asked', { remedy: 'give it with --password-stdin' })
  return { username: user.trim(), password: await askPassword() }
}

async function isAccepted(options: LoginAccess, key: string, registry: string, credentials: Credentials): Promise<boolean> {
  try {
    await check(options, key, registry, credentials)
    return true
  } catch (error) {
    if (options.endpoint?.signal?.aborted) throw error
    return false
  }
}

/** Of a namespace's credentials, too, the registry's root is asked: nothing else answers without an image. */
async function check({ context, endpoint = {} }: LoginAccess, key: string, registry: string, credentials: Credentials): Promise<void> {
  const { checkCredentials } = await import('../../image/registry/registry-api.ts')
  try {
    await checkCredentials(context, registry, credentials, endpoint)
  } catch (error) {
    if (endpoint.signal?.aborted) throw error
    if (errorCode(error) === 'REGISTRY_UNAUTHORIZED') throw new TpodError('LOGIN_FAILED', `logging into "${key}": invalid username/password`)
    throw new TpodError(errorCode(error) ?? 'REGISTRY_ERROR', `authenticating creds for "${key}": ${errorMessage(error)}`, {
      cause: error, ...(error instanceof TpodError && error.remedy !== undefined ? { remedy: error.remedy } : {}),
    })
  }
}

function notLoggedIn(key: string): TpodError {
  return new TpodError('NOT_LOGGED_IN', `not logged into ${key}`)
}


/**
 * Registry credentials: containers-auth.json(5) and docker's config.json, with credential helpers. Keys are looked up
 * from the most specific (host/namespace/repository) to the host. Secrets are never put into messages.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { isJsonObject } from '../text/strict-json.ts'

export interface Credentials {
  username: string
  password: string
  /** OAuth2 refresh token; then username and password are unused. */
  identityToken?: string
}

/** Where to look. cli/ fills it from the environment and the options. */
export interface AuthPaths {
  /** --authfile or REGISTRY_AUTH_FILE: alone, must exist. */
  authFile?: string
  /** XDG_RUNTIME_DIR, or /run/user/UID; for root without it /run. The file is `containers/auth.json` below it, for /run `containers/0/auth.json`. */
  runtimeDirectory?: string
  /** XDG_CONFIG_HOME or ~/.config. */
  configHome?: string
  /** DOCKER_CONFIG or ~/.docker. */
  dockerDirectory?: string
  /** For ~/.dockercfg. */
  home?: string
  /** `credential-helpers` of registries.conf; 'containers-auth.json' stands for the files. */
  credentialHelpers?: () => Promise<readonly string[]>
}

/** Answers "which credentials for this repository"; undefined: none, ask anonymously. */
export interface CredentialSource {
  /** `repository` = host[:port]/path. */
  find(repository: string): Promise<Credentials | undefined>
  /** Its credentials are for the registry that the user named, whichever that is: who else is asked (mirrors) gets these. */
  forOthers?: CredentialSource
}

/** Nobody is told anything. */
export const anonymous: CredentialSource = { find: async () => undefined }

interface AuthEntry { auth?: string; identitytoken?: string; username?: string; password?: string }
interface AuthFile {
  path: string
  auths: Record<string, AuthEntry>
  credHelpers: Record<string, string>
  credsStore: string
  isLegacy: boolean
}

/** Opens nothing yet: files are read when first asked, then kept. */
export function credentialSource(paths: AuthPaths): CredentialSource {
  let loading: Promise<AuthFile[]> | undefined
  return {
    async find(repository) {
      const helpers = (await paths.credentialHelpers?.()) ?? ['containers-auth.json']
      const host = repository.split('/')[0]!
      for (const helper of helpers) {
        const found = helper === 'containers-auth.json' ? await findInFiles(await (loading ??= readAuthFiles(paths)), repository, host) : await askHelper(helper, host)
        if (found !== undefined) return found
      }
      return undefined
    },
  }
}

/** Credentials given on the command line (`--creds user[:password]`); they hold for the registry that is named, `forOthers` for its mirrors. */
export function fixedCredentials(text: string, forOthers: CredentialSource = anonymous): CredentialSource {
  const colon = text.indexOf(':')
  const credentials = colon < 0 ? { username: text, password: '' } : { username: text.slice(0, colon), password: text.slice(colon + 1) }
  if (credentials.username === '') throw new TpodError('BAD_CREDENTIALS', 'parse --creds: the user name is empty', { remedy: 'write --creds USER:PASSWORD' })
  return { find: async () => credentials, forOthers }
}

async function readAuthFiles(paths: AuthPaths): Promise<AuthFile[]> {
  if (paths.authFile !== undefined) {
    const file = await readAuthFile(paths.authFile, false)
    if (file === undefined) throw new TpodError('AUTH_FILE_MISSING', `read credentials ${paths.authFile}: no such file`, { remedy: 'log in first, or leave --authfile and REGISTRY_AUTH_FILE unset' })
    return [file]
  }
  const candidates: [string, boolean][] = []
  if (paths.runtimeDirectory !== undefined) candidates.push([join(paths.runtimeDirectory, paths.runtimeDirectory === '/run' ? 'containers/0/auth.json' : 'containers/auth.json'), false])
  if (paths.configHome !== undefined) candidates.push([join(paths.configHome, 'containers/auth.json'), false])
  if (paths.dockerDirectory !== undefined) candidates.push([join(paths.dockerDirectory, 'config.json'), false])
  if (paths.home !== undefined) candidates.push([join(paths.home, '.dockercfg'), true])
  const files: AuthFile[] = []
  for (const [path, isLegacy] of candidates) {
    const file = await readAuthFile(path, isLegacy)
    if (file !== undefined) files.push(file)
  }
  return files
}

async function readAuthFile(path: string, isLegacy: boolean): Promise<AuthFile | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    // EACCES: another user's runtime directory after su; anonymous access may still do.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errorCode(cause) ?? '')) return undefined
    throw new TpodError('AUTH_FILE_INVALID', `read credentials ${path}: ${errorCode(cause)}`, { cause })
  }
  if (text.trim() === '') return { path, auths: {}, credHelpers: {}, credsStore: '', isLegacy }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's message would quote the file, which holds secrets.
    throw new TpodError('AUTH_FILE_INVALID', `read credentials ${path}: not valid JSON`, { remedy: 'repair the file or log in again' })
  }
  if (!isJsonObject(json)) throw new TpodError('AUTH_FILE_INVALID', `read credentials ${path}: not a JSON object`)
  if (isLegacy) return { path, auths: json as Record<string, AuthEntry>, credHelpers: {}, credsStore: '', isLegacy }
  return {
    path,
    auths: isJsonObject(json.auths) ? (json.auths as Record<string, AuthEntry>) : {},
    credHelpers: isJsonObject(json.credHelpers) ? (json.credHelpers as Record<string, string>) : {},
    credsStore: typeof json.credsStore === 'string' ? json.credsStore : '',
    isLegacy,
  }
}

async function findInFiles(files: readonly AuthFile[], repository: string, host: string): Promise<Credentials | undefined> {
  for (const file of files) {
    const found = await findInFile(file, repository, host)
    if (found !== undefined) return found
  }
  return undefined
}

async function findInFile(file: AuthFile, repository: string, host: string): Promise<Credentials | undefined> {
  const helper = Object.hasOwn(file.credHelpers, host) ? file.credHelpers[host] : undefined
  if (helper !== undefined) return askHelper(helper, host)
  const parts = repository.split('/')
  for (let length = file.isLegacy ? 1 : parts.length; length > 0; length--) {
    const key = parts.slice(0, length).join('/')
    if (Object.hasOwn(file.auths, key)) {
      const found = decodeEntry(file, key)
      if (found !== undefined) return found
    }
  }
  const wanted = canonicalHost(host)
  for (const key of Object.keys(file.auths)) {
    const stripped = key.replace(/^https?:\/\//, '')
    const isUrl = stripped !== key
    if (canonicalHost(isUrl || file.isLegacy ? stripped.split('/')[0]! : stripped) !== wanted) continue
    const found = decodeEntry(file, key)
    if (found !== undefined) return found
  }
  // docker's global store; it names docker.io by its old URL.
  return file.credsStore === '' ? undefined : askHelper(file.credsStore, wanted === 'index.docker.io' ? 'https://index.docker.io/v1/' : host)
}

function decodeEntry(file: AuthFile, key: string): Credentials | undefined {
  const entry = file.auths[key]
  if (!isJsonObject(entry)) return undefined
  const identityToken = typeof entry.identitytoken === 'string' && entry.identitytoken !== '' ? { identityToken: entry.identitytoken } : {}
  if (typeof entry.auth !== 'string' || entry.auth === '') {
    if (typeof entry.username === 'string' && typeof entry.password === 'string') return { username: entry.username, password: entry.password, ...identityToken }
    // docker writes {} where a credential store has the secret.
    return 'identityToken' in identityToken ? { username: '', password: '', ...identityToken } : undefined
  }
  const decoded = Buffer.from(entry.auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 0) throw new TpodError('AUTH_FILE_INVALID', `read credentials ${file.path}: entry ${key}: "auth" is not base64 of USER:PASSWORD`, { remedy: `log in to ${key} again` })
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/^\0+|\0+$/g, ''), ...identityToken }
}

async function askHelper(helper: string, host: string): Promise<Credentials | undefined> {
  const { askCredentialHelper } = await import('./credential-helper.ts')
  return askCredentialHelper(helper, host)
}

function canonicalHost(host: string): string {
  return host === 'docker.io' || host === 'registry-1.docker.io' ? 'index.docker.io' : host
}

/**
 * Credentials stored and removed: in auth.json (containers-auth.json(5)), in docker's config.json, or through credential helpers
 * (`credential-helpers` of registries.conf, `credHelpers` and `credsStore` of the file). A file is changed under a lock of our
 * own, in one step, mode 0600; what we don't know in it stays. A secret goes to a helper by its standard input alone.
 */
import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { followOwnLinks } from '../host/fs/own-link.ts'
import { writeFileAtomic } from '../host/fs/write-file-atomic.ts'
import { withFileLock } from '../host/lock/lock-file.ts'
import { isJsonObject } from '../text/strict-json.ts'
import type { AuthPaths } from './auth-file.ts'
import { authFileToWrite } from './auth-paths.ts'
import { eraseFromHelper, listHelper, storeInHelper } from './credential-helper.ts'

export interface AuthTarget {
  paths: AuthPaths
  /** docker's config.json at that path, instead of everything else: --compat-auth-file. */
  compatAuthFile?: string
  signal?: AbortSignal
}

const fileHelper = 'containers-auth.json'
/** What docker calls docker.io. */
const dockerHubKey = 'https://index.docker.io/v1/'

interface AuthDocument {
  [key: string]: unknown
  auths: Record<string, unknown>
}

/**
 * Throws BAD_REGISTRY_NAME for keys that are no registry, namespace or repository. Gives whether it is more than a registry.
 */
export function checkAuthKey(key: string): boolean {
  const slash = key.indexOf('/')
  const why = /^https?:\/\//.test(key) ? 'contains http[s]:// prefix'
    : key.includes('@') ? "contains a '@' character"
    : slash >= 0 && key.includes(':', slash) ? "contains a ':' character after host[:port]"
    : key === '' || /[\s\p{Cc}]/u.test(key) ? 'is empty or contains spaces' : undefined
  if (why !== undefined) throw new TpodError('BAD_REGISTRY_NAME', `key ${JSON.stringify(key)} ${why}`, { remedy: 'write HOST[:PORT][/NAMESPACE[/REPOSITORY]]' })
  return slash >= 0
}

/**
 * Stores where the configuration says first; a helper that fails is passed over for the next. Gives where, for people: a path
 * or `credential helper: NAME`. Throws BAD_REGISTRY_NAME, AUTH_FILE_INVALID, CREDENTIAL_HELPER_FAILED, LOCK_TIMEOUT.
 */
export async function storeCredentials(target: AuthTarget, key: string, credentials: { username: string; password: string }): Promise<string> {
  const isNamespaced = checkAuthKey(key)
  let failure: unknown
  for (const helper of await helpersOf(target)) {
    try {
      if (helper === fileHelper) return await storeInFile(target, key, isNamespaced, credentials)
      if (isNamespaced) throw namespaceError(helper)
      await storeInHelper(helper, key, credentials)
      return `credential helper: ${helper}`
    } catch (error) {
      failure ??= error
    }
  }
  throw failure ?? new TpodError('CREDENTIAL_HELPER_FAILED', 'store credentials: registries.conf names no credential helper')
}

/** False when there was nothing to remove. Each helper and the file are asked; throws the first failure after all were. */
export async function removeCredentials(target: AuthTarget, key: string): Promise<boolean> {
  const isNamespaced = checkAuthKey(key)
  let isRemoved = false
  let failure: unknown
  const attempt = async (remove: () => Promise<boolean>): Promise<void> => {
    try {
      isRemoved = (await remove()) || isRemoved
    } catch (error) {
      failure ??= error
    }
  }
  for (const helper of await helpersOf(target)) {
    if (helper === fileHelper) await attempt(() => removeFromFile(target, key, isNamespaced))
    else if (!isNamespaced) await attempt(() => eraseFromHelper(helper, key))
  }
  if (failure !== undefined) throw failure
  return isRemoved
}

/** All that is in the file, in its helpers and in registries.conf's helpers; a helper of the latter that is not installed is passed over. */
export async function removeAllCredentials(target: AuthTarget): Promise<void> {
  let failure: unknown
  for (const helper of await helpersOf(target)) {
    try {
      if (helper === fileHelper) await emptyFile(target)
      else for (const server of await listHelper(helper, { mayBeMissing: true })) await eraseFromHelper(helper, server)
    } catch (error) {
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
}

async function helpersOf({ paths, compatAuthFile }: AuthTarget): Promise<readonly string[]> {
  // docker knows nothing of registries.conf.
  return compatAuthFile === undefined && paths.credentialHelpers !== undefined ? paths.credentialHelpers() : [fileHelper]
}

async function storeInFile(target: AuthTarget, key: string, isNamespaced: boolean, credentials: { username: string; password: string }): Promise<string> {
  const fileKey = keyInFile(target, key, isNamespaced)
  const path = fileOf(target)
  const helper = helperFor(await readDocument(path), fileKey)
  if (helper === undefined) {
    const entry = { auth: Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64') }
    await changeFile(target, (document) => void (document.auths[fileKey] = entry))
    return path
  }
  if (isNamespaced) throw namespaceError(helper.name)
  await storeInHelper(helper.name, helper.server, credentials)
  // docker's mark for "the store has it"; a plain secret of earlier goes with it.
  if (helper.isGlobal) await changeFile(target, (document) => void (document.auths[fileKey] = {}))
  return `credential helper: ${helper.name}`
}

async function removeFromFile(target: AuthTarget, key: string, isNamespaced: boolean): Promise<boolean> {
  const fileKey = keyInFile(target, key, isNamespaced)
  const document = await readDocument(fileOf(target))
  const helper = isNamespaced ? undefined : helperFor(document, fileKey)
  const isErased = helper !== undefined && (await eraseFromHelper(helper.name, helper.server))
  if (!Object.hasOwn(document.auths, fileKey)) return isErased
  await changeFile(target, ({ auths }) => void delete auths[fileKey])
  return true
}

async function emptyFile(target: AuthTarget): Promise<void> {
  const document = await readDocument(fileOf(target))
  for (const [server, helper] of Object.entries(credHelpersOf(document))) await eraseFromHelper(helper, server)
  const store = document['credsStore']
  if (typeof store === 'string' && store !== '') for (const server of await listHelper(store)) await eraseFromHelper(store, server)
  await changeFile(target, (current) => {
    current.auths = {}
    // docker's configuration stays docker's; in auth.json podman drops them, too.
    if (target.compatAuthFile === undefined) delete current['credHelpers']
  })
}

function keyInFile(target: AuthTarget, key: string, isNamespaced: boolean): string {
  if (target.compatAuthFile === undefined) return key
  if (isNamespaced) throw new TpodError('BAD_REGISTRY_NAME', `credentials cannot be recorded in Docker-compatible format with namespaced key "${key}"`, { remedy: 'name a registry alone, or use --authfile' })
  return key === 'docker.io' ? dockerHubKey : key
}

function helperFor(document: AuthDocument, key: string): { name: string; server: string; isGlobal: boolean } | undefined {
  const helpers = credHelpersOf(document)
  if (Object.hasOwn(helpers, key)) return { name: helpers[key] as string, server: key, isGlobal: false }
  const store = document['credsStore']
  // The readers ask the global store by registry, docker.io by its old address.
  return typeof store === 'string' && store !== '' && !(key.includes('/') && key !== dockerHubKey)
    ? { name: store, server: key === 'docker.io' ? dockerHubKey : key, isGlobal: true } : undefined
}

function credHelpersOf(document: AuthDocument): Record<string, string> {
  const helpers = document['credHelpers']
  return isJsonObject(helpers) ? Object.fromEntries(Object.entries(helpers).filter((entry): entry is [string, string] => typeof entry[1] === 'string')) : {}
}

function fileOf(target: AuthTarget): string {
  return followOwnLinks(target.compatAuthFile ?? authFileToWrite(target.paths))
}

/** Reads, changes and writes under the lock; no helper runs meanwhile, which may ask a person. */
async function changeFile(target: AuthTarget, change: (document: AuthDocument) => void): Promise<void> {
  const path = fileOf(target)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  await withFileLock(`${dirname(path)}/.${basename(path)}.lock`, 'write', async () => {
    const document = await readDocument(path)
    change(document)
    const auths = Object.fromEntries(Object.entries(document.auths).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    await writeFileAtomic(path, JSON.stringify({ ...document, auths }, null, '\t'), { mode: 0o600, isLocked: true })
  }, target.signal === undefined ? {} : { signal: target.signal })
}

async function readDocument(path: string): Promise<AuthDocument> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (errorCode(cause) === 'ENOENT') return ''
    throw new TpodError('AUTH_FILE_INVALID', `read credentials ${path}: ${errorCode(cause)}`, { cause })
  })
  if (text.trim() === '') return { auths: {} }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's message would quote the file, which holds secrets.
    json = undefined
  }
  if (!isJsonObject(json) || !(json['auths'] === undefined || json['auths'] === null || isJsonObject(json['auths']))) {
    throw new TpodError('AUTH_FILE_INVALID', `change credentials ${path}: not valid JSON of auth.json`, { remedy: 'repair the file or remove it' })
  }
  return { ...json, auths: isJsonObject(json['auths']) ? { ...json['auths'] } : {} }
}

function namespaceError(helper: string): TpodError {
  return new TpodError('CREDENTIAL_HELPER_FAILED', `namespaced key is not supported for credential helper ${helper}`, { remedy: 'name the registry alone' })
}

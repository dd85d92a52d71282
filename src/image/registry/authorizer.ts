/** Answers a registry's 401: Basic, or a Bearer token from its token server (distribution's auth specification). */
import type { Credentials } from '../../config/auth-file.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { checkRealm, parseChallenges } from './challenge.ts'
import type { Challenge } from './challenge.ts'
import { headerOf, readBody } from './http.ts'
import type { HttpConnections, HttpResponse } from './http.ts'
import { isTemporaryStatus, parseRetryAfter, TemporaryStatus } from './retry.ts'

export interface AuthorizerOptions {
  connections: HttpConnections
  credentials: () => Promise<Credentials | undefined>
  userAgent: string
  /** Used as it is, instead of any login. */
  registryToken?: string
}

/** `scopes` = what a request needs, e.g. `repository:library/x:pull`; each set of scopes has a token of its own. */
export interface Authorizer {
  /** Value for the Authorization header, if one is known to be needed: a token that has ended is replaced before it is used. */
  header(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined>
  /** Learns from a 401 to a request that carried `used`. False: there is nothing (more) that could be tried. */
  answer(response: HttpResponse, used: string | undefined, scopes: readonly string[], signal?: AbortSignal): Promise<boolean>
}

interface Token {
  header: string
  expiresAt: number
}

const maxTokenBytes = 1024 * 1024
/** A token that ends within this time is not used any more, ms. */
const expiryMarginMs = 5_000
const defaultLifetimeSeconds = 60

/** For one registry; holds its tokens. Several requests may ask at once: they share one exchange with the token server. */
export function createAuthorizer({ connections, credentials, userAgent, registryToken }: AuthorizerOptions): Authorizer {
  if (registryToken !== undefined) return fixedAuthorizer(registryToken)
  const tokens = new Map<string, Promise<Token>>()
  let login: string | undefined
  let realm: { challenge: Challenge; registry: URL } | undefined

  const freshToken = (scopes: readonly string[], signal: AbortSignal | undefined): Promise<Token> => {
    const { challenge, registry } = realm!
    const key = scopes.join(' ')
    const fetching = credentials().then((known) => fetchToken({ connections, userAgent, challenge, registry, scopes, known, ...(signal === undefined ? {} : { signal }) }))
    tokens.set(key, fetching)
    fetching.catch(() => tokens.get(key) === fetching && tokens.delete(key))
    return fetching
  }
  const answerBasic = async (registry: URL, used: string | undefined): Promise<boolean> => {
    const known = await credentials()
    if (known === undefined || known.identityToken !== undefined) return false
    if (known.username.includes(':')) throw new TpodError('BAD_CREDENTIALS', `log in to ${registry.host}: the user name contains a colon`)
    login = basic(known)
    return login !== used
  }
  return {
    async header(scopes, signal) {
      if (login !== undefined || realm === undefined) return login
      const token = await tokens.get(scopes.join(' '))
      return (token !== undefined && Date.now() < token.expiresAt ? token : await freshToken(scopes, signal)).header
    },
    async answer(response, used, scopes, signal) {
      const challenges = parseChallenges(headerOf(response, 'www-authenticate'))
      response.discard()
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
      if (bearer === undefined) return challenges.some(({ scheme }) => scheme === 'basic') && answerBasic(response.url, used)
      realm = { challenge: bearer, registry: response.url }
      const current = await tokens.get(scopes.join(' '))
      // Another request may have renewed it meanwhile.
      if (current === undefined || current.header === used) await freshToken(scopes, signal)
      return true
    },
  }
}

function fixedAuthorizer(registryToken: string): Authorizer {
  if (!isHeaderSafe(registryToken)) throw new TpodError('BAD_CREDENTIALS', 'use the registry token: it contains characters that no token has')
  return { header: async () => `Bearer ${registryToken}`, answer: async () => false }
}

interface TokenRequest {
  connections: HttpConnections
  userAgent: string
  challenge: Challenge
  registry: URL
  scopes: readonly string[]
  known: Credentials | undefined
  signal?: AbortSignal
}

async function fetchToken({ connections, userAgent, challenge, registry, scopes, known, signal }: TokenRequest): Promise<Token> {
  const url = checkRealm(challenge.parameters.realm ?? '', registry)
  const service = challenge.parameters.service
  const headers: Record<string, string> = { 'User-Agent': userAgent, Accept: 'application/json' }
  let body: string | undefined
  if (known?.identityToken !== undefined) {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: known.identityToken, client_id: 'tpod', scope: scopes.join(' ') })
    if (service !== undefined) form.set('service', service)
    body = form.toString()
    headers['Content-Type'] = 'application/x-www-form-urlencoded'
  } else {
    if (service !== undefined) url.searchParams.set('service', service)
    for (const scope of scopes) url.searchParams.append('scope', scope)
    if (known !== undefined) {
      url.searchParams.set('account', known.username)
      headers.Authorization = basic(known)
    }
  }
  // Redirects are not followed here: credentials go to the realm and nowhere else.
  const response = await connections.request({ method: body === undefined ? 'GET' : 'POST', url, headers, ...(body === undefined ? { isSmall: true } : { body }), ...(signal === undefined ? {} : { signal }) })
  if (response.status !== 200) {
    const wasLogin = known !== undefined
    response.discard()
    const error = new TpodError('REGISTRY_UNAUTHORIZED', `log in to ${registry.host}: token server ${url.host} answered ${response.status}${wasLogin ? ' to the stored credentials' : ''}`, {
      remedy: `podman login ${registry.host}, or --creds USER:PASSWORD`,
    })
    if (isTemporaryStatus(response.status)) throw new TemporaryStatus(response.status, parseRetryAfter(headerOf(response, 'retry-after'), Date.now()), error)
    throw error
  }
  return parseToken(await readBody(response, maxTokenBytes, `token from ${url.host}`), url.host)
}

function parseToken(bytes: Buffer, host: string): Token {
  const json = parseJson(bytes.toString('utf8')) as { token?: unknown; access_token?: unknown; expires_in?: unknown } | null | undefined
  const value = typeof json?.token === 'string' && json.token !== '' ? json.token : json?.access_token
  if (typeof value !== 'string' || !isHeaderSafe(value)) throw new TpodError('REGISTRY_UNAUTHORIZED', `log in: token server ${host} sent no usable token`)
  const lifetime = json?.expires_in
  const seconds = typeof lifetime === 'number' && lifetime > 0 ? lifetime : defaultLifetimeSeconds
  return { header: `Bearer ${value}`, expiresAt: Date.now() + seconds * 1000 - expiryMarginMs }
}

/** A line break in it would inject headers. */
function isHeaderSafe(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token)
}

/** Undefined for what is not JSON: it may hold half a token, so that it is not quoted in an error. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function basic({ username, password }: Credentials): string {
  return 'Basic ' + Buffer.from(`${username}:${password}`).toString('base64')
}

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
}

export interface Authorizer {
  /** Value for the Authorization header of the next request, if one is known to be needed. */
  header(): string | undefined
  /** Learns from a 401. False: there is nothing (more) that could be tried. */
  answer(response: HttpResponse, scope: string, signal?: AbortSignal): Promise<boolean>
}

const maxTokenBytes = 1024 * 1024
/** A token that ends within this time is not used any more, ms. */
const expiryMarginMs = 5_000
const defaultLifetimeSeconds = 60

/** For one repository on one registry; holds its token. */
export function createAuthorizer({ connections, credentials, userAgent }: AuthorizerOptions): Authorizer {
  let header: string | undefined
  let expiresAt = Infinity
  let hasFailedBasic = false

  const answerBasic = async (registry: URL): Promise<boolean> => {
    const known = await credentials()
    if (known === undefined || known.identityToken !== undefined || hasFailedBasic) return false
    hasFailedBasic = true
    if (known.username.includes(':')) throw new TpodError('BAD_CREDENTIALS', `log in to ${registry.host}: the user name contains a colon`)
    header = basic(known)
    expiresAt = Infinity
    return true
  }
  const answerBearer = async (challenge: Challenge, registry: URL, scope: string, signal?: AbortSignal): Promise<boolean> => {
    const token = await fetchToken({ connections, userAgent, challenge, registry, scope, known: await credentials(), ...(signal === undefined ? {} : { signal }) })
    header = `Bearer ${token.value}`
    expiresAt = Date.now() + token.lifetimeSeconds * 1000 - expiryMarginMs
    return true
  }
  return {
    header() {
      return Date.now() < expiresAt ? header : undefined
    },
    async answer(response, scope, signal) {
      const challenges = parseChallenges(headerOf(response, 'www-authenticate'))
      response.discard()
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
      if (bearer !== undefined) return answerBearer(bearer, response.url, scope, signal)
      if (challenges.some(({ scheme }) => scheme === 'basic')) return answerBasic(response.url)
      return false
    },
  }
}

interface TokenRequest {
  connections: HttpConnections
  userAgent: string
  challenge: Challenge
  registry: URL
  scope: string
  known: Credentials | undefined
  signal?: AbortSignal
}

async function fetchToken({ connections, userAgent, challenge, registry, scope, known, signal }: TokenRequest): Promise<{ value: string; lifetimeSeconds: number }> {
  const url = checkRealm(challenge.parameters.realm ?? '', registry)
  const service = challenge.parameters.service
  const headers: Record<string, string> = { 'User-Agent': userAgent, Accept: 'application/json' }
  let body: string | undefined
  if (known?.identityToken !== undefined) {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: known.identityToken, client_id: 'tpod', scope })
    if (service !== undefined) form.set('service', service)
    body = form.toString()
    headers['Content-Type'] = 'application/x-www-form-urlencoded'
  } else {
    if (service !== undefined) url.searchParams.set('service', service)
    url.searchParams.set('scope', scope)
    if (known !== undefined) {
      url.searchParams.set('account', known.username)
      headers.Authorization = basic(known)
    }
  }
  // Redirects are not followed here: credentials go to the realm and nowhere else.
  const response = await connections.request({ method: body === undefined ? 'GET' : 'POST', url, headers, ...(body === undefined ? {} : { body }), ...(signal === undefined ? {} : { signal }) })
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

function parseToken(bytes: Buffer, host: string): { value: string; lifetimeSeconds: number } {
  const json = parseJson(bytes.toString('utf8')) as { token?: unknown; access_token?: unknown; expires_in?: unknown } | null | undefined
  const value = typeof json?.token === 'string' && json.token !== '' ? json.token : json?.access_token
  // A line break in it would inject headers.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw new TpodError('REGISTRY_UNAUTHORIZED', `log in: token server ${host} sent no usable token`)
  const lifetime = json?.expires_in
  return { value, lifetimeSeconds: typeof lifetime === 'number' && lifetime > 0 ? Math.max(lifetime, defaultLifetimeSeconds) : defaultLifetimeSeconds }
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

/** A registry as the distribution specification describes it: HTTPS or HTTP, logins, redirects, retries. */
import type { Credentials } from '../../config/auth-file.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { createAuthorizer } from './authorizer.ts'
import type { Authorizer } from './authorizer.ts'
import { isPrivateHost } from './challenge.ts'
import { headerOf, openConnections } from './http.ts'
import type { BodyStream, HttpConnections, HttpMethod, HttpResponse } from './http.ts'
import { connectionError, mayBePlainHttp, statusError } from './registry-errors.ts'
import type { ProxyRules } from './proxy-rules.ts'
import { isTemporaryStatus, parseRetryAfter, TemporaryStatus, withRetry } from './retry.ts'
import { readTlsMaterial } from './tls.ts'
import type { TlsSearch } from './tls.ts'

export type Scheme = 'https:' | 'http:'

export interface RegistryClientOptions {
  /** host[:port]; docker.io stands for its API host. */
  host: string
  /** Who is asked, where it is not who that name stands for. */
  apiHost?: string
  /** Path on that host; '' for what concerns the registry as a whole. */
  repository: string
  /** What the token must allow there; default pull. */
  actions?: 'pull' | 'pull,push' | 'pull,push,delete' | '*'
  tls: TlsSearch
  /** Absent: no request goes through a proxy. */
  proxyFor?: ProxyRules
  credentials: () => Promise<Credentials | undefined>
  /** A bearer token, instead of any login. */
  registryToken?: string
  /** What insecure registries speak, as far as other clients of the same run have found out. */
  schemes?: Map<string, Promise<Scheme | undefined>>
  userAgent: string
  stallTimeoutMs: number
  retryDelayMs: number
  /** Attempts in all at what may pass: at least 1. */
  attempts: number
  onRetry?: (what: string, why: string, attempt: number, delayMs: number) => void
}

export interface RegistryRequest {
  /** Default GET. */
  method?: HttpMethod
  /** Below /v2/REPOSITORY/; from the host's root with a leading '/'; or an address that the registry gave. */
  path: string | URL
  /** Action and object for messages. */
  what: string
  accept?: string
  /** First byte wanted. */
  offset?: number
  /** Further headers. */
  headers?: Readonly<Record<string, string>>
  /** A stream is sent once: the request is then not repeated, and what goes wrong is thrown as it is (TemporaryStatus, system errors). */
  body?: string | Uint8Array | BodyStream
  /** A GET or HEAD whose answer is read at once and is no layer. */
  isSmall?: boolean
  /** Silence allowed while the registry works, ms; default the client's stall time. */
  answerTimeoutMs?: number
  /** Statuses that mean success; default 200 and 206. */
  expect?: readonly number[]
  /** Default: the client's actions on its repository. */
  scopes?: readonly string[]
  /** Without a login. */
  isAnonymous?: boolean
  /** Error code for 404. */
  missing: string
  signal?: AbortSignal
}

export interface RegistryClient {
  /** An answer with one of the expected statuses. Throws REGISTRY_* or the request's `missing`; see RegistryRequest.body. */
  send(request: RegistryRequest): Promise<HttpResponse>
  /** Where to go on, as `header` of an answer says: never from HTTPS to HTTP, nor from outside into this machine's network; undefined without it. */
  addressIn(response: HttpResponse, header: string, what: string): URL | undefined
  close(): void
}

const maxRedirects = 10
const success: readonly number[] = [200, 206]

export async function openRegistryClient(options: RegistryClientOptions): Promise<RegistryClient> {
  const apiHost = options.apiHost ?? apiHostOf(options.host)
  const tls = await readTlsMaterial(options.host, options.tls)
  const connections = await openConnections(tls, options.stallTimeoutMs, options.proxyFor)
  const authorizer = createAuthorizer({ connections, credentials: options.credentials, userAgent: options.userAgent, ...(options.registryToken === undefined ? {} : { registryToken: options.registryToken }) })
  const session: Session = { options, connections, authorizer, apiHost, scheme: options.tls.insecure ? undefined : 'https:' }
  return {
    send: (request) => sendWithRetry(session, request),
    addressIn: (response, header, what) => refuseInward(response, addressIn(session, response, header, what), what),
    close: () => connections.close(),
  }
}

/** Who answers for a registry's name. */
function apiHostOf(host: string): string {
  return host === 'docker.io' || host === 'index.docker.io' ? 'registry-1.docker.io' : host
}

interface Session {
  options: RegistryClientOptions
  connections: HttpConnections
  authorizer: Authorizer
  apiHost: string
  /** Unknown until the first answer of an insecure registry, which may speak either. */
  scheme: Scheme | undefined
}

async function sendWithRetry(session: Session, request: RegistryRequest): Promise<HttpResponse> {
  const { onRetry, retryDelayMs, attempts } = session.options
  if (isStream(request.body)) return sendOnce(session, request)
  try {
    return await withRetry(() => sendOnce(session, request), {
      delayMs: retryDelayMs,
      attempts,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      ...(onRetry === undefined ? {} : { onRetry: (why, attempt, delayMs) => onRetry(request.what, why, attempt, delayMs) }),
    })
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason
    throw connectionError(request.what, session.apiHost, error)
  }
}

async function sendOnce(session: Session, request: RegistryRequest): Promise<HttpResponse> {
  const { repository, actions } = session.options
  const scopes = request.scopes ?? (repository === '' ? [] : [`repository:${repository}:${actions ?? 'pull'}`])
  for (let answered = 0; ; answered++) {
    const authorization = request.isAnonymous === true ? undefined : await session.authorizer.header(scopes, request.signal)
    const response = await sendToRegistry(session, request, authorization)
    if ((request.expect ?? success).includes(response.status)) return response
    const isFromRegistry = response.url.host === new URL(`https://${session.apiHost}`).host || response.url.host === session.apiHost
    // Only the registry itself is answered with credentials, never the target of its redirects (CVE-2020-15157).
    // Twice at most: the first may be due to a token that had expired.
    const mayAnswer = response.status === 401 && isFromRegistry && answered < 2 && request.isAnonymous !== true
    if (mayAnswer && (await session.authorizer.answer(response, authorization, scopes, request.signal))) {
      if (!isStream(request.body)) continue
      throw new TemporaryStatus(401, 0, new TpodError('REGISTRY_UNAUTHORIZED', `${request.what}: ${response.url.host} wants a new login (401)`))
    }
    const retryAfterMs = parseRetryAfter(headerOf(response, 'retry-after'), Date.now())
    const error = await statusError(request.what, response, request.missing)
    if (isTemporaryStatus(response.status)) throw new TemporaryStatus(response.status, retryAfterMs, error)
    throw error
  }
}

async function sendToRegistry(session: Session, request: RegistryRequest, authorization: string | undefined): Promise<HttpResponse> {
  if (request.path instanceof URL) return sendToAddress(session, request, request.path, authorization)
  const { schemes } = session.options
  session.scheme ??= await schemes?.get(session.apiHost)
  if (session.scheme !== undefined) return followRedirects(session, request, session.scheme, authorization)
  let found: ((scheme: Scheme | undefined) => void) | undefined
  if (schemes?.has(session.apiHost) === false) schemes.set(session.apiHost, new Promise((resolve) => (found = resolve)))
  // An insecure registry: HTTPS with any certificate is still better than none, so it is tried first.
  try {
    const response = await followRedirects(session, request, 'https:', authorization)
    session.scheme = 'https:'
    found?.('https:')
    return response
  } catch (error) {
    const mayBePlain = request.signal?.aborted !== true && (mayBePlainHttp(error) || isOnlyPlainProxied(session, error))
    found?.(mayBePlain ? 'http:' : undefined)
    if (!mayBePlain) throw error
  }
  const response = await followRedirects(session, request, 'http:', authorization)
  session.scheme = 'http:'
  return response
}

/** Behind a proxy for plain HTTP alone the registry's name may be unknown here, or its network out of reach. */
function isOnlyPlainProxied({ options: { proxyFor }, apiHost }: Session, error: unknown): boolean {
  return proxyFor !== undefined && !(error instanceof TpodError) && proxyFor(new URL(`https://${apiHost}`)) === undefined && proxyFor(new URL(`http://${apiHost}`)) !== undefined
}

/** An address that the registry gave, perhaps in an earlier run: it says nothing of the scheme of others. */
function sendToAddress(session: Session, request: RegistryRequest, address: URL, authorization: string | undefined): Promise<HttpResponse> {
  if (address.protocol === 'http:' && !session.options.tls.insecure) {
    throw new TpodError('REGISTRY_TLS', `${request.what}: ${address.host} is to be reached in plain HTTP`, { remedy: '--tls-verify=false if you accept that' })
  }
  return followRedirects(session, request, session.scheme ?? address.protocol, authorization)
}

async function followRedirects(session: Session, request: RegistryRequest, scheme: string, authorization: string | undefined): Promise<HttpResponse> {
  const origin = new URL(`${scheme}//${session.apiHost}`)
  const method = request.method ?? 'GET'
  let url = addressOf(session, request.path, origin)
  for (let count = 0; count <= maxRedirects; count++) {
    const headers = headersFor(session, request)
    // Whoever else is sent to, by a redirect or an upload's address, is told no secret.
    if (authorization !== undefined && url.origin === origin.origin) headers.Authorization = authorization
    const response = await session.connections.request({
      method,
      url,
      headers,
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.isSmall === true ? { isSmall: true } : {}),
      ...(request.answerTimeoutMs === undefined ? {} : { answerTimeoutMs: request.answerTimeoutMs }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    })
    if (![301, 302, 303, 307, 308].includes(response.status)) return response
    const next = addressIn(session, response, 'location', request.what)
    response.discard()
    if (next === undefined) throw new TpodError('REGISTRY_ERROR', `${request.what}: ${url.host} redirects without a usable address`)
    // Another method than the one asked for would be a GET by RFC 9110 §15.4: it uploads and deletes nothing.
    const mayFollow = method === 'GET' || method === 'HEAD' || ((response.status === 307 || response.status === 308) && !isStream(request.body))
    if (!mayFollow) throw new TpodError('REGISTRY_ERROR', `${request.what}: ${url.host} redirects a ${method} to ${next.host} (${response.status})`)
    url = method === 'GET' || method === 'HEAD' ? next : refuseInward(response, next, request.what)!
  }
  throw new TpodError('REGISTRY_ERROR', `${request.what}: more than ${maxRedirects} redirects`)
}

function addressOf(session: Session, path: string | URL, origin: URL): URL {
  if (typeof path !== 'string') return path
  // Joined as text: resolved, a path that begins with two slashes, as a registry may give it, would name another host.
  return new URL(origin.origin + (path.startsWith('/') ? path : `/v2/${session.options.repository}/${path}`))
}

function addressIn(session: Session, response: HttpResponse, header: string, what: string): URL | undefined {
  const { host, protocol } = response.url
  const value = headerOf(response, header)
  if (value === '' || !URL.canParse(value, response.url)) return undefined
  const next = new URL(value, response.url)
  if (next.protocol !== 'https:' && next.protocol !== 'http:') throw new TpodError('REGISTRY_ERROR', `${what}: ${host} redirects to ${next.protocol}`)
  if (next.username !== '' || next.password !== '') throw new TpodError('REGISTRY_ERROR', `${what}: ${host} redirects to an address with credentials in it`)
  if (next.host === host && protocol === 'https:') next.protocol = 'https:'
  if (protocol === 'https:' && next.protocol === 'http:' && !session.options.tls.insecure) {
    throw new TpodError('REGISTRY_TLS', `${what}: ${host} redirects from HTTPS to plain HTTP on ${next.host}`, { remedy: '--tls-verify=false if you accept that' })
  }
  return next
}

/** What is only read may lie on a neighbour, as an internal registry's blobs do; what is written must not. */
function refuseInward({ url: { host, hostname } }: HttpResponse, next: URL | undefined, what: string): URL | undefined {
  if (next === undefined || next.hostname === hostname || !isPrivateHost(next.hostname) || isPrivateHost(hostname)) return next
  throw new TpodError('REGISTRY_ERROR', `${what}: ${host} sends us to ${next.host}, an address of this machine or its network`)
}

function headersFor(session: Session, request: RegistryRequest): Record<string, string> {
  const headers: Record<string, string> = { 'User-Agent': session.options.userAgent, 'Accept-Encoding': 'identity', ...request.headers }
  if (request.accept !== undefined) headers.Accept = request.accept
  if (request.offset !== undefined && request.offset > 0) headers.Range = `bytes=${request.offset}-`
  return headers
}

function isStream(body: RegistryRequest['body']): body is BodyStream {
  return body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)
}

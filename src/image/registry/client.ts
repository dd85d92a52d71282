/** A registry as the distribution specification describes it: HTTPS or HTTP, logins, redirects, retries. */
import type { Credentials } from '../../config/auth-file.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { createAuthorizer } from './authorizer.ts'
import type { Authorizer } from './authorizer.ts'
import { headerOf, openConnections } from './http.ts'
import type { HttpConnections, HttpResponse } from './http.ts'
import { connectionError, mayBePlainHttp, statusError } from './registry-errors.ts'
import type { ProxyRules } from './proxy-rules.ts'
import { isTemporaryStatus, parseRetryAfter, TemporaryStatus, withRetry } from './retry.ts'
import { readTlsMaterial } from './tls.ts'
import type { TlsSearch } from './tls.ts'

export interface RegistryClientOptions {
  /** host[:port]; docker.io stands for its API host. */
  host: string
  /** Path on that host. */
  repository: string
  tls: TlsSearch
  /** Absent: no request goes through a proxy. */
  proxyFor?: ProxyRules
  credentials: () => Promise<Credentials | undefined>
  userAgent: string
  stallTimeoutMs: number
  retryDelayMs: number
  /** Attempts in all at what may pass: at least 1. */
  attempts: number
  onRetry?: (what: string, why: string, attempt: number, delayMs: number) => void
}

export interface RegistryRequest {
  /** Below /v2/REPOSITORY/. */
  path: string
  /** Action and object for messages. */
  what: string
  accept?: string
  /** First byte wanted. */
  offset?: number
  /** Error code for 404. */
  missing: string
  signal?: AbortSignal
}

export interface RegistryClient {
  /** A successful answer (200, 206). Throws REGISTRY_* or the request's `missing`. */
  get(request: RegistryRequest): Promise<HttpResponse>
  close(): void
}

const maxRedirects = 10

export async function openRegistryClient(options: RegistryClientOptions): Promise<RegistryClient> {
  const apiHost = options.host === 'docker.io' ? 'registry-1.docker.io' : options.host
  const tls = await readTlsMaterial(options.host, options.tls)
  const connections = await openConnections(tls, options.stallTimeoutMs, options.proxyFor)
  const authorizer = createAuthorizer({ connections, credentials: options.credentials, userAgent: options.userAgent })
  const session: Session = { options, connections, authorizer, apiHost, scheme: options.tls.insecure ? undefined : 'https:' }
  return {
    get: (request) => getWithRetry(session, request),
    close: () => connections.close(),
  }
}

interface Session {
  options: RegistryClientOptions
  connections: HttpConnections
  authorizer: Authorizer
  apiHost: string
  /** Unknown until the first answer of an insecure registry, which may speak either. */
  scheme: 'https:' | 'http:' | undefined
}

async function getWithRetry(session: Session, request: RegistryRequest): Promise<HttpResponse> {
  const { onRetry, retryDelayMs, attempts } = session.options
  try {
    return await withRetry(() => getOnce(session, request), {
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

async function getOnce(session: Session, request: RegistryRequest): Promise<HttpResponse> {
  for (let answered = 0; ; answered++) {
    const response = await sendToRegistry(session, request)
    if (response.status === 200 || response.status === 206) return response
    const isFromRegistry = response.url.host === new URL(`https://${session.apiHost}`).host || response.url.host === session.apiHost
    // Only the registry itself is answered with credentials, never the target of its redirects (CVE-2020-15157).
    // Twice at most: the first may be due to a token that had expired.
    if (response.status === 401 && isFromRegistry && answered < 2 && (await session.authorizer.answer(response, `repository:${session.options.repository}:pull`, request.signal))) continue
    const retryAfterMs = parseRetryAfter(headerOf(response, 'retry-after'), Date.now())
    const error = await statusError(request.what, response, request.missing)
    if (isTemporaryStatus(response.status)) throw new TemporaryStatus(response.status, retryAfterMs, error)
    throw error
  }
}

async function sendToRegistry(session: Session, request: RegistryRequest): Promise<HttpResponse> {
  if (session.scheme !== undefined) return followRedirects(session, request, session.scheme)
  // An insecure registry: HTTPS with any certificate is still better than none, so it is tried first.
  try {
    const response = await followRedirects(session, request, 'https:')
    session.scheme = 'https:'
    return response
  } catch (error) {
    if (request.signal?.aborted || !(mayBePlainHttp(error) || isOnlyPlainProxied(session, error))) throw error
  }
  const response = await followRedirects(session, request, 'http:')
  session.scheme = 'http:'
  return response
}

/** Behind a proxy for plain HTTP alone the registry's name may be unknown here, or its network out of reach. */
function isOnlyPlainProxied({ options: { proxyFor }, apiHost }: Session, error: unknown): boolean {
  return proxyFor !== undefined && !(error instanceof TpodError) && proxyFor(new URL(`https://${apiHost}`)) === undefined && proxyFor(new URL(`http://${apiHost}`)) !== undefined
}

async function followRedirects(session: Session, request: RegistryRequest, scheme: string): Promise<HttpResponse> {
  const origin = new URL(`${scheme}//${session.apiHost}`)
  let url = new URL(`/v2/${session.options.repository}/${request.path}`, origin)
  for (let count = 0; count <= maxRedirects; count++) {
    const response = await session.connections.request({ method: 'GET', url, headers: headersFor(session, request, url, origin), ...(request.signal === undefined ? {} : { signal: request.signal }) })
    if (![301, 302, 303, 307, 308].includes(response.status)) return response
    const location = headerOf(response, 'location')
    response.discard()
    if (location === '' || !URL.canParse(location, url)) throw new TpodError('REGISTRY_ERROR', `${request.what}: ${url.host} redirects without a usable address`)
    const next = new URL(location, url)
    if (next.protocol !== 'https:' && next.protocol !== 'http:') throw new TpodError('REGISTRY_ERROR', `${request.what}: ${url.host} redirects to ${next.protocol}`)
    if (url.protocol === 'https:' && next.protocol === 'http:' && !session.options.tls.insecure) {
      throw new TpodError('REGISTRY_TLS', `${request.what}: ${url.host} redirects from HTTPS to plain HTTP on ${next.host}`, { remedy: '--tls-verify=false if you accept that' })
    }
    url = next
  }
  throw new TpodError('REGISTRY_ERROR', `${request.what}: more than ${maxRedirects} redirects`)
}

function headersFor(session: Session, request: RegistryRequest, url: URL, origin: URL): Record<string, string> {
  const headers: Record<string, string> = { 'User-Agent': session.options.userAgent, 'Accept-Encoding': 'identity' }
  if (request.accept !== undefined) headers.Accept = request.accept
  if (request.offset !== undefined && request.offset > 0) headers.Range = `bytes=${request.offset}-`
  const authorization = session.authorizer.header()
  if (authorization !== undefined && url.origin === origin.origin) headers.Authorization = authorization
  return headers
}

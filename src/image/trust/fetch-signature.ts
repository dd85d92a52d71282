/** GET of one signature from a web server: redirects followed, sizes capped, 404 means there is none. */
import { TpodError, errorMessage, throwIfAborted } from '../../errors/tpod-error.ts'
import { headerOf, openConnections, readBody } from '../registry/http.ts'
import type { HttpConnections, HttpResponse } from '../registry/http.ts'
import type { ProxyRules } from '../registry/proxy-rules.ts'
import { readTlsMaterial } from '../registry/tls.ts'
import type { TlsSearch } from '../registry/tls.ts'
import type { FetchUrl } from './lookaside.ts'

export interface FetcherOptions {
  tls: TlsSearch
  proxyFor?: ProxyRules
  stallTimeoutMs: number
  userAgent: string
}

const maxRedirects = 5

/** Opens connections when the first URL is asked for. Its fetch throws LOOKASIDE_FAILED, BODY_TOO_LARGE or the abort reason. The caller closes it. */
export function signatureFetcher(options: FetcherOptions): { fetchUrl: FetchUrl; close(): void } {
  const byHost = new Map<string, Promise<HttpConnections>>()
  const connectionsFor = (host: string): Promise<HttpConnections> => {
    const open = byHost.get(host) ?? readTlsMaterial(host, options.tls).then((tls) => openConnections(tls, options.stallTimeoutMs, options.proxyFor))
    byHost.set(host, open)
    return open
  }
  return {
    async fetchUrl(url, { maxBytes, signal }) {
      try {
        const response = await follow(url, connectionsFor, options.userAgent, signal)
        if (response.status === 404) {
          response.discard()
          return undefined
        }
        if (response.status === 200) return await readBody(response, maxBytes, `signature ${redacted(url)}`)
        response.discard()
        throw new TpodError('LOOKASIDE_FAILED', `reading signature from ${redacted(url)}: status code ${response.status}`)
      } catch (cause) {
        throwIfAborted(signal)
        if (cause instanceof TpodError && (cause.code === 'LOOKASIDE_FAILED' || cause.code === 'BODY_TOO_LARGE')) throw cause
        throw new TpodError('LOOKASIDE_FAILED', `reading signature from ${redacted(url)}: ${errorMessage(cause)}`, { cause, remedy: 'registries.d says where signatures are read' })
      }
    },
    close() {
      for (const open of byHost.values()) void open.then((connections) => connections.close(), () => {})
    },
  }
}

async function follow(start: URL, connectionsFor: (host: string) => Promise<HttpConnections>, userAgent: string, signal: AbortSignal | undefined): Promise<HttpResponse> {
  let url = start
  for (let redirects = 0; ; redirects++) {
    const connections = await connectionsFor(url.host)
    const headers: Record<string, string> = { 'User-Agent': userAgent }
    // A login in the URL is meant for its own host.
    if (url.username !== '' && url.host === start.host) headers['Authorization'] = `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`
    const bare = new URL(url)
    bare.username = bare.password = ''
    const response = await connections.request({ method: 'GET', url: bare, headers, ...(signal === undefined ? {} : { signal }) })
    if (![301, 302, 303, 307, 308].includes(response.status)) return response
    response.discard()
    const next = URL.parse(headerOf(response, 'location'), url)
    if (next === null || redirects >= maxRedirects) throw new TpodError('LOOKASIDE_FAILED', `reading signature from ${redacted(start)}: too many redirects, or one that leads nowhere`)
    if (next.protocol !== 'https:' && next.protocol !== url.protocol) throw new TpodError('LOOKASIDE_FAILED', `reading signature from ${redacted(start)}: redirected to ${next.protocol}`)
    url = next
  }
}

function redacted(url: URL): string {
  const copy = new URL(url)
  copy.username = copy.password = copy.search = ''
  return copy.href
}

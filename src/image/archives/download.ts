/** A file from the web, for what podman takes URLs of. */
import { closeSync } from 'node:fs'
import { errorMessage, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { headerOf, openConnections } from '../registry/http.ts'
import type { HttpConnections, HttpResponse } from '../registry/http.ts'
import { spoolToFile } from '../transports/spool-file.ts'
import type { SpoolFile } from '../transports/spool-file.ts'
import type { TransportContext } from '../types.ts'

const stallTimeoutMs = 60_000
const maxRedirects = 10

/**
 * Fetches `url` into a temporary file without a name, through the environment's proxy. The certificate is checked against
 * the system's authorities; no credentials are sent. Throws DOWNLOAD_FAILED, NO_SPACE.
 */
export async function downloadToFile(context: Pick<TransportContext, 'proxyEnv' | 'temporaryDirectory' | 'userAgent'>, url: string, { signal }: { signal?: AbortSignal } = {}): Promise<SpoolFile & { close: () => void }> {
  const [{ proxyRules }, { readTlsMaterial }] = await Promise.all([import('../registry/proxy-rules.ts'), import('../registry/tls.ts')])
  const connections = await openConnections(await readTlsMaterial('', { insecure: false, certDirectories: [] }), stallTimeoutMs, proxyRules(context.proxyEnv ?? {}))
  try {
    const response = await follow(connections, parseUrl(url), context.userAgent ?? 'tpod', signal)
    const file = await spoolToFile(response.body, context.temporaryDirectory)
    return { ...file, close: () => closeSync(file.fd) }
  } catch (cause) {
    throwIfAborted(signal)
    if (cause instanceof TpodError && cause.code !== 'BROKEN_TRANSFER') throw cause
    throw new TpodError('DOWNLOAD_FAILED', `download ${shown(url)}: ${errorMessage(cause)}`, { cause, remedy: 'check the address, or fetch it with another tool and import the file' })
  } finally {
    connections.close()
  }
}

async function follow(connections: HttpConnections, start: URL, userAgent: string, signal: AbortSignal | undefined): Promise<HttpResponse> {
  let url = start
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await connections.request({ method: 'GET', url, headers: { 'User-Agent': userAgent, Accept: '*/*' }, ...(signal === undefined ? {} : { signal }) })
    if (response.status === 200) return response
    response.discard()
    const location = headerOf(response, 'location')
    if (response.status < 300 || response.status > 399 || location === '') throw new TpodError('DOWNLOAD_FAILED', `download ${shown(url.href)}: the server answered ${response.status}`)
    url = new URL(location, url)
    if (!/^https?:$/.test(url.protocol)) throw new TpodError('DOWNLOAD_FAILED', `download ${shown(start.href)}: redirected to ${url.protocol}, which is not followed`)
  }
  throw new TpodError('DOWNLOAD_FAILED', `download ${shown(start.href)}: more than ${maxRedirects} redirects`)
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch (cause) {
    throw new TpodError('DOWNLOAD_FAILED', `download ${shown(url)}: no valid URL`, { cause })
  }
}

/** Without a password or a signed query. */
function shown(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//').replace(/[?#].*$/s, '')
}

/** Connections through a proxy: a tunnel (CONNECT) and TLS in it for HTTPS, requests for whole URLs for plain HTTP. */
import type { Agent, ClientRequest, RequestOptions } from 'node:http'
import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { Proxy } from './proxy-rules.ts'
import { isBrokenConnection, isTemporaryStatus, TemporaryStatus } from './retry.ts'
import { readSystemBundle } from './tls.ts'
import type { TlsMaterial } from './tls.ts'

/** A request on its way. */
export interface Started {
  request: ClientRequest
  /** Tells failures of the proxy (PROXY_*) from those of the registry. */
  explain(error: Error): Error
  /** For a status that is the proxy's own and not the registry's. */
  refusal?(status: number): Error | undefined
}

export interface ProxyConnections {
  send(proxy: Proxy, url: URL, options: RequestOptions): Promise<Started>
  close(): void
}

interface Modules {
  http: typeof import('node:http')
  https: typeof import('node:https')
  tls: typeof import('node:tls')
}

interface Session extends Modules {
  /** The registry's own. */
  material: TlsMaterial
  stallTimeoutMs: number
  /** CONNECT requests without an answer: no agent knows them. */
  pending: Set<ClientRequest>
}

interface Route {
  /** Requests to the proxy itself, with its scheme. */
  request: typeof import('node:http').request
  tls: Pick<TlsMaterial, 'ca'>
  tunnel: Agent
  forward: Agent
}

/**
 * Keeps connections open between requests until `close`. TLS to an https proxy is checked against the system's CAs, whatever
 * holds for the registry, and shows no client certificate: certs.d and --tls-verify are about registries.
 */
export async function openProxyConnections(material: TlsMaterial, stallTimeoutMs: number): Promise<ProxyConnections> {
  const [http, https, tls] = await Promise.all([import('node:http'), import('node:https'), import('node:tls')])
  const session: Session = { http, https, tls, material, stallTimeoutMs, pending: new Set() }
  const routes = new Map<Proxy, Promise<Route>>()
  const opened: Agent[] = []
  const routeTo = (proxy: Proxy): Promise<Route> => {
    let route = routes.get(proxy)
    if (route === undefined) routes.set(proxy, (route = openRoute(session, proxy, opened)))
    return route
  }
  return {
    async send(proxy, url, options) {
      const route = await routeTo(proxy)
      if (url.protocol === 'http:') return forward(route, proxy, url, options)
      return { request: session.https.request(url, { ...options, agent: route.tunnel }), explain: (error) => error }
    },
    close() {
      for (const request of session.pending) request.destroy()
      for (const agent of opened) agent.destroy()
    },
  }
}

/** 407 from a proxy that forwards, and any refusal of a tunnel. */
function proxyStatusError(proxy: Proxy, host: string, status: number): Error {
  if (status === 407) {
    return new TpodError('PROXY_UNAUTHORIZED', `connect to ${host}: proxy ${proxy.shown} ${proxy.authorization === undefined ? 'wants a login' : 'refuses the user name or password'} (407)`, {
      remedy: `put them into ${proxy.variable}: ${proxy.protocol}//USER:PASSWORD@HOST:PORT`,
    })
  }
  const error = new TpodError('PROXY_REFUSED', `connect to ${host}: proxy ${proxy.shown} answered ${status}`, { remedy: `name hosts that need no proxy in NO_PROXY, or check ${proxy.variable}` })
  return isTemporaryStatus(status) ? new TemporaryStatus(status, undefined, error) : error
}

async function openRoute(session: Session, proxy: Proxy, opened: Agent[]): Promise<Route> {
  const isSecure = proxy.protocol === 'https:'
  const bundle = isSecure ? readSystemBundle() : undefined
  const tls = bundle === undefined ? {} : { ca: [bundle] }
  const request = isSecure ? session.https.request : session.http.request
  const forwardAgent = isSecure ? new session.https.Agent({ keepAlive: true, ...tls }) : new session.http.Agent({ keepAlive: true })
  const tunnelAgent = new session.https.Agent({ keepAlive: true, ...session.material })
  const route: Route = { request, tls, tunnel: tunnelAgent, forward: forwardAgent }
  tunnelAgent.createConnection = ({ host, port }, callback) => {
    const target = { host: (host ?? '').replace(/^\[|\]$/g, ''), port: Number(port ?? 443) }
    openTunnel(session, route, proxy, target).then((socket) => callback?.(null, startTls(session, socket, target.host)), (error: Error) => callback?.(error, undefined as never))
    return undefined
  }
  opened.push(forwardAgent, tunnelAgent)
  return route
}

function forward(route: Route, proxy: Proxy, url: URL, options: RequestOptions): Started {
  const request = route.request({
    ...options,
    ...addressOf(proxy),
    agent: route.forward,
    path: `${url.origin}${url.pathname}${url.search}`,
    headers: { ...(options.headers as Record<string, string>), Host: url.host, ...authorizationOf(proxy) },
  })
  return { request, explain: (error) => explain(error, proxy), refusal: (status) => (status === 407 ? proxyStatusError(proxy, url.host, status) : undefined) }
}

/** A connection on which bytes go to `target` and come from it. Throws PROXY_*, TemporaryStatus, or what broke the connection. */
function openTunnel(session: Session, route: Route, proxy: Proxy, target: { host: string; port: number }): Promise<Socket> {
  const authority = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
  return new Promise((resolve, reject) => {
    const request = route.request({ ...addressOf(proxy), ...route.tls, agent: false, method: 'CONNECT', path: authority, headers: { Host: authority, ...authorizationOf(proxy) } })
    session.pending.add(request)
    const stalled = setTimeout(() => {
      request.destroy(new TpodError('PROXY_UNREACHABLE', `connect to ${authority}: proxy ${proxy.shown} does not answer for ${Math.round(session.stallTimeoutMs / 1000)} s`, { remedy: remedyFor(proxy) }))
    }, session.stallTimeoutMs)
    request.on('close', () => {
      clearTimeout(stalled)
      session.pending.delete(request)
    })
    request.on('error', (error) => reject(explain(error, proxy)))
    const refuse = (status: number | undefined): void => {
      reject(proxyStatusError(proxy, authority, status ?? 0))
      request.destroy()
    }
    request.on('response', (response) => refuse(response.statusCode))
    request.on('connect', (response, socket, head) => {
      clearTimeout(stalled)
      session.pending.delete(request)
      if (response.statusCode === undefined || response.statusCode < 200 || response.statusCode > 299) {
        socket.destroy()
        refuse(response.statusCode)
        return
      }
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.end()
  })
}

function startTls({ tls, material }: Session, socket: Socket, host: string): Socket {
  const secure = tls.connect({ ...material, socket, host, servername: serverName(host), ALPNProtocols: ['http/1.1'] })
  secure.on('close', () => socket.destroy())
  return secure
}

function addressOf(proxy: Proxy): { host: string; port: number; servername?: string } {
  // Without a server name node takes the Host header's, which is the registry's.
  return { host: proxy.host, port: proxy.port, ...(proxy.protocol === 'https:' ? { servername: serverName(proxy.host) } : {}) }
}

/** RFC 6066 §3 allows no addresses; the certificate is then checked against the host. */
function serverName(host: string): string {
  return isIP(host) === 0 ? host : ''
}

function authorizationOf(proxy: Proxy): Record<string, string> {
  return proxy.authorization === undefined ? {} : { 'Proxy-Authorization': proxy.authorization }
}

/** A connection that broke is left as it is: another attempt may do. What else fails below HTTP is not the registry's fault. */
function explain(error: Error, proxy: Proxy): Error {
  if (error instanceof TpodError || isBrokenConnection(error)) return error
  const code = errorCode(error)
  const why = code === 'ECONNREFUSED' ? 'connection refused' : code === 'ENOTFOUND' ? 'no such host' : errorMessage(error)
  return new TpodError('PROXY_UNREACHABLE', `connect to proxy ${proxy.shown}: ${why}`, { cause: error, remedy: remedyFor(proxy) })
}

function remedyFor(proxy: Proxy): string {
  return `check ${proxy.variable}, or name hosts that need no proxy in NO_PROXY`
}

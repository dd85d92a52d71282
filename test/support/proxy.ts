/** A forward proxy on a loopback port that alone knows certain hosts: what arrives at them went through it. */
import { createServer as createHttp, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface TestProxyOptions {
  /** HOST:PORT as asked for, to a loopback port. */
  hosts: Record<string, number>
  /** user:password that it asks for. */
  credentials?: string
  /** Speaks TLS itself. */
  tls?: { key: string; cert: string }
  /** Accepts CONNECT and never answers. */
  silent?: boolean
}

export class TestProxy {
  /** "CONNECT host:port", "GET http://…" in order, refused ones too. */
  readonly seen: string[] = []
  private readonly server: Server
  private readonly options: TestProxyOptions
  private readonly sockets = new Set<Duplex>()

  constructor(options: TestProxyOptions) {
    this.options = options
    const handle = (request: IncomingMessage, response: ServerResponse): void => this.forward(request, response)
    this.server = options.tls === undefined ? createHttp(handle) : createHttps(options.tls, handle)
    this.server.on('connect', (request: IncomingMessage, socket: Duplex) => this.tunnel(request, socket))
    for (const event of ['connection', 'secureConnection']) this.server.on(event, (socket: Duplex) => this.track(socket))
  }

  /** Resolves to HOST:PORT of the proxy. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    const address = this.server.address()
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  }

  close(): void {
    this.server.close()
    this.breakConnections()
  }

  /** As a restart does; new connections are accepted. */
  breakConnections(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  /** Status of a refusal; undefined: may pass. */
  private refusal(request: IncomingMessage, authority: string): number | undefined {
    this.seen.push(`${request.method} ${request.url}`)
    const { credentials, hosts } = this.options
    if (credentials !== undefined && request.headers['proxy-authorization'] !== 'Basic ' + Buffer.from(credentials).toString('base64')) return 407
    return hosts[authority] === undefined ? 403 : undefined
  }

  private tunnel(request: IncomingMessage, socket: Duplex): void {
    const authority = request.url ?? ''
    const status = this.refusal(request, authority)
    if (this.options.silent) return
    if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`)
    const target: Socket = connect(this.options.hosts[authority]!, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(target).pipe(socket)
    })
    this.track(target)
    target.on('close', () => socket.destroy())
    socket.on('close', () => target.destroy())
  }

  private forward(request: IncomingMessage, response: ServerResponse): void {
    const url = URL.canParse(request.url ?? '') ? new URL(request.url!) : undefined
    const authority = `${url?.hostname}:${url?.port || 80}`
    const status = this.refusal(request, authority)
    if (url === undefined || status !== undefined) return void response.writeHead(status ?? 400).end('<html>not JSON</html>')
    const { 'proxy-authorization': _own, ...headers } = request.headers
    const passed = httpRequest({ host: '127.0.0.1', port: this.options.hosts[authority]!, method: request.method!, path: url.pathname + url.search, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    passed.on('error', () => response.destroy())
    request.pipe(passed)
  }

  private track(socket: Duplex): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
  }
}

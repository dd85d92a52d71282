/** Before a registry on a loopback port: counts the bytes of blobs that it sends, and breaks or stalls where it is told. */
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export class CountingProxy {
  /** Of blobs' bodies. */
  sentBytes = 0
  /** Connections break when so many were sent, and all later blobs are refused. */
  cutAfterBytes = Infinity
  /** Nothing more is sent after so many. */
  stallAfterBytes = Infinity
  private readonly target: string
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private onStall: () => void = () => undefined
  private stall: Promise<void> = Promise.resolve()

  constructor(target: string) {
    this.target = target
    this.server = createServer((request, response) => this.forward(request, response))
    this.server.on('connection', (socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
    this.reset()
  }

  /** Resolves to HOST:PORT. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    const address = this.server.address()
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  }

  reset(): void {
    this.sentBytes = 0
    this.cutAfterBytes = Infinity
    this.stallAfterBytes = Infinity
    this.stall = new Promise((resolve) => (this.onStall = resolve))
  }

  stalled(): Promise<void> {
    return this.stall
  }

  close(): void {
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
  }

  private forward(request: IncomingMessage, response: ServerResponse): void {
    const isBlob = request.method === 'GET' && request.url?.includes('/blobs/sha256:') === true
    if (isBlob && this.sentBytes >= this.cutAfterBytes) return void response.destroy()
    const [hostname, port] = this.target.split(':')
    const onward = httpRequest({ hostname, port, path: request.url, method: request.method, headers: { ...request.headers, host: this.target } }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      const counts = isBlob && (answer.statusCode === 200 || answer.statusCode === 206)
      answer.on('data', (chunk: Buffer) => {
        if (counts && this.sentBytes >= this.stallAfterBytes) return this.onStall()
        if (counts) this.sentBytes += chunk.length
        if (!response.write(chunk)) {
          answer.pause()
          response.once('drain', () => answer.resume())
        }
        if (counts && this.sentBytes >= this.cutAfterBytes) {
          answer.destroy()
          response.destroy()
        }
      })
      answer.on('end', () => { if (this.sentBytes < this.stallAfterBytes || !counts) response.end() })
      answer.on('error', () => response.destroy())
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }
}

/**
 * A registry in memory that follows the distribution specification where docker's own does not (uploads that were cut can
 * go on), asks for tokens, gives tags in pages, and misbehaves on demand. Everything that was asked is in `seen`.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

export interface TestRegistryOptions {
  /** user → password: asks for Bearer tokens, which its own token server gives. */
  users?: Record<string, string>
  /** Of its tokens, seconds; default 300. */
  tokenLifetime?: number
  /** Tags and repositories per page. */
  pageSize?: number
  /** Requests with a longer body get 413. */
  maxBodyBytes?: number
  /** Manifests of these types only. */
  manifestTypes?: readonly string[]
  /** Called first; true: it has answered (or broken) the request itself. */
  intercept?: (request: IncomingMessage, response: ServerResponse, registry: TestRegistry) => boolean | Promise<boolean>
  /** Breaks the connection once so many bytes of uploads have come; called once per upload request, undefined: doesn't. */
  cutAfter?: (request: IncomingMessage) => number | undefined
  /** What its upload addresses begin with; default '' (relative). */
  locationBase?: string
  /** Deletes tags alone. */
  deletesTags?: boolean
  /** As docker's: an upload whose state is not what its address says is dropped. */
  dropsCutUploads?: boolean
}

interface Repository {
  manifests: Map<string, { bytes: Buffer; type: string }>
  tags: Map<string, string>
  blobs: Set<string>
}

export class TestRegistry {
  readonly seen: { method: string; url: string; authorization: string | undefined; bodyBytes: number }[] = []
  readonly blobs = new Map<string, Buffer>()
  readonly repositories = new Map<string, Repository>()
  readonly uploads = new Map<string, { repository: string; chunks: Buffer[]; size: number }>()
  readonly tokens = new Map<string, { scopes: string[]; expires: number }>()
  options: TestRegistryOptions
  private readonly server: Server
  address = ''

  constructor(options: TestRegistryOptions = {}) {
    this.options = options
    this.server = createServer((request, response) => {
      const entry = { method: request.method ?? '', url: request.url ?? '', authorization: request.headers.authorization, bodyBytes: 0 }
      this.seen.push(entry)
      request.on('error', () => {})
      void this.handle(request, response, entry).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500)
        response.end(String(error))
      })
    })
  }

  /** Resolves to 127.0.0.1:PORT. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    const address = this.server.address()
    return (this.address = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`)
  }

  close(): void {
    this.server.closeAllConnections()
    this.server.close()
  }

  repository(name: string): Repository {
    let found = this.repositories.get(name)
    if (found === undefined) this.repositories.set(name, (found = { manifests: new Map(), tags: new Map(), blobs: new Set() }))
    return found
  }

  addBlob(name: string, bytes: Buffer): string {
    const digest = sha256(bytes)
    this.blobs.set(digest, bytes)
    this.repository(name).blobs.add(digest)
    return digest
  }

  addManifest(name: string, tag: string, bytes: Buffer, type: string): string {
    const digest = sha256(bytes)
    const repository = this.repository(name)
    repository.manifests.set(digest, { bytes, type })
    repository.tags.set(tag, digest)
    return digest
  }

  /** Requests that a method and a pattern of the path describe. */
  asked(method: string, path: RegExp): number {
    return this.seen.filter((entry) => entry.method === method && path.test(entry.url)).length
  }

  private async handle(request: IncomingMessage, response: ServerResponse, entry: { bodyBytes: number }): Promise<void> {
    if ((await this.options.intercept?.(request, response, this)) === true) return
    const url = new URL(request.url ?? '/', 'http://registry')
    if (url.pathname === '/token') return this.giveToken(request, response, url)
    if (!this.isAuthorized(request, response, url)) return
    const match = /^\/v2\/(.+?)\/(manifests|blobs|tags)\/(.+)$/.exec(url.pathname)
    if (url.pathname === '/v2/') return void response.end('{}')
    if (url.pathname === '/v2/_catalog') return this.page(response, url, 'repositories', [...this.repositories.keys()].toSorted())
    if (match === null) return fail(response, 404, 'UNSUPPORTED')
    const [, name, kind, rest] = match as unknown as [string, string, string, string]
    if (kind === 'tags') return this.repositories.has(name) ? this.page(response, url, 'tags', [...this.repository(name).tags.keys()]) : fail(response, 404, 'NAME_UNKNOWN')
    if (kind === 'manifests') return this.manifest(request, response, name, rest)
    if (rest.startsWith('uploads/')) return this.upload(request, response, name, rest.slice(8), url, entry)
    return this.blob(request, response, name, rest)
  }

  private giveToken(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const given = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString()
    const [user, password] = given.split(':')
    if (user === undefined || this.options.users?.[user] === undefined || this.options.users[user] !== password) return fail(response, 401, 'UNAUTHORIZED')
    const token = randomUUID()
    const lifetime = this.options.tokenLifetime ?? 300
    this.tokens.set(token, { scopes: url.searchParams.getAll('scope').flatMap((scope) => scope.split(' ')), expires: Date.now() + lifetime * 1000 })
    const body = JSON.stringify({ token, expires_in: lifetime })
    response.writeHead(200, { 'content-length': body.length }).end(body)
  }

  private isAuthorized(request: IncomingMessage, response: ServerResponse, url: URL): boolean {
    if (this.options.users === undefined) return true
    const token = this.tokens.get((request.headers.authorization ?? '').replace(/^Bearer /, ''))
    const name = /^\/v2\/(.+?)\/(?:manifests|blobs|tags)\//.exec(url.pathname)?.[1]
    const action = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : request.method === 'DELETE' ? 'delete' : 'push'
    const needed = name === undefined ? [] : [`${name} ${action}`, ...(url.searchParams.has('from') ? [`${url.searchParams.get('from')} pull`] : [])]
    const isGranted = (need: string): boolean => {
      const [repository, wanted] = need.split(' ') as [string, string]
      return token!.scopes.some((scope) => {
        const [, scoped, actions = ''] = /^repository:(.+):(.+)$/.exec(scope) ?? []
        return scoped === repository && (actions === '*' || actions.split(',').includes(wanted))
      })
    }
    if (token !== undefined && token.expires > Date.now() && needed.every(isGranted)) return true
    response.setHeader('www-authenticate', `Bearer realm="http://${this.address}/token",service="test",scope="repository:${name}:${action}"`)
    fail(response, 401, 'UNAUTHORIZED')
    return false
  }

  private page(response: ServerResponse, url: URL, field: string, all: string[]): void {
    const last = url.searchParams.get('last')
    const start = last === null ? 0 : all.indexOf(last) + 1
    const page = all.slice(start, start + (this.options.pageSize ?? Infinity))
    if (start + page.length < all.length) response.setHeader('link', `<${url.pathname}?last=${page.at(-1)}>; rel="next"`)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ name: 'x', [field]: page }))
  }

  private async manifest(request: IncomingMessage, response: ServerResponse, name: string, place: string): Promise<void> {
    const repository = this.repository(name)
    const digest = place.startsWith('sha256:') ? place : repository.tags.get(place)
    if (request.method === 'PUT') {
      const bytes = await readAll(request)
      const type = request.headers['content-type'] ?? ''
      if (this.options.manifestTypes?.includes(type) === false) return fail(response, 400, 'MANIFEST_INVALID')
      repository.manifests.set(sha256(bytes), { bytes, type })
      if (!place.startsWith('sha256:')) repository.tags.set(place, sha256(bytes))
      response.writeHead(201, { 'docker-content-digest': sha256(bytes) })
      return void response.end()
    }
    const found = digest === undefined ? undefined : repository.manifests.get(digest)
    if (found === undefined) return fail(response, 404, 'MANIFEST_UNKNOWN')
    if (request.method === 'DELETE') {
      if (place === digest) {
        repository.manifests.delete(digest)
        for (const [tag, of] of repository.tags) if (of === digest) repository.tags.delete(tag)
      } else if (this.options.deletesTags === true) repository.tags.delete(place)
      else return fail(response, 405, 'UNSUPPORTED')
      response.writeHead(202)
      return void response.end()
    }
    response.writeHead(200, { 'content-type': found.type, 'content-length': found.bytes.length, 'docker-content-digest': digest })
    response.end(request.method === 'HEAD' ? undefined : found.bytes)
  }

  private blob(request: IncomingMessage, response: ServerResponse, name: string, digest: string): void {
    const bytes = this.repository(name).blobs.has(digest) ? this.blobs.get(digest) : undefined
    if (bytes === undefined) return fail(response, 404, 'BLOB_UNKNOWN')
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from > 0) response.writeHead(206, { 'content-length': bytes.length - from, 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
    else response.writeHead(200, { 'content-length': bytes.length })
    response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from))
  }

  private async upload(request: IncomingMessage, response: ServerResponse, name: string, id: string, url: URL, entry: { bodyBytes: number }): Promise<void> {
    if (request.method === 'POST') {
      const mounted = url.searchParams.get('mount')
      const from = url.searchParams.get('from')
      if (mounted !== null && from !== null && this.repositories.get(from)?.blobs.has(mounted) === true) {
        this.repository(name).blobs.add(mounted)
        response.writeHead(201, { location: `/v2/${name}/blobs/${mounted}` })
        return void response.end()
      }
      const uuid = randomUUID()
      this.uploads.set(uuid, { repository: name, chunks: [], size: 0 })
      return this.uploadState(response, 202, uuid)
    }
    const upload = this.uploads.get(id)
    if (upload === undefined) return fail(response, 404, 'BLOB_UPLOAD_UNKNOWN')
    if (this.options.dropsCutUploads === true && url.searchParams.get('state') !== String(upload.size)) {
      this.uploads.delete(id)
      return fail(response, 400, 'BLOB_UPLOAD_INVALID')
    }
    if (request.method === 'GET') return this.uploadState(response, 204, id)
    const range = /^(\d+)-\d+$/.exec(request.headers['content-range'] ?? '')?.[1]
    if (range !== undefined && Number(range) !== upload.size) return this.uploadState(response, 416, id)
    const cut = this.options.cutAfter?.(request)
    const limit = this.options.maxBodyBytes ?? Infinity
    for await (const chunk of request as AsyncIterable<Buffer>) {
      const kept = cut === undefined ? chunk : chunk.subarray(0, Math.max(0, cut - entry.bodyBytes))
      entry.bodyBytes += kept.length
      upload.chunks.push(Buffer.from(kept))
      upload.size += kept.length
      if (cut !== undefined && entry.bodyBytes >= cut) return void request.socket.destroy()
      if (entry.bodyBytes > limit) {
        this.uploads.delete(id)
        return fail(response, 413, 'SIZE_INVALID')
      }
    }
    if (request.method === 'PATCH') return this.uploadState(response, 202, id)
    const bytes = Buffer.concat(upload.chunks)
    this.uploads.delete(id)
    const digest = url.searchParams.get('digest')
    if (digest !== sha256(bytes)) return fail(response, 400, 'DIGEST_INVALID')
    this.addBlob(name, bytes)
    response.writeHead(201, { location: `/v2/${name}/blobs/${digest}` })
    response.end()
  }

  private uploadState(response: ServerResponse, status: number, id: string): void {
    const { repository, size } = this.uploads.get(id)!
    response.writeHead(status, { location: `${this.options.locationBase ?? ''}/v2/${repository}/blobs/uploads/${id}?state=${size}`, range: `0-${Math.max(0, size - 1)}`, 'content-length': 0 })
    response.end()
  }
}

function sha256(bytes: Buffer): string {
  return 'sha256:' + createHash('sha256').update(bytes).digest('hex')
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function fail(response: ServerResponse, status: number, code: string): void {
  const body = JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] })
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
}

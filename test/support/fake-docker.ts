/** The two calls of docker's engine that move images, over a unix socket, for tests: archives are kept and given back as they came. */
import { copyFileSync, createReadStream, createWriteStream, existsSync, mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { listDockerArchiveImages } from '../../src/image/transports/docker-archive-source.ts'

export class FakeDocker {
  readonly host: string
  /** What a load answers with, instead of success. */
  failure: string | undefined
  readonly seen: string[] = []
  readonly #server: Server
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
    mkdirSync(directory, { recursive: true })
    const socket = join(directory, 'docker.sock')
    this.host = `unix://${socket}`
    this.#server = createServer((request, response) => {
      const path = (request.url ?? '').replace(/^\/v[0-9.]+/, '')
      this.seen.push(`${request.method} ${path}`)
      const get = /^\/images\/(.+)\/get$/.exec(path) ?? /^\/images\/get\?names=([^&]+)$/.exec(path)
      const answer = (status: number, body: object): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      if (path.startsWith('/_ping')) response.end('OK')
      else if (path === '/version') answer(200, { ApiVersion: '1.41', MinAPIVersion: '1.12', Version: '20.10', Os: 'linux', Arch: 'amd64' })
      else if (get !== null) {
        const file = this.#fileOf(decodeURIComponent(get[1] as string))
        if (existsSync(file)) createReadStream(file).pipe(response.writeHead(200, { 'content-type': 'application/x-tar' }))
        else answer(404, { message: 'reference does not exist' })
      } else if (path.startsWith('/images/load')) {
        void this.#load(request).then(() => (this.failure === undefined ? answer(200, { stream: 'Loaded image' }) : answer(200, { errorDetail: { message: this.failure }, error: this.failure })), (error: unknown) => answer(500, { message: String(error) }))
      } else answer(404, { message: `page not found: ${path}` })
    })
  }

  static async start(directory: string): Promise<FakeDocker> {
    const docker = new FakeDocker(directory)
    await new Promise<void>((resolve) => docker.#server.listen(docker.host.slice('unix://'.length), resolve))
    return docker
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #load(request: NodeJS.ReadableStream): Promise<void> {
    const file = join(this.#directory, 'incoming')
    await pipeline(request, createWriteStream(file))
    if (this.failure !== undefined) return
    for (const { tags } of await listDockerArchiveImages(file)) for (const tag of tags) copyFileSync(file, this.#fileOf(tag))
  }

  #fileOf(name: string): string {
    return join(this.#directory, encodeURIComponent(name.replace(/^docker\.io\/(?:library\/)?/, '')))
  }
}

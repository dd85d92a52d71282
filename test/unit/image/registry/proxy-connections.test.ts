/** Forwarding and failing proxies; TLS through a tunnel is in test/system/registry-proxy.test.ts, with certificates. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import { openRegistrySource } from '../../../../src/image/registry/registry-source.ts'
import type { RegistrySourceOptions } from '../../../../src/image/registry/registry-source.ts'
import { proxyRules } from '../../../../src/image/registry/proxy-rules.ts'
import type { ImageSource } from '../../../../src/image/types.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'
import { TestProxy } from '../../../support/proxy.ts'
import type { TestProxyOptions } from '../../../support/proxy.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close()
})

async function openProxy(options: TestProxyOptions, login = ''): Promise<{ proxy: TestProxy; env: Record<string, string> }> {
  const proxy = new TestProxy(options)
  const url = `http://${login}${await proxy.listen()}`
  open.push(proxy)
  return { proxy, env: { HTTP_PROXY: url, HTTPS_PROXY: url } }
}

async function source(env: Record<string, string>, options: Partial<RegistrySourceOptions> = {}): Promise<ImageSource> {
  const opened = await openRegistrySource(parseNormalizedReference('reg.test:5000/x/y:1'), 'reg.test:5000/x/y:1', {
    tls: { insecure: true, certDirectories: [] }, credentials: async () => undefined, userAgent: 'tpod-test',
    stallTimeoutMs: 5000, retryDelayMs: 1, attempts: 2, ...options, proxyFor: proxyRules(env)!,
  })
  open.push(opened)
  return opened
}

/** A registry of plain HTTP: the tunnel to it for HTTPS ends with its 400, as a real one's does. */
async function registry(): Promise<{ port: number; hosts: (string | undefined)[]; authorizations: (string | undefined)[] }> {
  const hosts: (string | undefined)[] = []
  const authorizations: (string | undefined)[] = []
  const server: Server = createServer((request, response) => {
    hosts.push(request.headers.host)
    authorizations.push(request.headers['proxy-authorization'])
    response.end('{"schemaVersion":2}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => (server.closeAllConnections(), server.close()) })
  return { port: (server.address() as AddressInfo).port, hosts, authorizations }
}

test('an insecure registry: a tunnel is tried, then whole URLs are asked for, over one connection', async () => {
  const { port, hosts, authorizations } = await registry()
  const { proxy, env } = await openProxy({ hosts: { 'reg.test:5000': port }, credentials: 'me:p@ss' }, 'me:p%40ss@')
  const image = await source(env)
  assert.match((await image.getManifest()).digest, /^sha256:/)
  await image.getManifest()
  assert.deepEqual(proxy.seen, ['CONNECT reg.test:5000', 'GET http://reg.test:5000/v2/x/y/manifests/1', 'GET http://reg.test:5000/v2/x/y/manifests/1'])
  assert.deepEqual(hosts, ['reg.test:5000', 'reg.test:5000'])
  assert.deepEqual(authorizations, [undefined, undefined])
})

const failure = (image: ImageSource): Promise<Error & { code?: string; remedy?: string }> => image.getManifest().then(() => assert.fail('there is nothing to get'), (error: Error) => error)

test('a login that is missing or wrong is said, once, and never shown', async () => {
  for (const [login, said] of [['', 'wants a login'], ['me:secret@', 'refuses the user name or password']] as const) {
    const { proxy, env } = await openProxy({ hosts: {}, credentials: 'me:right' }, login)
    for (const insecure of [true, false]) {
      const error = await failure(await source(env, { tls: { insecure, certDirectories: [] } }))
      assert.equal(error.code, 'PROXY_UNAUTHORIZED')
      assert.match(error.message, new RegExp(`^pull reg\\.test:5000/x/y:1: connect to reg\\.test:5000: proxy http://127\\.0\\.0\\.1:\\d+ ${said} \\(407\\)$`))
      assert.match(error.remedy ?? '', /HTTPS_PROXY/)
      assert.doesNotMatch(`${error.stack} ${error.remedy}`, /secret/)
    }
    assert.deepEqual(proxy.seen, ['CONNECT reg.test:5000', 'CONNECT reg.test:5000'])
  }
})

test('a tunnel that is refused is the proxy’s doing; an insecure registry may still be forwarded to', async () => {
  const { proxy, env } = await openProxy({ hosts: {} })
  const strict = await failure(await source(env, { tls: { insecure: false, certDirectories: [] } }))
  assert.equal(strict.code, 'PROXY_REFUSED')
  assert.match(strict.message, /proxy http:\/\/127\.0\.0\.1:\d+ answered 403$/)
  const insecure = await failure(await source(env))
  assert.equal(insecure.code, 'REGISTRY_DENIED')
  assert.match(insecure.message, /access denied by reg\.test:5000 \(403\) \(through proxy http:\/\/127\.0\.0\.1:\d+\)$/)
  assert.deepEqual(proxy.seen, ['CONNECT reg.test:5000', 'CONNECT reg.test:5000', 'GET http://reg.test:5000/v2/x/y/manifests/1'])
})

test('a proxy that is not there is not taken for the registry', async () => {
  for (const url of ['http://127.0.0.1:1', 'https://127.0.0.1:1']) {
    const error = await failure(await source({ HTTPS_PROXY: url }))
    assert.equal(error.code, 'PROXY_UNREACHABLE')
    assert.equal(error.message, `pull reg.test:5000/x/y:1: connect to proxy ${url}: connection refused`)
  }
})

test('a blob goes on where it was when the proxy is restarted', async () => {
  const blob = Buffer.alloc(300_000, 'layer bytes ')
  const ranges: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const start = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0)
    ranges.push(request.headers.range)
    response.writeHead(start === 0 ? 200 : 206, { 'content-length': blob.length - start, 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` })
    if (start === 0) response.write(blob.subarray(0, 100_000))
    else response.end(blob.subarray(start))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => (server.closeAllConnections(), server.close()) })
  const { proxy, env } = await openProxy({ hosts: { 'reg.test:5000': (server.address() as AddressInfo).port } })
  const image = await source({ HTTP_PROXY: env.HTTP_PROXY! })
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of image.getBlob(`sha256:${'0'.repeat(64)}`, { sizeBytes: blob.length })) {
    chunks.push(Buffer.from(chunk))
    size += chunk.length
    if (size === 100_000) proxy.breakConnections()
  }
  assert.ok(Buffer.concat(chunks).equals(blob))
  assert.deepEqual(ranges, [undefined, 'bytes=100000-'])
})

test('a proxy that never answers ends with the stall time, and at once by a signal', async () => {
  const { env } = await openProxy({ hosts: {}, silent: true })
  const tls = { insecure: false, certDirectories: [] }
  const started = Date.now()
  const error = await failure(await source(env, { tls, stallTimeoutMs: 100, attempts: 1 }))
  assert.match(error.code ?? '', /^(?:PROXY|REGISTRY)_UNREACHABLE$/)
  const image = await source(env, { tls, stallTimeoutMs: 60_000 })
  await assert.rejects(image.getManifest(undefined, { signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' })
  assert.ok(Date.now() - started < 2000)
})

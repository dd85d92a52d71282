/** A registry that misbehaves: only here a fake one serves, as no real registry does these things on demand. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { afterEach, test } from 'node:test'
import { openRegistrySource } from '../../../../src/image/registry/registry-source.ts'
import type { RegistrySourceOptions } from '../../../../src/image/registry/registry-source.ts'
import type { ImageSource } from '../../../../src/image/types.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const servers: Server[] = []
const sources: ImageSource[] = []
afterEach(async () => {
  for (const source of sources.splice(0)) await source.close()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(handler: Handler): Promise<string> {
  const server = createServer(handler)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

async function open(host: string, options: Partial<RegistrySourceOptions> = {}): Promise<ImageSource> {
  const source = await openRegistrySource(parseNormalizedReference(`${host}/x/y:1`), `${host}/x/y:1`, {
    tls: { insecure: true, certDirectories: [] },
    credentials: async () => undefined,
    userAgent: 'tpod-test',
    stallTimeoutMs: 2000,
    retryDelayMs: 5,
    attempts: 4,
    ...options,
  })
  sources.push(source)
  return source
}

const sha256 = (data: Uint8Array): string => 'sha256:' + createHash('sha256').update(data).digest('hex')
const blob = Buffer.alloc(300_000, 'layer bytes ')
const manifest = Buffer.from('{"schemaVersion":2}')

async function read(source: ImageSource, options: { sizeBytes?: number; offset?: number; signal?: AbortSignal } = { sizeBytes: blob.length }): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source.getBlob(sha256(blob), options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('429 and 5xx pass, Retry-After is honoured', async () => {
  const answers: [number, Record<string, string>][] = [[429, { 'retry-after': '1' }], [503, {}], [200, {}]]
  const retries: string[] = []
  const host = await serve((_, response) => {
    const [status, headers] = answers.shift()!
    response.writeHead(status, headers).end(manifest)
  })
  const source = await open(host, { onRetry: (_what, why, attempt, delayMs) => retries.push(`${why} ${attempt} ${delayMs >= 1000}`) })
  assert.equal((await source.getManifest()).digest, sha256(manifest))
  assert.deepEqual(retries, ['the registry answers status 429 and asks to wait 1 s 1 true', 'status 503 2 false'])
})

test('a 500 that stays is said, with what the registry says of it in one line', async () => {
  let count = 0
  const host = await serve((_, response) => {
    count++
    response.writeHead(500).end('{"errors":[{"code":"X","message":"out of\\u001b[31m disk\\nreally"}]}')
  })
  await assert.rejects((await open(host)).getManifest(), (error: Error) => {
    assert.equal(error.message, `pull ${host}/x/y:1: ${host} answered 500: out of [31m disk really`)
    return true
  })
  assert.equal(count, 4)
})

test('404 and 403 are final', async () => {
  let status = 404
  let count = 0
  const host = await serve((_, response) => {
    count++
    response.writeHead(status).end('{}')
  })
  const source = await open(host)
  await assert.rejects(source.getManifest(), { code: 'MANIFEST_UNKNOWN' })
  await assert.rejects(read(source), { code: 'BLOB_UNKNOWN' })
  status = 403
  await assert.rejects(source.getManifest(), { code: 'REGISTRY_DENIED' })
  assert.equal(count, 3)
})

for (const hasRanges of [true, false]) {
  test(`a blob that breaks is resumed ${hasRanges ? 'by range' : 'by reading again where there are no ranges'}`, async () => {
    const ranges: (string | undefined)[] = []
    let breaks = 3
    const host = await serve((request, response) => {
      ranges.push(request.headers.range)
      const start = hasRanges ? Number(/\d+/.exec(request.headers.range ?? '0')![0]) : 0
      response.writeHead(hasRanges && start > 0 ? 206 : 200, { 'content-length': blob.length - start, ...(start > 0 ? { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` } : {}) })
      if (breaks-- <= 0) return response.end(blob.subarray(start))
      // Further each time: a server without ranges has to get beyond what we have.
      response.write(blob.subarray(start, hasRanges ? start + 60_000 : (4 - breaks) * 60_000))
      setTimeout(() => request.socket.resetAndDestroy(), 30)
    })
    const bytes = await read(await open(host))
    assert.equal(sha256(bytes), sha256(blob))
    assert.equal(ranges.length, 4)
    assert.match(ranges[3] ?? '', /^bytes=\d+-$/)
  })
}

test('a blob that always ends early is given up', async () => {
  const host = await serve((_, response) => response.writeHead(200, { 'content-length': 1000 }).end(blob.subarray(0, 1000)))
  await assert.rejects(read(await open(host)), { code: 'BLOB_TRUNCATED', message: /sent 1000 of 300000 bytes/ })
})

test('a blob that is longer than stated is stopped', async () => {
  const host = await serve((_, response) => response.writeHead(200).end(Buffer.concat([blob, blob])))
  await assert.rejects(read(await open(host)), { code: 'DIGEST_MISMATCH' })
})

test('a stalled connection counts as broken', async () => {
  let count = 0
  const host = await serve((_, response) => {
    response.writeHead(200, { 'content-length': blob.length })
    if (count++ === 0) response.write(blob.subarray(0, 1000))
    else response.end(blob)
  })
  assert.equal((await read(await open(host, { stallTimeoutMs: 150 }))).length, blob.length)
})

test('a registry that never answers', async () => {
  const host = await serve(() => {})
  await assert.rejects((await open(host, { stallTimeoutMs: 50, attempts: 2, tls: { insecure: true, certDirectories: [] } })).getManifest(), { code: 'REGISTRY_UNREACHABLE' })
})

test('abort ends a transfer at once with its reason', async () => {
  const host = await serve((_, response) => void response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 1000)))
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('enough')), 50)
  const started = Date.now()
  await assert.rejects(read(await open(host, { stallTimeoutMs: 20_000 }), { signal: stop.signal }), { message: 'enough' })
  assert.ok(Date.now() - started < 2000)
})

test('a manifest with another digest than asked for, and one that is too large', async () => {
  let body = manifest
  const host = await serve((_, response) => response.writeHead(200).end(body))
  const source = await open(host)
  await assert.rejects(source.getManifest('sha256:' + '0'.repeat(64)), { code: 'DIGEST_MISMATCH', message: /served a manifest with digest/ })
  body = Buffer.alloc(5_000_000)
  await assert.rejects(source.getManifest(), { code: 'BODY_TOO_LARGE' })
})

test('bearer: challenge, token with scope and credentials, token reused, renewed when refused', async () => {
  const asked: string[] = []
  let valid = 'one'
  const host = await serve((request, response) => {
    if (request.url!.startsWith('/token')) {
      asked.push(`${request.url} ${request.headers.authorization}`)
      return response.end(JSON.stringify({ token: valid, expires_in: 300 }))
    }
    if (request.headers.authorization !== `Bearer ${valid}`) {
      return response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="a, \\"b\\"",scope="repository:other:push"` }).end('{}')
    }
    return response.end(manifest)
  })
  const source = await open(host, { credentials: async () => ({ username: 'u', password: 'p:q' }) })
  await source.getManifest()
  await source.getManifest()
  assert.equal(asked.length, 1)
  // The scope is ours, whatever the registry suggests.
  assert.equal(asked[0], `/token?service=a%2C+%22b%22&scope=repository%3Ax%2Fy%3Apull&account=u Basic ${Buffer.from('u:p:q').toString('base64')}`)
  valid = 'two'
  await source.getManifest()
  assert.equal(asked.length, 2)
})

test('an identity token is sent as an OAuth2 refresh token', async () => {
  let form = ''
  const host = await serve((request, response) => {
    if (request.url!.startsWith('/token')) {
      request.on('data', (chunk: Buffer) => (form += chunk.toString())).on('end', () => response.end('{"access_token":"t"}'))
      return undefined
    }
    if (request.headers.authorization === 'Bearer t') return response.end(manifest)
    return response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="s"` }).end()
  })
  await (await open(host, { credentials: async () => ({ username: '', password: '', identityToken: 'refresh/me' }) })).getManifest()
  assert.equal(new URLSearchParams(form).get('refresh_token'), 'refresh/me')
  assert.equal(new URLSearchParams(form).get('grant_type'), 'refresh_token')
})

test('wrong credentials end after one attempt, naming the host and the way to log in', async () => {
  let count = 0
  const host = await serve((_, response) => {
    count++
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end('{}')
  })
  const source = await open(host, { credentials: async () => ({ username: 'u', password: 'secret' }) })
  await assert.rejects(source.getManifest(), (error: Error & { remedy?: string }) => {
    assert.match(error.message, /wants a login \(401\)/)
    assert.doesNotMatch(error.message, /secret/)
    assert.match(error.remedy ?? '', new RegExp(`login ${host}`))
    return true
  })
  assert.equal(count, 2)
})

test('a token realm in the own network, asked for by a public registry, gets nothing', async () => {
  const { checkRealm } = await import('../../../../src/image/registry/challenge.ts')
  const registry = new URL('https://registry.example.com')
  for (const realm of ['http://auth.example.com/token', 'https://169.254.169.254/latest', 'https://localhost/t', 'https://10.0.0.1/t', 'https://[::1]/t', 'https://[fd00::1]/t', 'file:///etc/passwd', 'https://u:p@auth.example.com/', 'nonsense']) {
    assert.throws(() => checkRealm(realm, registry), { code: 'AUTH_REALM_REFUSED' }, realm)
  }
  assert.equal(checkRealm('https://auth.docker.io/token', registry).host, 'auth.docker.io')
  assert.equal(checkRealm('http://127.0.0.1:5001/token', new URL('http://127.0.0.1:5000')).port, '5001')
})

test('a redirect to another host carries no Authorization, and its 401 is not answered (CVE-2020-15157)', async () => {
  const seen: (string | undefined)[] = []
  const storage = await serve((request, response) => {
    seen.push(request.headers.authorization)
    if (request.url === '/refuse') return response.writeHead(401, { 'www-authenticate': `Basic realm="x"` }).end()
    return response.end(blob)
  })
  let target = '/blob'
  const host = await serve((request, response) => {
    if (request.headers.authorization === undefined) return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    return response.writeHead(307, { location: `http://${storage.replace('127.0.0.1', 'localhost')}${target}` }).end()
  })
  const source = await open(host, { credentials: async () => ({ username: 'u', password: 'p' }) })
  assert.equal((await read(source)).length, blob.length)
  target = '/refuse'
  await assert.rejects(read(source), { code: 'REGISTRY_UNAUTHORIZED' })
  assert.deepEqual(seen, [undefined, undefined])
})

test('endless redirects, and redirects to other schemes', async () => {
  let location = '/v2/again'
  const host = await serve((_, response) => response.writeHead(302, { location }).end())
  const source = await open(host)
  await assert.rejects(source.getManifest(), { message: /more than 10 redirects/ })
  location = 'file:///etc/passwd'
  await assert.rejects(source.getManifest(), { message: /redirects to file:/ })
})

test('plain HTTP behind a secure name, nobody there, unknown host: one line each', async () => {
  const host = await serve((_, response) => response.end())
  await assert.rejects((await open(host, { tls: { insecure: false, certDirectories: [] } })).getManifest(), { code: 'REGISTRY_TLS', message: /answers in plain HTTP/ })
  await assert.rejects((await open('127.0.0.1:1')).getManifest(), { code: 'REGISTRY_UNREACHABLE', message: /connect to 127\.0\.0\.1:1: connection refused/ })
  await assert.rejects((await open('no-such-host.invalid')).getManifest(), { code: 'REGISTRY_UNREACHABLE', message: /no such host/ })
})

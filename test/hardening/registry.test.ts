/** What a hostile registry, or whoever stands before one, may try. Each is a server that a client without defences falls for. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openRegistryDestinationByName, openRegistrySourceByName } from '../../src/image/registry/open-registry.ts'
import { checkCredentials, listTags, searchRegistry } from '../../src/image/registry/registry-api.ts'
import { checkRealm } from '../../src/image/registry/challenge.ts'
import type { EndpointOptions, TransportContext } from '../../src/image/types.ts'
import { parseNormalizedReference } from '../../src/oci/reference.ts'
import { TestRegistry } from '../support/test-registry.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
})

async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    request.on('error', () => {})
    response.on('error', () => {})
    handler(request, response)
  })
  cleanUps.push(() => void (server.closeAllConnections(), server.close()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

const secret = 'the-password-of-me'
const context = {
  registries: async () => ({ registries: [], searchRegistries: [], searchOrigin: '', shortNameMode: 'disabled', aliases: new Map(), credentialHelpers: [] }),
  credentials: { find: async () => ({ username: 'me', password: secret }) },
  registriesDirectories: [],
} as unknown as TransportContext
const quick: EndpointOptions = { tlsVerify: false, retries: 1, retryDelayMs: 1, stallTimeoutMs: 1500 }
const sha256 = (bytes: Uint8Array | string): string => 'sha256:' + createHash('sha256').update(bytes).digest('hex')

async function source(address: string, name = 'x/y:1', options: EndpointOptions = quick): ReturnType<typeof openRegistrySourceByName> {
  const opened = await openRegistrySourceByName(context, `//${address}/${name}`, options)
  cleanUps.push(() => opened.close())
  return opened
}

async function destination(address: string, options: EndpointOptions = quick): ReturnType<typeof openRegistryDestinationByName> {
  const opened = await openRegistryDestinationByName(context, `//${address}/x/y:1`, options)
  cleanUps.push(() => opened.close())
  return opened
}

async function read(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

async function* once(text: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

const blob = (bytes: Uint8Array | string, size = Buffer.byteLength(bytes)) => ({ kind: 'layer', mediaType: '', digest: sha256(bytes), sizeBytes: size }) as const
const big = Buffer.alloc(600_000, 'bytes of a layer ')

function noSecret(error: unknown): void {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    assert.doesNotMatch(`${cause.message} ${cause.stack} ${JSON.stringify(cause)}`, new RegExp(`${secret}|${Buffer.from(`me:${secret}`).toString('base64')}`))
  }
}

test('token servers: plain HTTP for a registry of HTTPS, other schemes, credentials in the URL, addresses of the own network', () => {
  const registry = new URL('https://registry.example')
  for (const realm of [
    'http://auth.example/token', 'file:///etc/passwd', 'gopher://auth.example', 'https://user:pw@auth.example/', '', '/token', 'https://127.0.0.1/token', 'https://localhost/', 'https://[::1]/', 'https://[::ffff:127.0.0.1]/',
    'https://169.254.169.254/latest/meta-data', 'https://10.0.0.1/', 'https://192.168.1.1/', 'https://172.16.0.1/', 'https://2130706433/', 'https://0x7f.1/', 'https://0/',
  ]) assert.throws(() => checkRealm(realm, registry), { code: 'AUTH_REALM_REFUSED' }, realm)
  assert.equal(checkRealm('https://auth.example/token', registry).host, 'auth.example')
})

test('a token with a line break, one that is no text, one in megabytes: none is used or quoted', async () => {
  for (const answer of ['{"token":"a\\r\\nX-Evil: 1"}', '{"token":{"a":1}}', '[]', 'null', 'half a token', `{"token":"${'x'.repeat(3_000_000)}"}`]) {
    const address = await serve((request, response) => {
      if (request.url?.startsWith('/token') === true) return void response.end(answer)
      assert.equal(request.headers.authorization, undefined)
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="s"` }).end()
    })
    await assert.rejects((await source(address)).getManifest(), (error: Error & { code?: string }) => {
      assert.match(error.code ?? '', /^(?:REGISTRY_UNAUTHORIZED|BODY_TOO_LARGE)$/)
      assert.ok(error.message.length < 500)
      return true
    })
  }
})

test('redirects, and uploads elsewhere, carry no Authorization; a 401 from there is not answered (CVE-2020-15157)', async () => {
  const got: (string | undefined)[] = []
  const thief = await serve((request, response) => {
    got.push(request.headers.authorization)
    response.writeHead(401, { 'www-authenticate': 'Basic realm="please"' }).end()
  })
  const address = await serve((request, response) => {
    if (request.headers.authorization === undefined) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    if (request.method === 'GET') return void response.writeHead(307, { location: `http://${thief}/blob` }).end()
    if (request.method === 'HEAD') return void response.writeHead(404).end()
    request.resume()
    response.writeHead(202, { location: `http://${thief}/upload` }).end()
  })
  await assert.rejects(read((await source(address)).getBlob(sha256('x'))), (error) => (noSecret(error), true))
  await assert.rejects((await destination(address)).putBlob(once(big), blob(big)), (error) => (noSecret(error), true))
  await assert.rejects((await destination(address)).putBlob(once('small'), blob('small')), (error) => (noSecret(error), true))
  assert.ok(got.length >= 3)
  assert.deepEqual(got.filter((header) => header !== undefined), [])
})

test('an upload is not redirected: neither by status to another method nor to another scheme', async () => {
  for (const location of ['file:///etc/passwd', 'ftp://host/x', 'http://user:pw@127.0.0.1/x', 'http://[', '']) {
    const address = await serve((request, response) => {
      request.resume()
      if (request.method === 'HEAD') return void response.writeHead(404).end()
      response.writeHead(202, { location }).end()
    })
    await assert.rejects((await destination(address)).putBlob(once('small'), blob('small')), { code: 'REGISTRY_ERROR' }, location)
  }
  const methods: string[] = []
  const address = await serve((request, response) => {
    methods.push(request.method ?? '')
    request.resume()
    response.writeHead(request.url?.endsWith('/elsewhere') === true ? 202 : 302, { location: '/elsewhere' }).end()
  })
  await assert.rejects((await destination(address)).putBlob(once('small'), blob('small')), { code: 'REGISTRY_ERROR', message: /redirects a POST/ })
  assert.ok(!methods.includes('GET'))
})

test('digests that are paths, or other algorithms, never reach a URL or a file', async () => {
  let asked = 0
  const address = await serve((_, response) => void (asked++, response.writeHead(200).end('{}')))
  const opened = await source(address)
  const target = await destination(address)
  for (const digest of ['sha256:../../../../etc/passwd', '../manifests/other', `sha256:${'A'.repeat(64)}`, `sha256:${'a'.repeat(63)}`, `sha256:${'a'.repeat(64)}/..`, `sha512:${'a'.repeat(128)}`, `sha256:${'a'.repeat(64)}\n`, '']) {
    await assert.rejects(opened.getManifest(digest), { code: 'BAD_DIGEST' })
    await assert.rejects(read(opened.getBlob(digest)), { code: 'BAD_DIGEST' })
    await assert.rejects(target.reuseBlob({ kind: 'layer', mediaType: '', digest }), { code: 'BAD_DIGEST' })
    await assert.rejects(target.putBlob(once('x'), { kind: 'layer', mediaType: '', digest }), { code: 'BAD_DIGEST' })
    await assert.rejects(target.putManifest({ bytes: Buffer.from('{}'), digest, mediaType: '' }, { isInstance: true }), { code: 'BAD_DIGEST' })
  }
  assert.equal(asked, 0)
})

test('a manifest that is another one than the digest says, and one without an end', async () => {
  const address = await serve((request, response) => {
    if (request.url?.includes('sha256:') === true) return void response.end('{"schemaVersion":2}')
    response.writeHead(200, { 'content-type': 'application/json', 'docker-content-digest': sha256('what you asked for') })
    const more = (): void => void (response.destroyed || (response.write('['.repeat(65_536)), setImmediate(more)))
    more()
  })
  const opened = await source(address)
  await assert.rejects(opened.getManifest(sha256('other')), { code: 'DIGEST_MISMATCH' })
  await assert.rejects(opened.getManifest(), { code: 'BODY_TOO_LARGE' })
})

test('tags without an end, in a circle, in one huge page, from another host', async () => {
  const reference = (address: string): ReturnType<typeof parseNormalizedReference> => parseNormalizedReference(`${address}/x/y`)
  let page = 0
  const endless = await serve((_, response) => void response.writeHead(200, { link: `</v2/x/y/tags/list?last=${++page}>; rel="next"` }).end('{"tags":[]}'))
  await assert.rejects(listTags(context, reference(endless), quick), { code: 'BAD_ANSWER' })
  assert.ok(page < 1000)
  const circle = await serve((_, response) => void response.writeHead(200, { link: '</v2/x/y/tags/list>; rel="next"' }).end('{"tags":["a"]}'))
  await assert.rejects(listTags(context, reference(circle), quick), { code: 'BAD_ANSWER' })
  const huge = await serve((_, response) => {
    response.write('{"tags":["')
    const more = (): void => void (response.destroyed || (response.write('a'.repeat(1_000_000)), setImmediate(more)))
    more()
  })
  await assert.rejects(listTags(context, reference(huge), quick), { code: 'BODY_TOO_LARGE' })
  const seen: (string | undefined)[] = []
  const thief = await serve((request, response) => void (seen.push(request.headers.authorization), response.end('{"tags":["stolen"]}')))
  const leading = await serve((request, response) => {
    if (request.headers.authorization === undefined) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    if (request.url === '/v2/x/y/tags/list') return void response.writeHead(200, { link: `<http://${thief}/v2/x/y/tags/list?last=a>; rel="next"` }).end('{"tags":["a"]}')
    response.end('{"tags":["b"]}')
  })
  assert.deepEqual(await listTags(context, reference(leading), quick), ['a', 'b'])
  assert.deepEqual(seen, [])
  for (const answer of ['{"tags":{"a":1}}', '<html>', '"tags"']) {
    const odd = await serve((_, response) => void response.end(answer))
    await listTags(context, reference(odd), quick).then((tags) => assert.deepEqual(tags, []), (error: { code?: string }) => assert.equal(error.code, 'BAD_ANSWER'))
  }
})

test('an answer that claims to be compressed is not unpacked: no bomb, and the digest is that of the bytes', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  const address = await serve((request, response) => {
    assert.equal(request.headers['accept-encoding'], 'identity')
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': bomb.length }).end(bomb)
  })
  const opened = await source(address)
  assert.equal((await opened.getManifest(sha256(bomb))).bytes.length, bomb.length)
  assert.equal((await read(opened.getBlob(sha256(bomb), { sizeBytes: bomb.length }))).length, bomb.length)
})

test('a blob longer than stated stops; one that lies about ranges is refused', async () => {
  let sent = 0
  const address = await serve((_, response) => {
    const more = (): void => void (response.destroyed || (response.write(big, () => setImmediate(more)), (sent += big.length)))
    response.writeHead(200)
    more()
  })
  await assert.rejects(read((await source(address)).getBlob(sha256(big), { sizeBytes: 1000 })), { code: 'DIGEST_MISMATCH' })
  assert.ok(sent < 50_000_000)
  const lying = await serve((_, response) => void response.writeHead(206, { 'content-range': 'bytes 999999-1000000/1000001' }).end('xx'))
  await assert.rejects(read((await source(lying)).getBlob(sha256(big), { offset: 10 })), { code: 'REGISTRY_ERROR' })
})

test('what a registry says reaches the terminal in one printable line', async () => {
  const said = JSON.stringify({ errors: [{ code: 'DENIED', message: '\u001b]0;owned\u0007\u001b[2Jyou\r\nare\u009b31m ' + 'x'.repeat(5000) }] })
  const address = await serve((_, response) => void response.writeHead(403).end(said))
  for (const attempt of [async () => (await source(address)).getManifest(), async () => listTags(context, parseNormalizedReference(`${address}/x/y`), quick), async () => (await destination(address)).putBlob(once('x'), blob('x'))]) {
    await assert.rejects(attempt(), (error: Error) => {
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(error.message, /[\x00-\x1f\x7f-\x9f]/)
      assert.ok(error.message.length < 600)
      return true
    })
  }
})

test('headers are not injected through references, tokens, media types or the user agent', async () => {
  const address = await serve((request, response) => {
    assert.equal(request.headers['x-evil'], undefined)
    request.resume()
    response.writeHead(201).end()
  })
  const target = await destination(address)
  await assert.rejects(target.putManifest({ bytes: Buffer.from('{}'), digest: sha256('{}'), mediaType: 'text/plain\r\nX-Evil: 1' }, { isInstance: false }))
  await assert.rejects(openRegistrySourceByName(context, `//${address}/x/y:1\r\nX-Evil: 1`, quick), { code: 'BAD_REFERENCE' })
  await assert.rejects(openRegistrySourceByName(context, `//${address}/x/y:1`, { ...quick, registryToken: 'a\r\nX-Evil: 1' }).then((opened) => opened.getManifest()), { code: 'BAD_CREDENTIALS' })
})

test('an upload that claims bytes that were never sent, or less than nothing, does not make a blob', async () => {
  for (const range of ['0-99999999999', '0-18446744073709551616', '5-3', 'bytes=-1', '0--5', 'NaN']) {
    let puts = 0
    const address = await serve((request, response) => {
      request.resume()
      request.on('end', () => {
        if (request.method === 'HEAD') return void response.writeHead(404).end()
        if (request.method === 'PUT') puts++
        response.writeHead(request.method === 'PUT' ? 400 : request.method === 'GET' ? 204 : 202, { location: '/v2/x/y/blobs/uploads/1', range }).end()
      })
    })
    await assert.rejects((await destination(address)).putBlob(once(big), blob(big)), (error: { code?: string }) => /^(?:UPLOAD_BROKEN|REGISTRY_ERROR|DIGEST_MISMATCH)$/.test(error.code ?? ''), range)
    assert.ok(puts <= 2)
  }
})

test('a registry that takes bytes and never gets on is given up', async () => {
  const address = await serve((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(request.method === 'HEAD' ? 404 : request.method === 'GET' ? 204 : 202, { location: '/v2/x/y/blobs/uploads/1', range: '0-0' }).end())
  })
  await assert.rejects((await destination(address)).putBlob(once(big), blob(big)), { code: 'UPLOAD_BROKEN' })
})

test('a registry that hangs up, or sends what is no HTTP', async () => {
  for (const answer of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello', 'SSH-2.0-OpenSSH_9\r\n']) {
    const server = createTcp((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanUps.push(() => void server.close())
    const { port } = server.address() as { port: number }
    await assert.rejects((await source(`127.0.0.1:${port}`)).getManifest(), (error: { code?: string }) => error.code?.startsWith('REGISTRY_') === true)
  }
})

test('no credentials in errors, records or requests to others, whichever way a login fails', async () => {
  const state = mkdtempSync(join(tmpdir(), 'tpod-uploads-'))
  cleanUps.push(() => rmSync(state, { recursive: true, force: true }))
  const registry = new TestRegistry({ users: { me: 'another' } })
  const address = await registry.listen()
  cleanUps.push(() => registry.close())
  const asked: (() => Promise<unknown>)[] = [
    () => checkCredentials(context, address, { username: 'me', password: secret }, quick),
    async () => (await source(address)).getManifest(),
    async () => (await destination(address, { ...quick, resumeDirectory: state })).putBlob(once(big), blob(big)),
    () => listTags(context, parseNormalizedReference(`${address}/x/y`), quick),
    () => searchRegistry(context, address, 'x', quick),
  ]
  for (const ask of asked) await assert.rejects(ask(), (error) => (noSecret(error), true))
  assert.deepEqual(existsSync(state) ? readdirSync(state) : [], [])
  assert.deepEqual(registry.seen.filter(({ url, authorization }) => url.includes(secret) || (authorization !== undefined && !url.startsWith('/token'))), [])
})

test('an upload record that somebody has forged is not followed to another host with a login', async () => {
  const { uploadRecords } = await import('../../src/image/registry/upload-records.ts')
  const state = mkdtempSync(join(tmpdir(), 'tpod-uploads-'))
  cleanUps.push(() => rmSync(state, { recursive: true, force: true }))
  const got: (string | undefined)[] = []
  const thief = await serve((request, response) => {
    got.push(request.headers.authorization)
    request.resume()
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
  })
  const registry = new TestRegistry()
  const address = await registry.listen()
  cleanUps.push(() => registry.close())
  for (const forged of ['http://127.0.0.1:1/upload', `http://${thief}/upload`]) {
    await uploadRecords(state).put(`${address}/x/y`, sha256(big), new URL(forged))
    registry.blobs.clear()
    assert.equal((await (await destination(address, { ...quick, resumeDirectory: state })).putBlob(once(big), blob(big))).digest, sha256(big))
  }
  assert.equal(got.length, 1)
  assert.deepEqual(got.filter((header) => header !== undefined), [])
})

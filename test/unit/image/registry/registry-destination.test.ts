/** Pushing to a registry that follows the specification, and to ones that break. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { openRegistryDestinationByName, openRegistrySourceByName } from '../../../../src/image/registry/open-registry.ts'
import type { EndpointOptions, ImageDestination, TransportContext } from '../../../../src/image/types.ts'
import { TestRegistry } from '../../../support/test-registry.ts'
import type { TestRegistryOptions } from '../../../support/test-registry.ts'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
})

async function start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = new TestRegistry(options)
  await registry.listen()
  cleanUps.push(() => registry.close())
  return registry
}

function contextOf(login?: { username: string; password: string }): TransportContext {
  return {
    registries: async () => ({ registries: [], searchRegistries: [], searchOrigin: '', shortNameMode: 'disabled', aliases: new Map(), credentialHelpers: [] }),
    credentials: { find: async () => login },
    registriesDirectories: [],
  } as unknown as TransportContext
}

async function open(registry: TestRegistry, options: EndpointOptions & { name?: string; login?: { username: string; password: string } } = {}): Promise<ImageDestination> {
  const { name = 'a/b:1', login, ...rest } = options
  const destination = await openRegistryDestinationByName(contextOf(login), `//${registry.address}/${name}`, { tlsVerify: false, retryDelayMs: 5, stallTimeoutMs: 2000, ...rest })
  cleanUps.push(() => destination.close())
  return destination
}

const sha256 = (bytes: Uint8Array): string => 'sha256:' + createHash('sha256').update(bytes).digest('hex')
const layer = randomBytes(3_000_000)
const digest = sha256(layer)
const known = { kind: 'layer', digest, sizeBytes: layer.length, mediaType: '' } as const

/** Each chunk is wiped when the next is asked for, as memory that is freed would be. */
async function* piecewise(bytes: Uint8Array, from = 0, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = from; at < bytes.length; at += size) {
    const chunk = Buffer.from(bytes.subarray(at, at + size))
    yield chunk
    chunk.fill(0)
  }
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tpod-uploads-'))
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('a blob with and without a known digest, in one PATCH; small ones without', async () => {
  const registry = await start()
  const destination = await open(registry)
  assert.deepEqual(await destination.putBlob(piecewise(layer), known), { digest, sizeBytes: layer.length })
  assert.equal(registry.asked('PATCH', /./), 1)
  assert.deepEqual(registry.blobs.get(digest), layer)
  registry.blobs.clear()
  assert.deepEqual(await destination.putBlob(piecewise(layer), { kind: 'layer', mediaType: '' }), { digest, sizeBytes: layer.length })
  assert.equal(registry.asked('PATCH', /./), 2)
  assert.ok(registry.blobs.has(digest))
  const small = layer.subarray(0, 500)
  await destination.putBlob(piecewise(small), { kind: 'config', digest: sha256(small), sizeBytes: small.length, mediaType: '' })
  assert.equal(registry.asked('PATCH', /./), 2)
  assert.ok(registry.blobs.has(sha256(small)))
  const nothing = new Uint8Array()
  assert.equal((await destination.putBlob(piecewise(nothing), { kind: 'layer', mediaType: '' })).sizeBytes, 0)
})

test('a blob that is there is not sent; one in another repository is mounted, and asked for with both scopes', async () => {
  const registry = await start({ users: { me: 'secret' } })
  registry.addBlob('a/b', layer)
  const login = { username: 'me', password: 'secret' }
  assert.deepEqual(await (await open(registry, { login })).reuseBlob(known), { digest, sizeBytes: layer.length })
  const other = await open(registry, { login, name: 'c/d:1' })
  assert.deepEqual(await other.reuseBlob({ ...known, knownAt: [`${registry.address}/no/such`, 'elsewhere.example/a/b', `${registry.address}/a/b`] }), { digest, sizeBytes: layer.length })
  assert.ok(registry.repository('c/d').blobs.has(digest))
  assert.equal(registry.asked('POST', /from=a%2Fb/), 1, 'the first carries a token for both')
  assert.equal(registry.asked('PATCH', /./), 0)
})

test('with precomputed digests nothing is sent that is there', async () => {
  const registry = await start()
  registry.addBlob('a/b', layer)
  const destination = await open(registry, { precomputeDigests: true })
  assert.deepEqual(await destination.putBlob(piecewise(layer), { kind: 'layer', mediaType: '' }), { digest, sizeBytes: layer.length })
  assert.equal(registry.asked('POST', /./), 0)
  const other = randomBytes(1_000_000)
  assert.equal((await destination.putBlob(piecewise(other), { kind: 'layer', mediaType: '' })).digest, sha256(other))
  assert.deepEqual(registry.blobs.get(sha256(other)), other)
})

test('an upload that a refused mount has begun is used', async () => {
  const registry = await start()
  const destination = await open(registry)
  assert.equal(await destination.reuseBlob({ ...known, knownAt: [`${registry.address}/no/such`] }), undefined)
  await destination.putBlob(piecewise(layer), known)
  assert.equal(registry.asked('POST', /./), 1)
})

test('cut again and again, the upload goes on where the registry has got to: bytes known beforehand, read again, and bytes that come once', async () => {
  let cuts = 0
  const cutAfter = (): number | undefined => (cuts++ % 4 === 3 ? undefined : 700_000)
  const registry = await start({ cutAfter })
  const waits: string[] = []
  const destination = await open(registry, { onProgress: (event) => void (event.type === 'retry' && waits.push(event.why)) })
  const from: number[] = []
  const reread = (offset: number): AsyncIterable<Uint8Array> => {
    from.push(offset)
    return piecewise(layer, offset)
  }
  assert.equal((await destination.putBlob(piecewise(layer), { ...known, reread })).digest, digest)
  assert.deepEqual(from, [700_000, 1_400_000, 2_100_000])
  assert.equal(waits.length, 3)
  cuts = 0
  assert.equal((await destination.putBlob(piecewise(layer), { kind: 'layer', mediaType: '' })).digest, digest)
  assert.equal(registry.seen.filter(({ method }) => method === 'PATCH').reduce((sum, { bodyBytes }) => sum + bodyBytes, 0), 2 * layer.length, 'no byte was stored twice')
})

test('a registry that drops cut uploads, as docker\'s does, gets all again; bytes that are gone are asked for anew', async () => {
  let cuts = 1
  const big = randomBytes(20_000_000)
  const registry = await start({ dropsCutUploads: true, cutAfter: () => (cuts-- > 0 ? 15_000_000 : undefined) })
  const destination = await open(registry)
  const reread = (offset: number): AsyncIterable<Uint8Array> => piecewise(big, offset)
  assert.equal((await destination.putBlob(piecewise(big), { kind: 'layer', mediaType: '', digest: sha256(big), sizeBytes: big.length, reread })).digest, sha256(big))
  cuts = 1
  await assert.rejects(destination.putBlob(piecewise(big), { kind: 'layer', mediaType: '' }), { code: 'UPLOAD_BROKEN' })
})

test('429 with Retry-After, 500 and 503 in the middle of a push pass, the waits are reported', async () => {
  const answers: [number, Record<string, string>][] = [[429, { 'retry-after': '1' }], [500, {}], [503, {}]]
  const registry = await start({
    intercept(request, response) {
      if (request.method !== 'PATCH' || answers.length === 0) return false
      const [status, headers] = answers.shift()!
      request.resume()
      request.on('end', () => response.writeHead(status, headers).end())
      return true
    },
  })
  const delays: number[] = []
  const destination = await open(registry, { onProgress: (event) => void (event.type === 'retry' && delays.push(event.delayMs)) })
  const started = Date.now()
  assert.equal((await destination.putBlob(piecewise(layer), known)).digest, digest)
  assert.equal(delays.length, 3)
  assert.equal(delays[0], 1000)
  assert.ok(Date.now() - started >= 1000)
})

test('a token that ends while the upload runs is renewed before the next request', async () => {
  const registry = await start({ users: { me: 'secret' }, tokenLifetime: 1 })
  const destination = await open(registry, { login: { username: 'me', password: 'secret' } })
  async function* slow(): AsyncGenerator<Uint8Array> {
    for await (const chunk of piecewise(layer, 0, 1_000_000)) {
      yield chunk
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
  assert.equal((await destination.putBlob(slow(), known)).digest, digest)
  assert.ok(registry.asked('GET', /^\/token/) >= 3)
})

test('a request that is too big for the registry (413) becomes chunks', async () => {
  const registry = await start({ maxBodyBytes: 9_000_000 })
  const destination = await open(registry)
  const big = randomBytes(20_000_000)
  const put = (): Promise<unknown> => destination.putBlob(piecewise(big), { kind: 'layer', mediaType: '', digest: sha256(big), sizeBytes: big.length })
  await put().catch(put)
  assert.ok(registry.blobs.has(sha256(big)))
  assert.ok(registry.seen.filter(({ method }) => method === 'PATCH').slice(-2).every(({ bodyBytes }) => bodyBytes <= 8 * 1024 * 1024))
})

test('the next run goes on with an interrupted upload, whether its digest is known or not; the record goes with success', async () => {
  for (const blob of [known, { kind: 'layer', mediaType: '', resumeKey: 'sha256:x gzip 6' } as const]) {
    const registry = await start()
    const resumeDirectory = temporary()
    const stop = new AbortController()
    async function* interrupted(): AsyncGenerator<Uint8Array> {
      let sent = 0
      for await (const chunk of piecewise(layer)) {
        yield chunk
        sent += chunk.length
        if (sent > 2_000_000) stop.abort(new Error('interrupted'))
      }
    }
    const first = await open(registry, { resumeDirectory })
    await assert.rejects(first.putBlob(interrupted(), { ...blob, signal: stop.signal }), /interrupted/)
    await first.close()
    assert.equal(readdirSync(resumeDirectory).length, 1)
    const before = registry.seen.length
    const second = await open(registry, { resumeDirectory })
    assert.equal((await second.putBlob(piecewise(layer), blob)).digest, digest)
    const sent = registry.seen.slice(before).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
    assert.ok(sent < layer.length * 0.4, `${sent} bytes sent again`)
    assert.deepEqual(readdirSync(resumeDirectory), [])
  }
})

test('an upload that the registry has forgotten is begun anew; one that had other bytes is refused and its record removed', async () => {
  const registry = await start()
  const resumeDirectory = temporary()
  const fail = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 1_000_000)
    throw new Error('the source broke')
  }
  const blob = { kind: 'layer', mediaType: '', resumeKey: 'k' } as const
  const destination = await open(registry, { resumeDirectory })
  await assert.rejects(destination.putBlob(fail(layer), blob), /the source broke/)
  registry.uploads.clear()
  assert.equal((await destination.putBlob(piecewise(layer), blob)).digest, digest)
  await assert.rejects(destination.putBlob(fail(randomBytes(2_000_000)), blob), /the source broke/)
  registry.blobs.clear()
  await assert.rejects(destination.putBlob(piecewise(layer), blob), { code: 'UPLOAD_BROKEN' })
  assert.deepEqual(readdirSync(resumeDirectory), [])
  assert.equal((await destination.putBlob(piecewise(layer), blob)).digest, digest)
})

test('bytes that are not the digest they should have end with DIGEST_MISMATCH; what the source throws is thrown as it is', async () => {
  const registry = await start()
  const destination = await open(registry)
  await assert.rejects(destination.putBlob(piecewise(randomBytes(layer.length)), known), { code: 'DIGEST_MISMATCH' })
  const mine = Object.assign(new Error('mine'), { code: 'ECONNRESET' })
  // oxlint-disable-next-line require-yield
  await assert.rejects(destination.putBlob((async function* (): AsyncGenerator<Uint8Array> { throw mine })(), known), (error) => error === mine)
})

test('manifests by tag and digest; a type that is refused says so, other refusals are what they are', async () => {
  const registry = await start({ manifestTypes: ['application/vnd.docker.distribution.manifest.v2+json'] })
  const destination = await open(registry)
  const bytes = Buffer.from('{"schemaVersion":2}')
  const manifest = { bytes, digest: sha256(bytes), mediaType: 'application/vnd.docker.distribution.manifest.v2+json' }
  await destination.putManifest(manifest, { isInstance: true })
  assert.equal(registry.repository('a/b').tags.size, 0)
  await destination.putManifest(manifest, { isInstance: false })
  assert.equal(registry.repository('a/b').tags.get('1'), manifest.digest)
  await assert.rejects(destination.putManifest({ ...manifest, mediaType: 'application/vnd.oci.image.manifest.v1+json' }, { isInstance: false }), { code: 'MANIFEST_REJECTED' })
  const fixed = await open(registry, { name: `a/b@${digest}` })
  await assert.rejects(fixed.putManifest(manifest, { isInstance: false }), { code: 'DIGEST_MISMATCH' })
})

test('mirrors are tried in order, the image\'s name stays that of the registry', async () => {
  const [mirror, origin] = [await start(), await start()]
  const bytes = Buffer.from('{"schemaVersion":2}')
  origin.addManifest('lib/x', '1', bytes, 'application/vnd.oci.image.manifest.v1+json')
  const context = contextOf()
  const registry = { location: `${origin.address}/lib`, insecure: true, pullFromMirror: 'all', prefix: 'reg.example/team', blocked: false, mirrorByDigestOnly: false, mirrors: [{ location: `${mirror.address}/m`, insecure: true, pullFromMirror: 'all' }] } as const
  const withMirror = { ...context, registries: async () => ({ ...(await context.registries()), registries: [{ ...registry, mirrors: [...registry.mirrors] }] }) }
  const source = await openRegistrySourceByName(withMirror, '//reg.example/team/x:1')
  cleanUps.push(() => source.close())
  assert.equal((await source.getManifest()).digest, sha256(bytes))
  assert.equal(source.identity.name, '//reg.example/team/x:1')
  assert.equal(mirror.asked('GET', /\/v2\/m\/x\/manifests\/1/), 1)
  assert.equal(origin.asked('GET', /\/v2\/lib\/x\/manifests\/1/), 1)
  await assert.rejects(openRegistrySourceByName(withMirror, '//reg.example/team/none:1'), { code: 'MANIFEST_UNKNOWN', message: /Mirrors also failed/ })
})

test('a challenge and a blob that is not there cost no new connections', async () => {
  const sockets = new Set<unknown>()
  const registry = await start({ users: { me: 'secret' }, intercept: (request) => (sockets.add(request.socket), false) })
  const destination = await open(registry, { login: { username: 'me', password: 'secret' } })
  for (const name of ['a', 'b', 'c']) assert.equal(await destination.reuseBlob({ kind: 'layer', mediaType: '', digest: sha256(Buffer.from(name)) }), undefined)
  // The token may be asked for before the challenge has been read to its end.
  assert.ok(sockets.size <= 2, `${sockets.size} connections`)
})

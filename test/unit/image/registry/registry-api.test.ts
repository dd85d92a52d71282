/** Tags, repositories, digests, deletions, logins, searches. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { afterEach, test } from 'node:test'
import { checkCredentials, deleteManifest, getDigest, listTags, searchRegistry } from '../../../../src/image/registry/registry-api.ts'
import type { TransportContext } from '../../../../src/image/types.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'
import type { QualifiedReference } from '../../../../src/oci/reference.ts'
import { TestRegistry } from '../../../support/test-registry.ts'
import type { TestRegistryOptions } from '../../../support/test-registry.ts'

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

async function start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = new TestRegistry(options)
  await registry.listen()
  cleanUps.push(() => registry.close())
  return registry
}

const context = {
  registries: async () => ({ registries: [], searchRegistries: [], searchOrigin: '', shortNameMode: 'disabled', aliases: new Map(), credentialHelpers: [] }),
  credentials: { find: async () => undefined },
} as unknown as TransportContext
const options = { tlsVerify: false, retries: 0 }
const type = 'application/vnd.oci.image.manifest.v1+json'

function name(registry: TestRegistry, text: string): QualifiedReference {
  return parseNormalizedReference(`${registry.address}/${text}`)
}

function withTags(registry: TestRegistry, tags: readonly string[], body = '{"schemaVersion":2}'): string {
  return tags.map((tag) => registry.addManifest('a/b', tag, Buffer.from(body), type))[0]!
}

test('3,000 tags, in pages of 100 and at once', async () => {
  const tags = Array.from({ length: 3000 }, (_, index) => `v${String(index).padStart(4, '0')}`)
  for (const pageSize of [100, 10_000]) {
    const registry = await start({ pageSize })
    withTags(registry, tags)
    assert.deepEqual(await listTags(context, name(registry, 'a/b'), options), tags)
    assert.equal(registry.asked('GET', /tags\/list/), pageSize === 100 ? 30 : 1)
  }
})

test('an unknown repository; one without tags; null among the tags', async () => {
  const registry = await start({
    intercept(request, response) {
      if (!/\/odd\//.test(request.url ?? '')) return false
      response.end('{"name":"odd","tags":["a",null,"","b\\u001b[31m","c"]}')
      return true
    },
  })
  await assert.rejects(listTags(context, name(registry, 'no/such'), options), { code: 'REPOSITORY_UNKNOWN' })
  registry.repository('a/b')
  assert.deepEqual(await listTags(context, name(registry, 'a/b'), options), [])
  assert.deepEqual(await listTags(context, name(registry, 'odd'), options), ['a', 'c'])
})

test('the digest of a tag, without reading the manifest; where HEAD says nothing, by reading it', async () => {
  let hides = false
  const registry = await start({
    intercept(request, response) {
      if (!hides || request.method !== 'HEAD') return false
      response.writeHead(405).end()
      return true
    },
  })
  const digest = withTags(registry, ['1'])
  assert.equal(await getDigest(context, name(registry, 'a/b:1'), options), digest)
  assert.equal(registry.asked('GET', /manifests/), 0)
  hides = true
  assert.equal(await getDigest(context, name(registry, 'a/b:1'), options), digest)
  await assert.rejects(getDigest(context, name(registry, 'a/b:none'), options), { code: 'MANIFEST_UNKNOWN' })
})

test('delete takes the manifest and all its tags; tagOnly leaves the others, on registries that know tags and ones that do not', async () => {
  for (const deletesTags of [true, false]) {
    const registry = await start({ deletesTags })
    withTags(registry, ['1', '2', '3'])
    const other = withTags(registry, ['other'], '{"schemaVersion":2,"x":1}')
    await deleteManifest(context, name(registry, 'a/b:1'), { ...options, tagOnly: true })
    assert.deepEqual([...registry.repository('a/b').tags.keys()].toSorted(), ['2', '3', 'other'])
    await deleteManifest(context, name(registry, 'a/b:2'), options)
    assert.deepEqual([...registry.repository('a/b').tags.keys()], ['other'])
    await deleteManifest(context, name(registry, 'a/b:other'), { ...options, tagOnly: true })
    assert.equal(registry.repository('a/b').tags.size, 0)
    assert.equal(registry.repository('a/b').manifests.has(other), deletesTags)
    await assert.rejects(deleteManifest(context, name(registry, 'a/b:2'), options), { code: 'MANIFEST_UNKNOWN' })
  }
})

test('a tag that cannot go alone stays, and the error names those that would go with it', async () => {
  const registry = await start({
    intercept(request, response) {
      if (request.method !== 'PUT' && request.method !== 'POST') return false
      response.writeHead(403).end('{"errors":[{"code":"DENIED"}]}')
      return true
    },
  })
  withTags(registry, ['1', '2', '3'])
  await assert.rejects(deleteManifest(context, name(registry, 'a/b:1'), { ...options, tagOnly: true }), { code: 'TAG_DELETE_UNSUPPORTED', message: /the tags 2, 3/ })
  assert.equal(registry.repository('a/b').tags.size, 3)
})

test('a deletion that fails half-way gives the tag back', async () => {
  const registry = await start({
    intercept(request, response) {
      if (request.method !== 'DELETE') return false
      response.writeHead(405).end('{"errors":[{"code":"UNSUPPORTED"}]}')
      return true
    },
  })
  const digest = withTags(registry, ['1', '2'])
  await assert.rejects(deleteManifest(context, name(registry, 'a/b:1'), { ...options, tagOnly: true }), { code: 'DELETE_UNSUPPORTED' })
  assert.equal(registry.repository('a/b').tags.get('1'), digest)
})

test('credentials are checked at the root; wrong ones are REGISTRY_UNAUTHORIZED, and the password is in no message', async () => {
  const registry = await start({ users: { me: 'secret' } })
  await checkCredentials(context, registry.address, { username: 'me', password: 'secret' }, options)
  await assert.rejects(checkCredentials(context, registry.address, { username: 'me', password: 'hunter2' }, options), (error: Error & { code?: string; remedy?: string }) => {
    assert.equal(error.code, 'REGISTRY_UNAUTHORIZED')
    assert.doesNotMatch(JSON.stringify([error.message, error.remedy, String(error.cause), error.stack]), /hunter2|aHVudGVyMg|bWU6aHVudGVyMg/)
    return true
  })
  const anybody = { username: 'any', password: 'body' }
  await checkCredentials(context, (await start()).address, anybody, options)
  await assert.rejects(checkCredentials(context, 'user:pass@host/path', anybody, options), { code: 'BAD_REFERENCE' })
})

test('search: the index where there is one, else the catalogue, the full match first', async () => {
  const registry = await start({ pageSize: 2 })
  for (const repository of ['team/busy', 'busybox', 'other', 'busy']) registry.repository(repository)
  assert.deepEqual((await searchRegistry(context, registry.address, 'busy', options)).map((result) => result.name), ['busy', 'busybox', 'team/busy'])
  assert.equal((await searchRegistry(context, registry.address, 'busy', { ...options, limit: 2 })).length, 2)
  const index = createServer((request, response) => {
    assert.equal(request.headers.authorization, undefined)
    response.end(request.url === '/v1/search?q=x+y&n=25' ? '{"results":[{"name":"library/x","description":"a\\nb\\u001b[1m","star_count":7,"is_official":true},{"name":3},null]}' : '{}')
  })
  await new Promise<void>((resolve) => index.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => void (index.closeAllConnections(), index.close()))
  const { port } = index.address() as { port: number }
  assert.deepEqual(await searchRegistry(context, `127.0.0.1:${port}`, 'x y', options), [{ name: 'library/x', description: 'a b [1m', stars: 7, isOfficial: true, isAutomated: false }])
})

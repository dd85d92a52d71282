/** What leaves this machine is what was accepted here: pushes of lists ask policy.json, and layers go out in forms that were seen here. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fixedCredentials } from '../../src/config/auth-file.ts'
import { acceptAnything, parsePolicy } from '../../src/config/policy.ts'
import { layerRepositories, readLayerForms, rememberLayerForm } from '../../src/image/push/layer-forms.ts'
import { parseListDocument } from '../../src/image/manifest-list/list-document.ts'
import { pushStoredList } from '../../src/image/manifest-list/push-list.ts'
import { pullImage } from '../../src/image/pull/pull.ts'
import { openRegistrySourceByName } from '../../src/image/registry/open-registry.ts'
import { listTags } from '../../src/image/registry/registry-api.ts'
import type { ImageContext, TransportContext } from '../../src/image/types.ts'
import { parseManifest } from '../../src/oci/image-types.ts'
import { parseNormalizedReference } from '../../src/oci/reference.ts'
import type { LayerRecord, Store } from '../../src/storage/types.ts'

const directory = mkdtempSync('/var/tmp/tpod-going-out-')
after(() => rmSync(directory, { recursive: true, force: true }))
const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
const gzipType = 'application/vnd.oci.image.layer.v1.tar+gzip'

test('manifest push: an image of the list that policy.json rejects where it lies is not copied', async () => {
  const image = join(directory, 'image')
  mkdirSync(image)
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } })
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(config), size: config.length }, layers: [] })
  for (const [name, text] of [['version', 'Directory Transport Version: 1.1\n'], ['manifest.json', manifest], [sha256(config).slice(7), config]] as const) writeFileSync(join(image, name), text)
  const bytes = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: sha256(manifest), size: manifest.length, platform: { os: 'linux', architecture: 'amd64' } }],
  }))
  const stored = { image: { id: 'a'.repeat(64), created: '' }, list: parseListDocument(bytes, 'x'), bytes, instances: new Map([[sha256(manifest), `dir:${image}`]]) }
  const push = async (dir: string, type: string): Promise<string> => {
    const policy = parsePolicy(JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }], transports: { dir: { [dir]: [{ type }] } } }), '/policy.json')
    const target = join(directory, `pushed-${type}`)
    const context = { platform: { os: 'linux', architecture: 'amd64' }, policy: async () => policy } as unknown as ImageContext
    await pushStoredList(context, stored, { transport: 'dir', details: target })
    return target
  }
  await assert.rejects(push(image, 'reject'), { code: 'POLICY_REJECTED' })
  assert.ok(!existsSync(join(directory, 'pushed-reject/manifest.json')))
  assert.ok(existsSync(join(await push(image, 'insecureAcceptAnything'), 'manifest.json')))
})

test('a layer that the store had already does not go out as the other blob that a manifest lists in its place', async () => {
  const diffId = sha256('the layer that everybody has')
  const store = { ownDirectory: join(directory, 'own'), listImages: async () => [], listLayers: async () => [] } as unknown as Store
  const chain: LayerRecord[] = [{ id: 'x', created: '', 'diff-digest': diffId, 'compressed-diff-digest': sha256('unpacked here'), 'compressed-size': 10, compression: 2 }]
  const listing = (digest: string) => parseManifest(Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { mediaType: '', digest: sha256('c'), size: 1 }, layers: [{ mediaType: gzipType, digest, size: 10 }],
  })), '', 'x') as Parameters<typeof readLayerForms>[2]
  const formsOf = async (digest: string): Promise<string[]> => (await readLayerForms(store, chain, listing(digest), diffId, layerRepositories(store, chain))).map((form) => form.digest)
  assert.deepEqual(await formsOf(sha256('never fetched')), [sha256('unpacked here')])
  assert.deepEqual(await formsOf(sha256('unpacked here')), [sha256('unpacked here')])
  await rememberLayerForm(store, diffId, { digest: sha256('made here'), sizeBytes: 9, mediaType: gzipType, knownAt: [] })
  assert.deepEqual(await formsOf(sha256('made here')), [sha256('made here'), sha256('unpacked here')])
})

test('--creds and --src-registry-token are for the registry that was named: a mirror on another host does not get them', async () => {
  const seen: (string | undefined)[] = []
  const mirror = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(401, { 'www-authenticate': 'Basic realm="mirror"' }).end()
  })
  const primary = createServer((request, response) => {
    if (request.headers.authorization === undefined) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    response.end('{"schemaVersion":2}')
  })
  const hosts: string[] = []
  for (const server of [mirror, primary]) {
    after(() => void (server.closeAllConnections(), server.close()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    hosts.push(`127.0.0.1:${(server.address() as { port: number }).port}`)
  }
  const [mirrorHost = '', host = ''] = hosts
  const entry = { prefix: host, location: host, insecure: true, blocked: false, pullFromMirror: 'all', mirrorByDigestOnly: false, mirrors: [{ location: mirrorHost, insecure: true, pullFromMirror: 'all' }] }
  const context = {
    registries: async () => ({ registries: [entry], searchRegistries: [], searchOrigin: '', shortNameMode: 'disabled', aliases: new Map(), credentialHelpers: [] }),
    credentials: { find: async () => undefined }, registriesDirectories: [], policy: async () => acceptAnything, store: { findImage: async () => undefined, listImages: async () => [] },
  } as unknown as ImageContext
  const given = { tlsVerify: false, retries: 0, retryDelayMs: 1, credentials: fixedCredentials('me:secret') }
  const source = await openRegistrySourceByName(context, `//${host}/x/y:1`, given)
  await source.close()
  await assert.rejects(pullImage(context, `${host}/x/y:1`, { ...given, policy: 'always' }), /schemaVersion|config|media type/)
  const token = await openRegistrySourceByName(context, `//${host}/x/y:1`, { tlsVerify: false, retries: 0, registryToken: 'secret' })
  await token.close()
  assert.ok(seen.length >= 3)
  assert.deepEqual(seen.filter((authorization) => authorization !== undefined), [])
})

test('the next page of a list is asked for at the registry, also when its path looks like a host', async () => {
  const asked: string[] = []
  const start = async (answer: (url: string, host: string) => [string | undefined, string]): Promise<string> => {
    const server = createServer((request, response) => {
      const [link, body] = answer(request.url ?? '', request.headers.host ?? '')
      response.writeHead(200, link === undefined ? {} : { link }).end(body)
    })
    after(() => void (server.closeAllConnections(), server.close()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `127.0.0.1:${(server.address() as { port: number }).port}`
  }
  const inward = await start((url) => (asked.push(url), [undefined, '{"tags":["stolen"]}']))
  const registry = await start((url, host) => (url.startsWith('//') ? [undefined, '{"tags":["b"]}'] : [`<http://${host}//${inward}/latest/meta-data>; rel="next"`, '{"tags":["a"]}']))
  const context = {
    registries: async () => ({ registries: [], searchRegistries: [], searchOrigin: '', shortNameMode: 'disabled', aliases: new Map(), credentialHelpers: [] }),
    credentials: { find: async () => undefined }, registriesDirectories: [],
  } as unknown as TransportContext
  assert.deepEqual(await listTags(context, parseNormalizedReference(`${registry}/x/y`), { tlsVerify: false, retries: 0 }), ['a', 'b'])
  assert.deepEqual(asked, [])
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { storageImageDestination } from '../../../../src/image/transports/storage-destination.ts'
import { storageImageSource } from '../../../../src/image/transports/storage-source.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'
import { openStore } from '../../../../src/storage/open-store.ts'
import type { ImageDestination, RawManifest } from '../../../../src/image/types.ts'
import type { Store } from '../../../../src/storage/types.ts'

let directory: string
let store: Store
before(async () => {
  directory = mkdtempSync('/var/tmp/tpod-test-')
  store = await openStore({ graphRoot: join(directory, 'root'), runRoot: join(directory, 'run'), driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
})
after(() => rmSync(directory, { recursive: true, force: true }))

const digestOf = (bytes: Uint8Array | string): string => 'sha256:' + createHash('sha256').update(bytes).digest('hex')

interface TestImage { config: Buffer; layers: { tar: Buffer; blob: Buffer; digest: string; diffId: string }[]; manifest: RawManifest }

/** Layers are tars of nothing, told apart by their length in blocks. */
function makeImage(lengths: readonly number[], extra: object = {}): TestImage {
  const layers = lengths.map((blocks) => {
    const tar = Buffer.alloc(512 * blocks)
    const blob = gzipSync(tar)
    return { tar, blob, digest: digestOf(blob), diffId: digestOf(tar) }
  })
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', created: '2024-01-02T03:04:05Z', rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) }, ...extra }))
  const bytes = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: layers.map(({ blob, digest }) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: blob.length })),
  }))
  return { config, layers, manifest: { bytes, digest: digestOf(bytes), mediaType: 'application/vnd.oci.image.manifest.v1+json' } }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield Uint8Array.from(bytes)
}

const putConfig = (destination: ImageDestination, { config }: TestImage) => destination.putBlob(once(config), { kind: 'config', mediaType: '', digest: digestOf(config) })
const layerBlob = ({ layers }: TestImage, index: number) => ({ kind: 'layer' as const, mediaType: '', layerIndex: index, digest: layers[index]!.digest, sizeBytes: layers[index]!.blob.length, diffId: layers[index]!.diffId })
const putLayer = (destination: ImageDestination, image: TestImage, index: number) => destination.putBlob(once(image.layers[index]!.blob), layerBlob(image, index))
const named = (name: string) => ({ reference: parseNormalizedReference(name) })
const markers = (): string[] => (existsSync(`${store.ownDirectory}/new-layers`) ? readdirSync(`${store.ownDirectory}/new-layers`) : [])

test('layers that arrive from the top are committed once the bottom is there; the image appears with the commit', async () => {
  const image = makeImage([2, 3, 4])
  const destination = storageImageDestination(store, named('localhost/a:1'))
  await putConfig(destination, image)
  await putLayer(destination, image, 2)
  await putLayer(destination, image, 1)
  assert.equal((await store.listLayers()).length, 0)
  await putLayer(destination, image, 0)
  assert.equal((await store.listLayers()).length, 3)
  assert.equal(markers().length, 3)
  await destination.putManifest(image.manifest, { isInstance: false })
  assert.equal(await store.findImage('localhost/a:1'), undefined)
  await destination.commit()
  await destination.close()
  const record = await store.getImage('localhost/a:1')
  assert.equal(`sha256:${record.id}`, digestOf(image.config))
  assert.deepEqual([record.digest, record.created, destination.result().existed], [image.manifest.digest, '2024-01-02T03:04:05Z', false])
  assert.deepEqual(markers(), [])
  const source = storageImageSource(store, record)
  const manifest = await source.getManifest()
  assert.equal(manifest.digest, image.manifest.digest)
  const layers = await source.layersAsStored!(JSON.parse(manifest.bytes.toString()), manifest.digest)
  assert.deepEqual(layers!.map(({ digest }) => digest), image.layers.map(({ diffId }) => diffId))
  const chunks: Uint8Array[] = []
  for await (const chunk of source.getBlob(layers![2]!.digest, { offset: 512 })) chunks.push(chunk)
  assert.ok(Buffer.concat(chunks).equals(image.layers[2]!.tar.subarray(512)))
  await assert.rejects(async () => { for await (const _ of source.getBlob(image.layers[0]!.digest)); }, { code: 'BLOB_UNKNOWN' })
})

test('layers of other images with the same content are made again without their bytes', async () => {
  const image = makeImage([4, 2])
  const destination = storageImageDestination(store, named('localhost/b:1'))
  await putConfig(destination, image)
  for (const index of [0, 1]) assert.ok(await destination.reuseBlob(layerBlob(image, index)))
  await destination.putManifest(image.manifest, { isInstance: false })
  await destination.commit()
  await destination.close()
  assert.equal((await store.checkLayers()).length, 0)
})

test('a wrong layer, a missing one, an index and a foreign digest in the name are refused; nothing of them is left', async () => {
  const image = makeImage([5, 6], { author: 'c' })
  const before = (await store.listLayers()).length
  const destination = storageImageDestination(store, named(`localhost/c@sha256:${'1'.repeat(64)}`))
  await putConfig(destination, image)
  await assert.rejects(destination.putBlob(once(image.layers[1]!.blob), { kind: 'layer', mediaType: '', layerIndex: 0 }), { code: 'DIGEST_MISMATCH' })
  await assert.rejects(destination.putBlob(once(image.layers[1]!.blob), { kind: 'layer', mediaType: '', layerIndex: 2 }), { code: 'BAD_MANIFEST' })
  await putLayer(destination, image, 1)
  await assert.rejects(destination.putManifest(image.manifest, { isInstance: true }), { code: 'UNSUPPORTED_MANIFEST' })
  await destination.putManifest(image.manifest, { isInstance: false })
  await assert.rejects(destination.commit(), { code: 'DIGEST_MISMATCH' })
  await destination.close()
  const other = storageImageDestination(store, named('localhost/c:1'))
  await putConfig(other, image)
  await putLayer(other, image, 1)
  await other.putManifest(image.manifest, { isInstance: false })
  await assert.rejects(other.commit(), { code: 'BAD_MANIFEST' })
  await other.close()
  assert.equal((await store.listLayers()).length, before)
})

test('a layer deleted between reuse and commit: all is asked for again', async () => {
  const base = makeImage([7])
  const first = storageImageDestination(store, named('localhost/base:1'))
  await putConfig(first, base)
  await putLayer(first, base, 0)
  await first.putManifest(base.manifest, { isInstance: false })
  await first.commit()
  const image = makeImage([7, 8])
  const destination = storageImageDestination(store, named('localhost/d:1'))
  await putConfig(destination, image)
  assert.ok(await destination.reuseBlob(layerBlob(image, 0)))
  await store.deleteImage(first.result().image.id)
  await putLayer(destination, image, 1)
  await destination.putManifest(image.manifest, { isInstance: false })
  await assert.rejects(destination.commit(), { code: 'BLOBS_GONE' })
  assert.equal(await destination.reuseBlob(layerBlob(image, 0)), undefined)
  await putLayer(destination, image, 0)
  assert.ok(await destination.reuseBlob(layerBlob(image, 1)), 'it was unpacked already')
  await destination.commit()
  await destination.close()
  assert.ok(await store.findImage('localhost/d:1'))
})

test('what is reused after another layer found its parent deleted does not hide that', async () => {
  const first = makeImage([30, 31])
  const donor = storageImageDestination(store, named('localhost/donor:2'))
  await putConfig(donor, first)
  for (const index of [0, 1]) await putLayer(donor, first, index)
  await donor.putManifest(first.manifest, { isInstance: false })
  await donor.commit()
  const image = makeImage([30, 32, 33])
  const destination = storageImageDestination(store, named('localhost/heir:2'))
  await putConfig(destination, image)
  assert.ok(await destination.reuseBlob(layerBlob(image, 0)))
  await store.deleteImage(donor.result().image.id)
  await putLayer(destination, image, 1)
  assert.equal(await destination.reuseBlob(layerBlob(image, 2)), undefined)
  await putLayer(destination, image, 2)
  await destination.putManifest(image.manifest, { isInstance: false })
  await assert.rejects(destination.commit(), { code: 'BLOBS_GONE' })
  for (const index of [0, 1, 2]) if ((await destination.reuseBlob(layerBlob(image, index))) === undefined) await putLayer(destination, image, index)
  await destination.commit()
  await destination.close()
  assert.equal((await store.checkLayers()).length, 0)
})

test('signatures are kept with their sizes, and replaced', async () => {
  const image = makeImage([9])
  const put = async (signatures: readonly string[]): Promise<string[]> => {
    const destination = storageImageDestination(store, named('localhost/e:1'))
    await putConfig(destination, image)
    if ((await destination.reuseBlob(layerBlob(image, 0))) === undefined) await putLayer(destination, image, 0)
    await destination.putManifest(image.manifest, { isInstance: false })
    await destination.putSignatures!(signatures.map((text) => ({ kind: 'simple', bytes: Buffer.from(`\x90${text}`, 'latin1') })), image.manifest.digest)
    await destination.commit()
    await destination.close()
    const read = await storageImageSource(store, await store.getImage('localhost/e:1')).getSignatures!(image.manifest.digest)
    return read.map((signature) => (signature.kind === 'simple' ? Buffer.from(signature.bytes).toString('latin1').slice(1) : ''))
  }
  assert.deepEqual(await put(['one', 'second']), ['one', 'second'])
  assert.deepEqual(await put(['third']), ['third'])
  assert.deepEqual(await put([]), [])
})

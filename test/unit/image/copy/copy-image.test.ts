import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { copyImage } from '../../../../src/image/copy/copy-image.ts'
import type { CopyOptions } from '../../../../src/image/copy/types.ts'
import type { RawManifest, Signature } from '../../../../src/image/types.ts'
import { digestOf } from '../../../../src/oci/digest.ts'
import { dockerConfig, dockerList, dockerManifest, dockerSchema1Signed, ociConfig, ociIndex, ociManifest } from '../../../../src/oci/media-types.ts'
import { manifestDigest, writeSchema1 } from '../../../../src/oci/schema1.ts'
import { TpodError } from '../../../../src/errors/tpod-error.ts'
import { MemoryDestination, MemorySource } from './memory-ends.ts'

const context = { platform: { os: 'linux', architecture: 'amd64' } }
const noise = (seed: string, length = 100_000): Buffer => Buffer.concat(Array.from({ length: length / 32 }, (_, index) => createHash('sha256').update(`${seed} ${index}`).digest()))
const layerTypes = { none: 'application/vnd.oci.image.layer.v1.tar', gzip: 'application/vnd.oci.image.layer.v1.tar+gzip', zstd: 'application/vnd.oci.image.layer.v1.tar+zstd' }
const reference = (tag?: string, digest?: string): NonNullable<MemoryDestination['identity']['dockerReference']> => ({ domain: 'example.org', path: 'a/b', name: 'example.org/a/b', ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) })

type Compression = keyof typeof layerTypes

/** An OCI image, or docker's, with a layer for each seed. */
function addImage(source: MemorySource, seeds: readonly string[], { compression = 'gzip', architecture = 'amd64', isDocker = false, wrongDiffId = false }: { compression?: Compression; architecture?: string; isDocker?: boolean; wrongDiffId?: boolean } = {}): RawManifest {
  const tars = seeds.map((seed) => noise(seed))
  const pack = { none: (data: Buffer) => data, gzip: (data: Buffer) => gzipSync(data), zstd: (data: Buffer) => zstdCompressSync(data) }[compression]
  const config = source.addBlob(JSON.stringify({
    architecture, os: 'linux', container: 'docker only', config: { Labels: { seeds: seeds.join() } },
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => (wrongDiffId ? digestOf('another') : digestOf(tar))) },
    history: [...seeds.map((seed) => ({ created: '2024-01-01T00:00:00Z', created_by: seed })), { created: '2024-01-01T00:00:00Z', created_by: 'CMD', empty_layer: true }],
  }))
  const mediaType = isDocker ? dockerManifest : ociManifest
  const layerType = isDocker ? 'application/vnd.docker.image.rootfs.diff.tar' + (compression === 'gzip' ? '.gzip' : '') : layerTypes[compression]
  return source.addManifest({ schemaVersion: 2, mediaType, config: { mediaType: isDocker ? dockerConfig : ociConfig, ...config }, layers: tars.map((tar) => ({ mediaType: layerType, ...source.addBlob(pack(tar)) })) }, mediaType)
}

async function copyOne(destination: MemoryDestination, options: CopyOptions = {}, image: Parameters<typeof addImage>[2] = {}): Promise<{ source: MemorySource; raw: RawManifest; manifest: RawManifest }> {
  const source = new MemorySource()
  const raw = addImage(source, ['a', 'b'], image)
  const { manifest } = await copyImage(context, source, destination, options)
  return { source, raw, manifest }
}

describe('copyImage', () => {
  test('what the destination takes arrives unchanged, the manifest after its blobs', async () => {
    const destination = new MemoryDestination()
    const { source, raw, manifest } = await copyOne(destination)
    assert.equal(manifest.digest, raw.digest)
    assert.deepEqual([...destination.blobs.keys()].toSorted(), [...source.blobs.keys()].toSorted())
    assert.deepEqual(destination.calls.slice(-2), ['manifest', 'commit'])
    assert.equal(destination.calls.at(-3), 'config')
  })

  test('one at a time where the destination wants it so, config first where it does', async () => {
    const destination = new MemoryDestination({ parallelBlobs: 1, configFirst: true })
    const source = new MemorySource()
    addImage(source, ['a', 'b', 'c', 'd'])
    await copyImage(context, source, destination)
    assert.deepEqual(destination.calls, ['config', 'layer 0', 'layer 1', 'layer 2', 'layer 3', 'manifest', 'commit'])
    assert.equal(destination.mostRunning, 1)
  })

  test('equal layers travel once', async () => {
    const destination = new MemoryDestination()
    const source = new MemorySource()
    addImage(source, ['a', 'b', 'a', 'a'])
    await copyImage(context, source, destination)
    assert.equal(source.reads, 3)
    assert.equal(destination.document().layers.length, 4)
  })

  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    test(`layers with ${compression} become what the destination wants`, async () => {
      for (const wanted of ['compressed', 'uncompressed'] as const) {
        const destination = new MemoryDestination({ layers: wanted })
        await copyOne(destination, {}, { compression })
        const [{ mediaType, digest, size }] = destination.document().layers as [{ mediaType: string; digest: string; size: number }]
        const expected = wanted === 'uncompressed' ? 'none' : compression === 'none' ? 'gzip' : compression
        assert.equal(mediaType, layerTypes[expected])
        const stored = destination.blobs.get(digest)!
        assert.equal(stored.length, size)
        const plain = expected === 'none' ? Buffer.from(stored) : expected === 'gzip' ? gunzipSync(stored) : zstdDecompressSync(stored)
        assert.ok(plain.equals(noise('a')))
      }
    })
  }

  test('zstd that was asked for makes a docker image an OCI image', async () => {
    const destination = new MemoryDestination({ layers: 'compressed', manifestTypes: [dockerManifest, ociManifest] })
    await copyOne(destination, { compression: { format: 'zstd', force: true } }, { isDocker: true })
    assert.equal(destination.document().mediaType, ociManifest)
    assert.deepEqual(destination.document().layers.map(({ mediaType }) => mediaType), [layerTypes.zstd, layerTypes.zstd])
    await assert.rejects(copyOne(new MemoryDestination({ layers: 'compressed' }), { format: 'v2s2', compression: { format: 'zstd', force: true } }), /zstd compression is not supported for docker images/)
  })

  test('a blob that is another one is refused, and nothing is committed', async () => {
    const source = new MemorySource()
    addImage(source, ['a', 'b'])
    const [, layer] = [...source.blobs.keys()]
    for (const bytes of [Buffer.from('other'), Buffer.concat([source.blobs.get(layer!)!, Buffer.from('x')]), source.blobs.get(layer!)!.subarray(1)]) {
      source.blobs.set(layer!, bytes)
      const destination = new MemoryDestination()
      await assert.rejects(copyImage(context, source, destination), { code: 'DIGEST_MISMATCH' })
      assert.equal(destination.commits, 0)
      assert.equal(destination.manifests.length, 0)
    }
  })

  test('a layer whose content is not what the config says is refused when it is unpacked on the way', async () => {
    await assert.rejects(copyOne(new MemoryDestination({ layers: 'uncompressed' }), {}, { wrongDiffId: true }), { code: 'DIGEST_MISMATCH', message: /image config says/ })
    await assert.rejects(copyOne(new MemoryDestination({ layers: 'compressed' }), {}, { wrongDiffId: true, compression: 'none' }), { code: 'DIGEST_MISMATCH' })
  })

  test('a layer that fails stops the others', async () => {
    const source = new MemorySource()
    addImage(source, ['a', 'b', 'c', 'd', 'e', 'f'])
    const destination = new MemoryDestination({ parallelBlobs: 2 })
    destination.onPutBlob = ({ layerIndex }) => {
      if (layerIndex === 1) throw new TpodError('DISK_FULL', 'no space')
    }
    await assert.rejects(copyImage(context, source, destination), { code: 'DISK_FULL' })
    assert.equal(destination.running, 0)
    assert.ok(!destination.calls.includes('layer 5'))
  })

  test('an abort ends it with its reason', async () => {
    const destination = new MemoryDestination()
    const stop = new AbortController()
    destination.onPutBlob = () => stop.abort(new Error('enough'))
    await assert.rejects(copyOne(destination, { signal: stop.signal }), /enough/)
    assert.equal(destination.commits, 0)
  })

  test('blobs that are gone at the commit are asked for again, not for ever', async () => {
    const destination = new MemoryDestination()
    destination.onCommit = () => {
      if (destination.commits > 1) return
      destination.blobs.clear()
      throw new TpodError('BLOBS_GONE', 'gone')
    }
    const { source } = await copyOne(destination)
    assert.equal(destination.blobs.size, source.blobs.size)
    const never = new MemoryDestination()
    never.onCommit = () => {
      throw new TpodError('BLOBS_GONE', 'gone')
    }
    await assert.rejects(copyOne(never), { code: 'BLOBS_GONE' })
    assert.equal(never.commits, 4)
  })

  test('foreign layers stay where they are if the destination keeps them', async () => {
    for (const keepsForeignLayers of [true, false]) {
      const source = new MemorySource()
      const config = source.addBlob('{"rootfs":{"type":"layers","diff_ids":[]}}')
      const layer = { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', ...source.addBlob(gzipSync('x')), urls: ['https://example.org/layer'] }
      const raw = source.addManifest({ schemaVersion: 2, config: { mediaType: ociConfig, ...config }, layers: [layer] }, ociManifest)
      const destination = new MemoryDestination({ keepsForeignLayers })
      const { manifest } = await copyImage(context, source, destination)
      assert.equal(manifest.digest, raw.digest)
      assert.equal(destination.blobs.has(layer.digest), !keepsForeignLayers)
    }
  })

  test('artifacts are copied as they are, and not converted', async () => {
    const source = new MemorySource()
    const config = { mediaType: 'application/vnd.cncf.helm.config.v1+json', ...source.addBlob('name: x') }
    const raw = source.addManifest({ schemaVersion: 2, config, layers: [{ mediaType: 'application/x-chart', ...source.addBlob('chart') }], annotations: { a: 'b' } }, ociManifest)
    for (const layers of ['compressed', 'uncompressed'] as const) {
      const destination = new MemoryDestination({ layers })
      assert.equal((await copyImage(context, source, destination)).manifest.digest, raw.digest)
      assert.equal(destination.blobs.size, 2)
    }
    await assert.rejects(copyImage(context, source, new MemoryDestination(), { format: 'v2s2' }), { code: 'UNSUPPORTED_MANIFEST' })
  })
})

describe('layers as a store has them', () => {
  async function copyStored(destination: MemoryDestination, type = 'application/vnd.oci.image.layer.v1.tar+zstd', more: object = {}): Promise<void> {
    const source = new MemorySource()
    const tar = noise('a')
    const config = source.addBlob(JSON.stringify({ rootfs: { type: 'layers', diff_ids: [digestOf(tar)] } }))
    const listed = { mediaType: type, digest: digestOf('the blob that was pulled'), size: 5, annotations: { 'io.github.containers.zstd-chunked.manifest-position': '1' }, ...more }
    source.addManifest({ schemaVersion: 2, config: { mediaType: ociConfig, ...config }, layers: [listed] }, ociManifest)
    const stored = { mediaType: layerTypes.none, ...source.addBlob(tar) }
    await copyImage(context, Object.assign(source, { layersAsStored: async () => [stored] }), destination)
  }

  test('are compressed anew, and what was said of the old blob goes', async () => {
    const destination = new MemoryDestination({ layers: 'compressed', keepsForeignLayers: true })
    await copyStored(destination, undefined, { urls: ['https://example.org'] })
    const [layer] = destination.document().layers
    assert.equal(layer!.mediaType, layerTypes.gzip)
    assert.deepEqual(Object.keys(layer!), ['mediaType', 'digest', 'size'])
    assert.ok(gunzipSync(destination.blobs.get(layer!.digest)!).equals(noise('a')))
  })

  test('are called uncompressed where they stay so', async () => {
    const destination = new MemoryDestination()
    await copyStored(destination)
    assert.deepEqual(destination.document().layers, [{ mediaType: layerTypes.none, digest: digestOf(noise('a')), size: noise('a').length }])
  })

  test('cannot be copied under the old digest', async () => {
    const source = Object.assign(new MemorySource(), { layersAsStored: async () => [{ mediaType: layerTypes.none, digest: digestOf(noise('a')), size: 1 }] })
    addImage(source, ['a'])
    await assert.rejects(copyImage(context, source, new MemoryDestination(), { preserveDigests: true }), { code: 'MANIFEST_UNCHANGEABLE', message: /would require changing layer representation/ })
  })

  test('another form that the destination has is named in the image\'s own format', async () => {
    const destination = new MemoryDestination({ layers: 'compressed' })
    const other = gzipSync(noise('a'), { level: 1 })
    destination.reuseBlob = async ({ kind }) => (kind === 'layer' ? { digest: digestOf(other), sizeBytes: other.length, mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' } : undefined)
    await copyStored(destination)
    assert.deepEqual(destination.document().layers, [{ mediaType: layerTypes.gzip, digest: digestOf(other), size: other.length }])
  })
})

describe('formats', () => {
  test('a refused manifest is tried in the next format', async () => {
    const destination = new MemoryDestination({ manifestTypes: [ociManifest, dockerManifest, dockerSchema1Signed] })
    destination.onPutManifest = ({ mediaType }) => {
      if (mediaType === ociManifest) throw new TpodError('MANIFEST_REJECTED', 'no OCI here')
    }
    const { manifest } = await copyOne(destination)
    assert.equal(manifest.mediaType, dockerManifest)
    destination.onPutManifest = () => {
      throw new TpodError('MANIFEST_REJECTED', 'nothing at all')
    }
    await assert.rejects(copyOne(destination), { code: 'MANIFEST_REJECTED', message: /attempted the following formats: .*oci.*v2\+json.*prettyjws/ })
  })

  test('docker to OCI drops what OCI does not know, OCI to docker keeps the config', async () => {
    const oci = new MemoryDestination({ manifestTypes: [ociManifest] })
    await copyOne(oci, {}, { isDocker: true })
    const config = JSON.parse(Buffer.from(oci.blobs.get(oci.document().config.digest)!).toString()) as Record<string, unknown>
    assert.equal(config.container, undefined)
    assert.deepEqual(oci.document().layers.map(({ mediaType }) => mediaType), [layerTypes.gzip, layerTypes.gzip])
    const docker = new MemoryDestination({ manifestTypes: [dockerManifest] })
    const { raw } = await copyOne(docker)
    assert.equal(docker.document().config.digest, (JSON.parse(Buffer.from(raw.bytes).toString()) as ReturnType<MemoryDestination['document']>).config.digest)
  })

  for (const configFirst of [false, true]) {
    test(`schema 1 gets a config with the digests of its layers${configFirst ? ', also where that comes first' : ''}`, async () => {
      const source = new MemorySource()
      const id = (letter: string): string => letter.repeat(64)
      const layers = [
        { digest: source.addBlob(gzipSync(noise('a'))).digest, v1: JSON.stringify({ id: id('a'), container_config: { Cmd: ['ADD', 'x'] } }) },
        { digest: source.addBlob(gzipSync(Buffer.alloc(1024))).digest, v1: JSON.stringify({ id: id('b'), parent: id('a'), throwaway: true, os: 'linux', architecture: 'amd64', Size: 3 }) },
      ]
      source.addManifest(await writeSchema1({ name: 'x', tag: 'y', architecture: 'amd64', layers }), '')
      const destination = new MemoryDestination({ manifestTypes: [ociManifest, dockerManifest], configFirst })
      const { manifest } = await copyImage(context, source, destination)
      assert.equal(manifest.mediaType, dockerManifest)
      const { config, layers: written } = destination.document()
      assert.deepEqual(written.map(({ digest }) => digest), [layers[0]!.digest])
      const { rootfs, history, id: leftOver } = JSON.parse(Buffer.from(destination.blobs.get(config.digest)!).toString()) as { rootfs: { diff_ids: string[] }; history: object[]; id?: string }
      assert.deepEqual(rootfs.diff_ids, [digestOf(noise('a'))])
      assert.deepEqual(history, [{ created: '0001-01-01T00:00:00Z', created_by: 'ADD x' }, { created: '0001-01-01T00:00:00Z', empty_layer: true }])
      assert.equal(leftOver, undefined)
    })
  }

  test('schema 1 takes the name of its destination', async () => {
    const destination = new MemoryDestination({ manifestTypes: [dockerSchema1Signed], embedsReference: true }, reference('v1'))
    const { manifest } = await copyOne(destination)
    const written = JSON.parse(Buffer.from(manifest.bytes).toString()) as { name: string; tag: string; fsLayers: object[] }
    assert.deepEqual([written.name, written.tag, written.fsLayers.length], ['a/b', 'v1', 3])
    assert.equal(manifest.digest, manifestDigest(manifest.bytes))
  })

  test('preserved digests go before everything else that is wanted', async () => {
    for (const options of [{}, { format: 'v2s2' as const }, { compression: { format: 'zstd' as const, force: true } }]) {
      const { manifest, raw } = await copyOne(new MemoryDestination({ layers: 'compressed' }), { preserveDigests: true, ...options })
      assert.equal(manifest.digest, raw.digest)
    }
  })

  test('a destination with a digest takes that image alone', async () => {
    const source = new MemorySource()
    const raw = addImage(source, ['a'])
    await copyImage(context, source, new MemoryDestination({}, reference(undefined, raw.digest)))
    await assert.rejects(copyImage(context, source, new MemoryDestination({}, reference(undefined, digestOf('x')))), /would not match destination reference/)
  })
})

describe('signatures', () => {
  const signature: Signature = { kind: 'simple', bytes: Buffer.from('signed') }

  test('they are copied, and keep the manifest as it is', async () => {
    const source = new MemorySource()
    const raw = addImage(source, ['a'])
    source.signatures = [signature]
    const destination = new MemoryDestination({ layers: 'uncompressed', manifestTypes: [ociManifest] })
    await copyImage(context, source, destination)
    assert.deepEqual(destination.signatures.get(raw.digest), [signature])
    const deaf = new MemoryDestination({ noSignatures: 'it cannot hold any' })
    await assert.rejects(copyImage(context, source, deaf), { code: 'SIGNATURES_UNSUPPORTED', message: 'Can not copy signatures to memory:destination: it cannot hold any', remedy: /--remove-signatures/ })
    await copyImage(context, source, deaf, { removeSignatures: true })
    assert.equal(deaf.commits, 1)
  })

  test('new ones are made of what was written', async () => {
    const source = new MemorySource()
    addImage(source, ['a'], { isDocker: true })
    const destination = new MemoryDestination({ manifestTypes: [ociManifest] }, reference('v1'))
    const signers = [{ sign: async (manifest: RawManifest, { tag }: { tag?: string }): Promise<Signature> => ({ kind: 'simple', bytes: Buffer.from(`${manifest.digest} ${tag}`) }) }]
    const { manifest } = await copyImage(context, source, destination, { signers })
    assert.equal(manifest.mediaType, ociManifest)
    assert.deepEqual(destination.signatures.get(manifest.digest), [{ kind: 'simple', bytes: Buffer.from(`${manifest.digest} v1`) }])
    await assert.rejects(copyImage(context, source, new MemoryDestination(), { signers }), /Cannot determine canonical Docker reference/)
  })
})

describe('indexes', () => {
  function addIndex(source: MemorySource, isDocker = false): { instances: RawManifest[]; raw: RawManifest } {
    const architectures = ['amd64', 'arm64', 's390x']
    const instances = architectures.map((architecture) => addImage(source, [architecture, 'shared'], { architecture, isDocker }))
    const mediaType = isDocker ? dockerList : ociIndex
    const raw = source.addManifest({
      schemaVersion: 2, mediaType,
      manifests: instances.map(({ digest, bytes, mediaType: type }, place) => ({ mediaType: type, digest, size: bytes.length, platform: { architecture: architectures[place], os: 'linux' } })),
    }, mediaType)
    return { instances, raw }
  }

  test('the platform\'s image alone, and the store hears of the index', async () => {
    const source = new MemorySource()
    const { instances, raw } = addIndex(source)
    const destination = new MemoryDestination()
    const { manifest } = await copyImage(context, source, destination, { platform: { os: 'linux', architecture: 's390x' } })
    assert.equal(manifest.digest, instances[2]!.digest)
    assert.equal(destination.topLevel?.digest, raw.digest)
    await assert.rejects(copyImage(context, source, destination, { platform: { os: 'linux', architecture: 'riscv64' } }), { code: 'NO_MATCHING_PLATFORM', remedy: 'there are linux/amd64, linux/arm64, linux/s390x' })
  })

  test('all, some, none', async () => {
    const source = new MemorySource()
    const { instances, raw } = addIndex(source)
    for (const [wanted, count] of [['all', 3], ['index-only', 0], [{ digests: [instances[1]!.digest] }, 1]] as const) {
      const destination = new MemoryDestination({ indexTypes: [ociIndex] })
      const { manifest } = await copyImage(context, source, destination, { instances: wanted })
      assert.equal(manifest.digest, raw.digest)
      assert.equal(destination.calls.filter((call) => call === 'instance').length, count)
      assert.equal(destination.topLevel, undefined)
    }
    await assert.rejects(copyImage(context, source, new MemoryDestination({ indexTypes: [ociIndex] }), { instances: { digests: [digestOf('x')] } }), { code: 'MANIFEST_UNKNOWN' })
    await assert.rejects(copyImage(context, source, new MemoryDestination(), { instances: 'all' }), /does not support copying multiple images as a group/)
  })

  test('entries follow what the images become', async () => {
    const source = new MemorySource()
    addIndex(source, true)
    const destination = new MemoryDestination({ manifestTypes: [ociManifest], indexTypes: [ociIndex] })
    const { manifest } = await copyImage(context, source, destination, { instances: 'all' })
    assert.equal(manifest.mediaType, ociIndex)
    assert.deepEqual(destination.document().manifests.map(({ digest }) => digest), destination.manifests.slice(0, 3).map(({ digest }) => digest))
    assert.ok(destination.document().manifests.every(({ mediaType }) => mediaType === ociManifest))
    await assert.rejects(copyImage(context, source, new MemoryDestination({ manifestTypes: [ociManifest], indexTypes: [ociIndex] }), { instances: 'all', preserveDigests: true }), { code: 'MANIFEST_UNCHANGEABLE' })
  })

  test('an index within an index is refused', async () => {
    const source = new MemorySource()
    const { raw } = addIndex(source)
    source.addManifest({ schemaVersion: 2, manifests: [{ mediaType: ociIndex, digest: raw.digest, size: raw.bytes.length }] }, ociIndex)
    await assert.rejects(copyImage(context, source, new MemoryDestination({ indexTypes: [ociIndex] }), { instances: 'all' }), { code: 'BAD_MANIFEST' })
  })
})

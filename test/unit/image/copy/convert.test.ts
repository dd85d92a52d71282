import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { buildConfig, buildManifest } from '../../../../src/image/copy/build-manifest.ts'
import { chooseFormats, chooseIndexTypes } from '../../../../src/image/copy/choose-format.ts'
import { dockerConfigToOci } from '../../../../src/image/copy/convert-config.ts'
import { parseSourceImage } from '../../../../src/image/copy/source-image.ts'
import type { ManifestFormat } from '../../../../src/image/copy/types.ts'
import type { RawManifest } from '../../../../src/image/types.ts'
import { digestOf } from '../../../../src/oci/digest.ts'
import { dockerList, dockerManifest, dockerSchema1, dockerSchema1Signed, layerMediaTypeIn, ociConfig, ociIndex, ociManifest, withLayerCompression } from '../../../../src/oci/media-types.ts'

const layerTypes = ['', 'nondistributable.'].flatMap((kind) => ['', '+gzip'].map((compression) => `application/vnd.oci.image.layer.${kind}v1.tar${compression}`))
const digests = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => digestOf(bytes))
const layers = fc.array(fc.record({ mediaType: fc.constantFrom(...layerTypes), digest: digests, size: fc.nat() }), { maxLength: 6 })
const texts = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 })
const configs = fc.record({
  architecture: fc.constantFrom('amd64', 'arm'), os: fc.constant('linux'), author: fc.string(), created: fc.date({ noInvalidDate: true, min: new Date('1970-01-01'), max: new Date('2999-01-01') }).map((date) => date.toISOString()),
  config: fc.record({ Env: fc.array(fc.string()), Labels: texts, User: fc.string(), Cmd: fc.option(fc.array(fc.string())), Volumes: fc.dictionary(fc.string(), fc.constant({})) }, { requiredKeys: [] }),
  rootfs: fc.record({ type: fc.constant('layers'), diff_ids: fc.array(digests) }),
  history: fc.array(fc.record({ created_by: fc.string(), empty_layer: fc.boolean(), comment: fc.string() }, { requiredKeys: [] })),
}, { requiredKeys: ['architecture', 'os', 'rootfs'] })

function raw(document: object, mediaType: string): RawManifest {
  const bytes = Buffer.from(JSON.stringify(document))
  return { bytes, digest: digestOf(bytes), mediaType }
}

async function convert(manifest: RawManifest, format: ManifestFormat, configBytes: Uint8Array): Promise<{ manifest: RawManifest; config: Uint8Array }> {
  const image = parseSourceImage(manifest, 'x')
  const config = buildConfig(image, format, configBytes, undefined, 'x')
  const unchanged = image.layers.map((layer) => ({ ...layer, sizeBytes: layer.sizeBytes! }))
  return { manifest: await buildManifest({ image, format, layers: unchanged, layersChanged: false, config, configBytes, embeddedReference: undefined, what: 'x' }), config: config!.bytes }
}

describe('conversions', () => {
  test('to docker and back an OCI image keeps layers and config', async () => {
    await fc.assert(fc.asyncProperty(layers, configs, async (list, config) => {
      const configBytes = dockerConfigToOci(Buffer.from(JSON.stringify(config)), 'x')
      const source = raw({ schemaVersion: 2, mediaType: ociManifest, config: { mediaType: ociConfig, digest: digestOf(configBytes), size: configBytes.length }, layers: list }, ociManifest)
      const docker = await convert(source, 'v2s2', configBytes)
      assert.equal(docker.manifest.mediaType, dockerManifest)
      assert.ok(Buffer.from(docker.config).equals(configBytes))
      const back = await convert(docker.manifest, 'oci', docker.config)
      assert.equal(back.manifest.digest, source.digest)
    }), { numRuns: 200 })
  })

  test('the OCI form of a config is a fixed point, and says the same', () => {
    fc.assert(fc.property(configs, (config) => {
      const once = dockerConfigToOci(Buffer.from(JSON.stringify(config)), 'x')
      assert.ok(Buffer.from(dockerConfigToOci(once, 'x')).equals(once))
      const parsed = JSON.parse(Buffer.from(once).toString()) as { config: { Env?: string[] }; rootfs: object }
      assert.deepEqual(parsed.rootfs, { ...config.rootfs })
      assert.deepEqual(parsed.config.Env ?? [], (config.config?.Env ?? []).map((text) => text.toWellFormed()))
    }), { numRuns: 300 })
  })

  test('malformed configs are refused', () => {
    for (const text of ['', '[]', '{"created":"yesterday"}', '{"config":{"Env":"x"}}', '{"config":{"Labels":{"a":1}}}', '{"architecture":5}', '{"rootfs":{"diff_ids":{}}}']) {
      assert.throws(() => dockerConfigToOci(Buffer.from(text), 'x'), { code: 'BAD_CONFIG' }, text)
    }
  })

  test('members are found in any case, as Go finds them', () => {
    const config = Buffer.from('{"Architecture":"arm","OS":"linux","CONFIG":{"env":["a"]},"rootFS":{"Type":"layers","diff_IDs":[]}}')
    assert.equal(Buffer.from(dockerConfigToOci(config, 'x')).toString(), '{"architecture":"arm","os":"linux","config":{"Env":["a"]},"rootfs":{"type":"layers","diff_ids":[]}}')
  })

  test('layer types have counterparts, except zstd in docker\'s format', () => {
    for (const type of layerTypes) assert.equal(layerMediaTypeIn('oci', layerMediaTypeIn('v2s2', type)!), type)
    assert.equal(layerMediaTypeIn('v2s2', 'application/vnd.oci.image.layer.v1.tar+zstd'), undefined)
    assert.equal(withLayerCompression('application/vnd.docker.image.rootfs.diff.tar', 'zstd'), undefined)
    assert.equal(layerMediaTypeIn('v2s2', 'application/x-other'), undefined)
  })
})

describe('the choice of formats', () => {
  const registry = [ociManifest, dockerManifest, dockerSchema1Signed, dockerSchema1]
  const cases: readonly [name: string, choice: Partial<Parameters<typeof chooseFormats>[0]>, expected: string][] = [
    ['the source\'s own first', { source: 'oci', accepted: registry }, 'oci v2s2 v2s1'],
    ['docker\'s before others', { source: 'v2s1', accepted: [ociManifest, dockerManifest] }, 'v2s2 oci'],
    ['the only one', { source: 'v2s2', accepted: [ociManifest] }, 'oci'],
    ['anything goes', { source: 'v2s1', accepted: [] }, 'v2s1'],
    ['forced', { source: 'oci', accepted: registry, forced: 'v2s2' }, 'v2s2'],
    ['unchangeable', { source: 'v2s2', accepted: [ociManifest], forced: 'oci', unchangeable: 'signed' }, 'v2s2'],
    ['zstd', { source: 'v2s2', accepted: registry, needsZstd: true }, 'oci'],
    ['zstd where anything goes', { source: 'v2s2', accepted: [], needsZstd: true }, 'oci'],
  ]
  for (const [name, choice, expected] of cases) {
    test(name, () => assert.equal(chooseFormats({ source: 'oci', accepted: [], needsZstd: false, ...choice }).join(' '), expected))
  }

  test('indexes keep their type where they may', () => {
    assert.deepEqual(chooseIndexTypes(dockerList, [ociIndex, dockerList], undefined), [dockerList, ociIndex])
    assert.deepEqual(chooseIndexTypes(dockerList, [ociIndex], undefined), [ociIndex])
    assert.deepEqual(chooseIndexTypes(ociIndex, [ociIndex, dockerList], 'v2s2'), [dockerList])
  })
})

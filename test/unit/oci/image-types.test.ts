import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseImageConfig, parseManifest } from '../../../src/oci/image-types.ts'
import { dockerManifest, ociIndex, ociManifest } from '../../../src/oci/media-types.ts'

const digest = 'sha256:' + '0'.repeat(64)
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 2 }
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 3 }
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

test('an OCI manifest, with or without a media type of its own', () => {
  for (const mediaType of [undefined, ociManifest]) {
    const parsed = parseManifest(bytes({ schemaVersion: 2, mediaType, config, layers: [layer] }), ociManifest, 'x')
    assert.equal(parsed.kind, 'manifest')
    assert.equal(parsed.mediaType, ociManifest)
  }
})

test("what the source doesn't say is found in the document", () => {
  assert.equal(parseManifest(bytes({ schemaVersion: 2, config, layers: [] }), 'application/json', 'x').mediaType, ociManifest)
  assert.equal(parseManifest(bytes({ schemaVersion: 2, config: { ...config, mediaType: 'application/vnd.docker.container.image.v1+json' }, layers: [] }), '', 'x').mediaType, dockerManifest)
  assert.equal(parseManifest(bytes({ schemaVersion: 2, manifests: [] }), 'text/plain; charset=utf-8', 'x').kind, 'index')
})

const hostile: [string, unknown, string, string][] = [
  ['manifest and index at once (CVE-2021-41190)', { schemaVersion: 2, config, layers: [layer], manifests: [] }, ociManifest, 'BAD_MANIFEST'],
  ['index with a config', { schemaVersion: 2, config, manifests: [] }, ociIndex, 'BAD_MANIFEST'],
  ['a media type that contradicts the source', { schemaVersion: 2, mediaType: ociIndex, manifests: [] }, ociManifest, 'BAD_MANIFEST'],
  ['schema 1', { schemaVersion: 1, fsLayers: [] }, '', 'UNSUPPORTED_MANIFEST'],
  ['a digest that is a path', { schemaVersion: 2, config, layers: [{ ...layer, digest: 'sha256:../../../../etc/passwd' }] }, ociManifest, 'BAD_DIGEST'],
  ['a digest of another algorithm', { schemaVersion: 2, config: { ...config, digest: 'md5:00' }, layers: [] }, ociManifest, 'BAD_DIGEST'],
  ['a negative size', { schemaVersion: 2, config: { ...config, size: -1 }, layers: [] }, ociManifest, 'BAD_MANIFEST'],
  ['a size that is no number', { schemaVersion: 2, config: { ...config, size: '2' }, layers: [] }, ociManifest, 'BAD_MANIFEST'],
  ['too many layers', { schemaVersion: 2, config, layers: Array.from({ length: 1001 }, () => layer) }, ociManifest, 'BAD_MANIFEST'],
  ['no object', [], ociManifest, 'BAD_MANIFEST'],
  ['a helm chart or other type', { schemaVersion: 2, mediaType: 'application/x', config }, '', 'BAD_MANIFEST'],
]
for (const [name, value, contentType, code] of hostile) {
  test(`refused: ${name}`, () => assert.throws(() => parseManifest(bytes(value), contentType, 'x'), { code }))
}

test('not JSON, not UTF-8', () => {
  assert.throws(() => parseManifest(Buffer.from('{'), '', 'x'), { code: 'BAD_MANIFEST' })
  assert.throws(() => parseManifest(Buffer.from([0xff, 0xfe]), '', 'x'), { code: 'BAD_MANIFEST' })
})

test('configs: diff ids are checked, null lists are Go for empty ones', () => {
  assert.deepEqual(parseImageConfig(bytes({ os: 'linux', architecture: 'amd64', rootfs: { diff_ids: null } }), 'x').rootfs.diff_ids, [])
  assert.throws(() => parseImageConfig(bytes({ rootfs: { diff_ids: ['sha256:x/..'] } }), 'x'), { code: 'BAD_DIGEST' })
  assert.throws(() => parseImageConfig(bytes({}), 'x'), { code: 'BAD_CONFIG' })
})

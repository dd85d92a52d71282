import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspectedList, type ListDocument, parseListDocument, preferredFormat, serializeList } from '../../../../src/image/manifest-list/list-document.ts'
import { dockerList, dockerManifest, ociIndex, ociManifest } from '../../../../src/oci/media-types.ts'

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const entry = { mediaType: ociManifest, digest: digest('a'), size: 7, platform: { architecture: 'amd64', os: 'linux' } }

test('an index that Go wrote keeps its bytes', () => {
  const index = `{"schemaVersion":2,"mediaType":"${ociIndex}","manifests":[{"mediaType":"${ociManifest}","digest":"${digest('a')}","size":495,"annotations":{"x":"y"},"platform":{"architecture":"amd64","os":"linux","os.version":"5","os.features":["f"],"variant":"v8"}}],"annotations":{"a":"b","c":"d"}}`
  assert.equal(Buffer.from(serializeList(parseListDocument(Buffer.from(index), 'x'))).toString(), index)
  const list = `{"schemaVersion":2,"mediaType":"${dockerList}","manifests":[{"mediaType":"${dockerManifest}","size":3,"digest":"${digest('b')}","platform":{"architecture":"arm","os":"linux","variant":"v7","features":["neon"]}}]}`
  assert.equal(Buffer.from(serializeList(parseListDocument(Buffer.from(list), 'x'))).toString(), list)
  const empty = `{"schemaVersion":2,"mediaType":"${dockerList}","manifests":null}`
  assert.equal(Buffer.from(serializeList(parseListDocument(Buffer.from(empty), 'x'))).toString(), empty)
})

test('the format is the one that loses nothing', () => {
  const list: ListDocument = { entries: [] }
  assert.equal(preferredFormat(list), 'docker')
  list.entries.push(structuredClone(entry))
  assert.equal(preferredFormat(list), 'oci')
  list.entries[0]!.features = ['sse4']
  assert.equal(preferredFormat(list), 'docker')
  list.entries[0]!.annotations = { a: 'b' }
  assert.equal(preferredFormat(list), 'oci')
  assert.equal(preferredFormat({ entries: [], annotations: { a: 'b' } }), 'oci')
})

test('what only newer tools write stays: artifact types and subjects', () => {
  const index = { schemaVersion: 2, mediaType: ociIndex, artifactType: 'a/b', manifests: [{ ...entry, artifactType: 'c/d' }], subject: { mediaType: ociManifest, digest: digest('c'), size: 1 } }
  assert.deepEqual(JSON.parse(Buffer.from(serializeList(parseListDocument(bytes(index), 'x'))).toString()), index)
})

test('inspection shows docker\'s form with OCI\'s annotations', () => {
  const list = parseListDocument(bytes({ schemaVersion: 2, mediaType: ociIndex, manifests: [{ ...entry, annotations: { a: 'b' } }], annotations: { c: 'd' } }), 'x')
  assert.equal(JSON.stringify(inspectedList(list)), `{"schemaVersion":2,"mediaType":"${dockerList}","manifests":[{"mediaType":"${ociManifest}","size":7,"digest":"${digest('a')}","platform":{"architecture":"amd64","os":"linux"},"annotations":{"a":"b"}}],"annotations":{"c":"d"}}`)
})

test('other documents and hostile ones are refused', () => {
  const refused: [value: unknown, code: string][] = [
    [{ schemaVersion: 2, mediaType: ociManifest, config: {}, layers: [] }, 'NOT_A_MANIFEST_LIST'],
    // CVE-2021-41190: a manifest and an index at once.
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: [], layers: [] }, 'NOT_A_MANIFEST_LIST'],
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: {} }, 'BAD_MANIFEST'],
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: ['x'] }, 'BAD_MANIFEST'],
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: [{ ...entry, digest: 'sha256:../../../etc' }] }, 'BAD_DIGEST'],
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: [{ ...entry, size: -1 }] }, 'BAD_MANIFEST'],
    [{ schemaVersion: 2, mediaType: ociIndex, manifests: Array.from({ length: 10_001 }, () => entry) }, 'BAD_MANIFEST'],
    [[], 'BAD_MANIFEST'],
  ]
  for (const [value, code] of refused) assert.throws(() => parseListDocument(bytes(value), 'x'), { code })
  assert.throws(() => parseListDocument(Buffer.from('{'), 'x'), { code: 'BAD_MANIFEST' })
  assert.throws(() => parseListDocument(Buffer.alloc(5 * 1024 * 1024, ' '), 'x'), { code: 'BAD_MANIFEST' })
  const odd = parseListDocument(bytes({ mediaType: ociIndex, manifests: [{ ...entry, platform: { os: 7, architecture: null }, annotations: { a: 1, b: 'c' }, urls: [3] }] }), 'x')
  assert.deepEqual(odd.entries[0], { mediaType: ociManifest, digest: digest('a'), size: 7, platform: { os: '', architecture: '' }, annotations: { b: 'c' } })
})

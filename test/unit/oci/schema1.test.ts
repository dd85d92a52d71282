import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import { digestOf } from '../../../src/oci/digest.ts'
import { isSchema1, manifestDigest, parseSchema1, signedPayload, writeSchema1 } from '../../../src/oci/schema1.ts'

const id = (letter: string): string => letter.repeat(64)
const layer = (letter: string, parent = '', more: object = {}): { digest: string; v1: string } => ({ digest: `sha256:${id(letter)}`, v1: JSON.stringify({ id: id(letter), ...(parent === '' ? {} : { parent: id(parent) }), ...more }) })
const encode = (document: unknown): Buffer => Buffer.from(JSON.stringify(document))
const unsigned = (layers: readonly { digest: string; v1: string }[], more: object = {}): Buffer =>
  encode({ schemaVersion: 1, name: 'n', tag: 't', architecture: 'amd64', fsLayers: layers.map(({ digest }) => ({ blobSum: digest })), history: layers.map(({ v1 }) => ({ v1Compatibility: v1 })), ...more })

describe('schema 1', () => {
  test('what is written is signed, and its digest is that of what was signed', async () => {
    const layers = [layer('a'), layer('b', 'a', { throwaway: true })]
    const bytes = await writeSchema1({ name: 'library/x', tag: 'latest', architecture: 'amd64', layers })
    assert.ok(isSchema1(bytes))
    const payload = signedPayload(bytes)
    assert.equal(manifestDigest(bytes), digestOf(payload))
    assert.equal(manifestDigest(await writeSchema1({ name: 'library/x', tag: 'latest', architecture: 'amd64', layers })), manifestDigest(bytes))
    const { signatures: [signature] } = JSON.parse(Buffer.from(bytes).toString()) as { signatures: { header: { jwk: Record<string, string> }; protected: string; signature: string }[] }
    const key = createPublicKey({ format: 'jwk', key: signature!.header.jwk })
    const signed = Buffer.from(`${signature!.protected}.${Buffer.from(payload).toString('base64url')}`)
    assert.ok(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature!.signature, 'base64url')))
    const parsed = parseSchema1(bytes, 'x')
    assert.deepEqual(parsed.layers.map(({ digest, isEmpty }) => [digest, isEmpty]), [[`sha256:${id('a')}`, false], [`sha256:${id('b')}`, true]])
    assert.deepEqual([parsed.name, parsed.tag, parsed.architecture, parsed.isSigned], ['library/x', 'latest', 'amd64', true])
  })

  test('repeated ids count once, the lower one', () => {
    const parsed = parseSchema1(unsigned([layer('b', 'a'), layer('a'), { ...layer('a'), digest: `sha256:${id('c')}` }]), 'x')
    assert.deepEqual(parsed.layers.map(({ digest }) => digest), [`sha256:${id('c')}`, `sha256:${id('b')}`])
  })

  const wrong: readonly [name: string, bytes: Buffer, words: RegExp][] = [
    ['no layers', unsigned([]), /no FSLayers/],
    ['histories of another length', encode({ schemaVersion: 1, fsLayers: [], history: [{}] }), /length of history/],
    ['an id that is none', unsigned([{ ...layer('a'), v1: '{"id":"../../etc"}' }]), /is invalid/],
    ['a parent that is not below', unsigned([layer('b', 'c'), layer('a')]), /Invalid parent ID/],
    ['a base layer with a parent', unsigned([layer('a', 'b')]), /Invalid parent ID in the base layer/],
    ['an id in two places', unsigned([layer('a', 'b'), layer('b', 'a'), layer('a')]), /appears multiple times/],
    ['a digest that is a path', unsigned([{ ...layer('a'), digest: '../x' }]), /invalid digest/],
    ['layers of both schemas', unsigned([layer('a')], { layers: [] }), /CVE-2021-41190/],
    ['a signature without format', unsigned([layer('a')], { signatures: [{ protected: '' }] }), /without format/],
    ['a signature for more than there is', unsigned([layer('a')], { signatures: [{ protected: Buffer.from('{"formatLength":99999,"formatTail":"fQ"}').toString('base64url') }] }), /longer document/],
    ['v1Compatibility that is no JSON', unsigned([{ ...layer('a'), v1: 'x' }]), /without v1Compatibility/],
  ]
  for (const [name, bytes, words] of wrong) test(`refused: ${name}`, () => assert.throws(() => parseSchema1(bytes, 'x'), words))

  test('other manifests have the digest of their bytes, even with a member called signatures', () => {
    for (const document of [{ schemaVersion: 2, signatures: [] }, { schemaVersion: 1 }, 'x']) assert.equal(manifestDigest(encode(document)), digestOf(encode(document)))
  })
})

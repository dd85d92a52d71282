import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeSignatureBlob, encodeSignatureBlob, maxSignatureBytes } from '../../../../src/image/trust/signature-blob.ts'
import type { Signature } from '../../../../src/image/types.ts'

test('both kinds survive the way to disk and back', () => {
  const simple: Signature = { kind: 'simple', bytes: Buffer.from([0xa3, 1, 2, 3]) }
  assert.deepEqual(decodeSignatureBlob(encodeSignatureBlob(simple), 'x'), simple)
  const sigstore: Signature = { kind: 'sigstore', mediaType: 'application/x', payload: Buffer.from('{}'), annotations: { a: 'b' } }
  const blob = encodeSignatureBlob(sigstore)
  assert.equal(Buffer.from(blob).toString(), '\0sigstore-json\n{"mimeType":"application/x","payload":"e30=","annotations":{"a":"b"}}')
  assert.deepEqual(decodeSignatureBlob(blob, 'x'), sigstore)
})

test('what is neither form is refused', () => {
  const bad: [string, Uint8Array, RegExp][] = [
    ['nothing', Buffer.alloc(0), /empty/],
    ['armor', Buffer.from('-----BEGIN PGP'), /unrecognized signature format, starting with binary 0x2d/],
    ['another format', Buffer.from('\0future\n{}'), /"future"/],
    ['no newline', Buffer.from('\0sigstore-json'), /newline/],
    ['duplicate keys', Buffer.from('\0sigstore-json\n{"mimeType":"a","mimeType":"b","payload":""}'), /Duplicate/],
    ['annotations of numbers', Buffer.from('\0sigstore-json\n{"mimeType":"a","payload":"","annotations":{"a":1}}'), /annotations/],
    ['too much', Buffer.alloc(maxSignatureBytes + 1, 0xa3), /larger/],
  ]
  for (const [name, blob, words] of bad) assert.throws(() => decodeSignatureBlob(blob, name), (error: Error & { code?: string }) => error.code === 'SIGNATURE_INVALID' && words.test(error.message))
})

import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { formatPayload } from '../../../../src/image/trust/signature-payload.ts'
import { openSecretbox, sealSecretbox } from '../../../../src/image/trust/secretbox.ts'
import { decryptSigstoreKey, generateSigstoreKey } from '../../../../src/image/trust/sigstore-key.ts'
import { sigstoreSigner } from '../../../../src/image/trust/sigstore-signer.ts'
import { parseSigstorePublicKey, verifySigstoreSignature } from '../../../../src/image/trust/verify-sigstore-signature.ts'
import { digestOf } from '../../../../src/oci/digest.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'

const root = mkdtempSync(join(tmpdir(), 'sigstore-'))
after(() => rmSync(root, { recursive: true }))
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')

test('the test vector of NaCl (tests/secretbox.c)', () => {
  const key = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389')
  const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37')
  const plain = hex(`be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31
    0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705`)
  const box = hex(`f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972
    71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5`)
  assert.deepEqual(Buffer.from(sealSecretbox(plain, nonce, key)), box)
  assert.deepEqual(Buffer.from(openSecretbox(box, nonce, key) ?? []), plain)
  for (const index of [0, 15, 16, box.length - 1]) {
    const changed = Buffer.from(box)
    changed[index] = (changed[index] ?? 0) ^ 1
    assert.equal(openSecretbox(changed, nonce, key), undefined)
  }
  assert.equal(openSecretbox(box, nonce, randomBytes(32)), undefined)
  assert.equal(openSecretbox(box.subarray(0, 10), nonce, key), undefined)
})

test('a key pair signs what its public half verifies; a wrong passphrase opens nothing', async () => {
  const { privatePem, publicPem } = await generateSigstoreKey('correct horse')
  const keyPath = join(root, 'key')
  writeFileSync(keyPath, privatePem)
  const opened = await decryptSigstoreKey(Buffer.from(privatePem), 'correct horse', 'x')
  assert.equal(createPublicKey(opened).export({ type: 'spki', format: 'pem' }), publicPem)
  await assert.rejects(sigstoreSigner({ keyPath, passphrase: 'guess' }), { code: 'SIGSTORE_KEY_INVALID', message: /wrong passphrase/ })
  await assert.rejects(sigstoreSigner({ keyPath: join(root, 'none'), passphrase: '' }), { code: 'SIGSTORE_KEY_INVALID' })
  const signer = await sigstoreSigner({ keyPath, passphrase: 'correct horse' })
  const signature = await signer.sign({ bytes: Buffer.from('{}'), digest: digestOf('{}'), mediaType: '' }, parseNormalizedReference('a.b/c:1'))
  assert.ok(signature.kind === 'sigstore')
  const { dockerReference, manifestDigest } = verifySigstoreSignature([parseSigstorePublicKey(Buffer.from(publicPem))], signature.payload, signature.annotations)
  assert.deepEqual([dockerReference, manifestDigest], ['a.b/c:1', digestOf('{}')])
})

const file = (change: object): Buffer => {
  const json = { kdf: { name: 'scrypt', params: { N: 32768, r: 8, p: 1 }, salt: 'AAAA' }, cipher: { name: 'nacl/secretbox', nonce: Buffer.alloc(24).toString('base64') }, ciphertext: 'AAAA', ...change }
  return Buffer.from(`-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${Buffer.from(JSON.stringify(json)).toString('base64')}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n`)
}

test('hostile key files are refused before they cost anything', async () => {
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from('-----BEGIN PRIVATE KEY-----'), /not an encrypted sigstore private key/],
    [file({ kdf: { name: 'scrypt', params: { N: 2 ** 30, r: 8, p: 1 }, salt: '' } }), /ask for too much/],
    [file({ kdf: { name: 'scrypt', params: { N: 32768, r: 8, p: 1000 }, salt: '' } }), /ask for too much/],
    [file({ kdf: { name: 'scrypt', params: { N: 1000, r: 8, p: 1 }, salt: '' } }), /bad scrypt parameters/],
    [file({ kdf: { name: 'pbkdf2', params: {}, salt: '' } }), /unsupported kdf/],
    [file({ cipher: { name: 'none', nonce: '' } }), /unsupported cipher/],
    [file({ cipher: { name: 'nacl/secretbox', nonce: 'AAAA' } }), /bad nonce/],
    [file({}), /wrong passphrase/],
  ]
  for (const [pem, words] of cases) await assert.rejects(decryptSigstoreKey(pem, '', 'x'), (error: Error & { code?: string }) => error.code === 'SIGSTORE_KEY_INVALID' && words.test(error.message))
})

test('public keys that are none, or too weak, are refused', () => {
  assert.throws(() => parseSigstorePublicKey(Buffer.from('hello')), /not a PEM/)
  assert.throws(() => parseSigstorePublicKey(Buffer.from('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n')), /not a PEM/)
})

test('all kinds of keys that cosign and containers/image sign with', () => {
  const claim = formatPayload('sigstore', { manifestDigest: digestOf('{}'), dockerReference: 'a.b/c:1' })
  const kinds = { ed25519: generateKeyPairSync('ed25519'), rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }), p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }), p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }) }
  for (const [kind, { privateKey, publicKey }] of Object.entries(kinds)) {
    const key = parseSigstorePublicKey(Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })))
    const annotations = { 'dev.cosignproject.cosign/signature': sign(kind === 'ed25519' ? null : 'sha256', claim, privateKey).toString('base64') }
    assert.equal(verifySigstoreSignature([key], claim, annotations).dockerReference, 'a.b/c:1', kind)
    assert.throws(() => verifySigstoreSignature([key], Buffer.concat([claim, Buffer.from(' ')]), annotations), /verification failed/, kind)
  }
})

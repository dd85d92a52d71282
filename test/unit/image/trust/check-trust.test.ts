import assert from 'node:assert/strict'
import { createSign, generateKeyPairSync } from 'node:crypto'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parsePolicy } from '../../../../src/config/policy.ts'
import { checkTrust } from '../../../../src/image/trust/check-trust.ts'
import { gpgSigner } from '../../../../src/image/trust/gpg-signer.ts'
import { dockerPolicyScopes } from '../../../../src/image/trust/policy-scopes.ts'
import { formatPayload } from '../../../../src/image/trust/signature-payload.ts'
import type { ImageIdentity, Signature } from '../../../../src/image/types.ts'
import { digestOf } from '../../../../src/oci/digest.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'
import { GpgHome } from '../../../support/gpg-home.ts'

const gpg = new GpgHome()
after(() => gpg.dispose())
const alice = gpg.makeKey('alice')
const mallory = gpg.makeKey('mallory')
const locked = gpg.makeKey('locked', { passphrase: 'open sesame' })
const aliceFile = gpg.exportKey(alice, 'alice.asc')
const lockedFile = gpg.exportKey(locked, 'locked.asc')
const manifest = { bytes: Buffer.from('{}'), digest: digestOf('{}'), mediaType: '' }
const other = { bytes: Buffer.from('[]'), digest: digestOf('[]'), mediaType: '' }

function identityOf(name: string): ImageIdentity {
  const dockerReference = parseNormalizedReference(name)
  return { transport: 'docker', name: `//${name}`, dockerReference, policyScopes: dockerPolicyScopes(dockerReference) }
}

function check(requirements: unknown, name: string, signatures: readonly Signature[]): Promise<void> {
  const policy = parsePolicy(JSON.stringify({ default: requirements }), '/p.json')
  return checkTrust(policy, { identity: identityOf(name), getSignatures: () => Promise.resolve(signatures) }, manifest)
}

const sign = (key: string, name: string, signed = manifest, passphrase?: string, homedir = gpg.directory): Promise<Signature> =>
  gpgSigner({ fingerprint: key, homedir, ...(passphrase === undefined ? {} : { passphrase }) }).sign(signed, parseNormalizedReference(name))

const byAlice = { type: 'signedBy', keyType: 'GPGKeys', keyPath: aliceFile }
const rejected = (words: RegExp) => (error: Error & { code?: string }): boolean => {
  assert.equal(error.code, 'POLICY_REJECTED', error.message)
  assert.match(error.message, words)
  return true
}

test('a good signature by a trusted key opens the gate, beside whatever else is there', async () => {
  const good = await sign(alice, 'a.b/c:1')
  await check([byAlice], 'a.b/c:1', [good])
  await check([byAlice], 'a.b/c:1', [await sign(mallory, 'a.b/c:1'), { kind: 'simple', bytes: Buffer.from([0xa3, 0, 1]) }, good])
  await check([byAlice], `a.b/c@${manifest.digest}`, [good])
  await check([{ ...byAlice, signedIdentity: { type: 'matchRepository' } }], 'a.b/c:2', [good])
  await check([{ ...byAlice, signedIdentity: { type: 'remapIdentity', prefix: 'mirror.local:5000', signedPrefix: 'a.b' } }], 'mirror.local:5000/c:1', [good])
  await check([{ ...byAlice, signedIdentity: { type: 'exactReference', dockerReference: 'a.b/c:1' } }], 'x.y/z:9', [good])
})

test('without one it stays shut, and says why', async () => {
  await assert.rejects(check([byAlice], 'a.b/c:1', []), rejected(/^Source image rejected: A signature was required, but no signature exists \[\/p.json: default requires signedBy\]$/))
  await assert.rejects(check([byAlice], 'a.b/c:1', [await sign(mallory, 'a.b/c:1')]), rejected(/key [0-9A-F]{16} is not among the trusted ones/))
  await assert.rejects(check([byAlice], 'a.b/c:2', [await sign(alice, 'a.b/c:1')]), rejected(/Signature for identity a.b\/c:1 is not accepted/))
  await assert.rejects(check([byAlice], 'a.b/c:1', [await sign(alice, 'a.b/c:1', other)]), rejected(/Signature for digest sha256:[0-9a-f]{64} does not match/))
  await assert.rejects(check([byAlice], 'a.b/c:1', [await sign(mallory, 'a.b/c:1'), await sign(alice, 'a.b/c:2')]), rejected(/None of the signatures were accepted, reasons: .*; .*not accepted/))
  await assert.rejects(check([{ ...byAlice, signedIdentity: { type: 'matchExact' } }], `a.b/c@${manifest.digest}`, [await sign(alice, 'a.b/c:1')]), rejected(/not accepted/))
  await assert.rejects(check([{ ...byAlice, keyPath: '/nonexistent.asc' }], 'a.b/c:1', [await sign(alice, 'a.b/c:1')]), rejected(/open \/nonexistent.asc: no such file/))
  await assert.rejects(check([{ type: 'reject' }], 'a.b/c:1', []), rejected(/Running image docker:\/\/a.b\/c:1 is rejected by policy\./))
})

test('all requirements must hold', async () => {
  const both = [byAlice, { type: 'signedBy', keyType: 'GPGKeys', keyPath: lockedFile }]
  const [first, second] = [await sign(alice, 'a.b/c:1'), await sign(locked, 'a.b/c:1', manifest, 'open sesame')]
  await check(both, 'a.b/c:1', [first, second])
  await assert.rejects(check(both, 'a.b/c:1', [first]), { code: 'POLICY_REJECTED' })
  await assert.rejects(check([byAlice, { type: 'reject' }], 'a.b/c:1', [first]), { code: 'POLICY_REJECTED' })
  await check([{ type: 'signedBy', keyType: 'GPGKeys', keyPaths: [aliceFile, lockedFile] }], 'a.b/c:1', [second])
})

test('nothing is signed with a wrong passphrase or without the key', async () => {
  // The same keys with an agent of their own, which has not been told the right passphrase before.
  const fresh = new GpgHome()
  after(() => fresh.dispose())
  for (const name of ['pubring.kbx', 'private-keys-v1.d']) cpSync(join(gpg.directory, name), join(fresh.directory, name), { recursive: true })
  await assert.rejects(sign(locked, 'a.b/c:1', manifest, 'guess', fresh.directory), { code: 'SIGNING_FAILED', message: /signing failed|passphrase/i })
  await assert.rejects(sign(mallory.replace(/^./, '0'), 'a.b/c:1'), { code: 'SIGNING_FAILED' })
  assert.throws(() => gpgSigner({ fingerprint: '--output=/etc/passwd' }), { code: 'BAD_ARGUMENTS' })
})

test('what cannot be verified is refused, not skipped', async () => {
  for (const requirement of [
    { type: 'signedBy', keyType: 'X509Certificates', keyPath: aliceFile },
    { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } },
    { type: 'sigstoreSigned', fulcio: {}, rekorPublicKeyPath: '/r' },
    { type: 'sigstoreSigned', keyPath: '/k', rekorPublicKeyPath: '/r' },
  ]) await assert.rejects(check([requirement], 'a.b/c:1', [await sign(alice, 'a.b/c:1')]), { code: 'POLICY_UNSUPPORTED' })
})

test('sigstore signatures with keys', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyPath = join(gpg.directory, 'cosign.pub')
  writeFileSync(keyPath, publicKey.export({ type: 'spki', format: 'pem' }))
  const payload = formatPayload('sigstore', { manifestDigest: manifest.digest, dockerReference: 'a.b/c:1' })
  const good: Signature = { kind: 'sigstore', mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json', payload, annotations: { 'dev.cosignproject.cosign/signature': createSign('sha256').update(payload).sign(privateKey, 'base64') } }
  const policy = [{ type: 'sigstoreSigned', keyPath }]
  await check(policy, 'a.b/c:1', [good])
  await assert.rejects(check(policy, 'a.b/c:2', [good]), rejected(/identity a.b\/c:1 is not accepted/))
  await assert.rejects(check(policy, 'a.b/c:1', [{ ...good, payload: Buffer.concat([payload, Buffer.from(' ')]) }]), rejected(/cryptographic signature verification failed/))
  await assert.rejects(check(policy, 'a.b/c:1', [{ ...good, annotations: {} }]), rejected(/missing dev.cosignproject.cosign\/signature annotation/))
  await assert.rejects(check(policy, 'a.b/c:1', [{ ...good, mediaType: 'text/plain' }]), rejected(/0 non-sigstore signatures, 1 sigstore non-signature attachments/))
  await assert.rejects(check(policy, 'a.b/c:1', [await sign(alice, 'a.b/c:1')]), rejected(/1 non-sigstore signatures/))
  await assert.rejects(check([byAlice], 'a.b/c:1', [good]), rejected(/no signature exists/))
})

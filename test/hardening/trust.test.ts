/** What somebody could try who owns a registry, a signature server or the way to them, but no trusted key. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parsePolicy } from '../../src/config/policy.ts'
import { checkTrust } from '../../src/image/trust/check-trust.ts'
import { readLookaside } from '../../src/image/trust/lookaside.ts'
import { formatPayload } from '../../src/image/trust/signature-payload.ts'
import { readSigstoreAttachments } from '../../src/image/trust/sigstore-attachments.ts'
import type { AttachmentRepository } from '../../src/image/trust/sigstore-attachments.ts'
import { parseSigstorePublicKey } from '../../src/image/trust/verify-sigstore-signature.ts'
import type { Signature } from '../../src/image/types.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseNormalizedReference } from '../../src/oci/reference.ts'
import { GpgHome } from '../support/gpg-home.ts'

const gpg = new GpgHome()
const scratch = mkdtempSync(join(tmpdir(), 'trust-'))
after(() => {
  gpg.dispose()
  rmSync(scratch, { recursive: true })
})
const alice = gpg.makeKey('alice')
const mallory = gpg.makeKey('mallory')
const key = gpg.exportKey(alice, 'alice.asc')
const name = 'a.b/c:1'
const digest = digestOf('{}')
const payload = formatPayload('simple', { manifestDigest: digest, dockerReference: name })
const message = (text: Uint8Array | string = payload, ...options: string[]): Buffer => gpg.gpg(['--local-user', alice, ...options, '--sign'], text)
const simple = (bytes: Uint8Array): Signature => ({ kind: 'simple', bytes })

/** A policy that wants alice's signature, with these signatures at hand. */
async function check(signatures: readonly Signature[], keyPath = key): Promise<void> {
  const policy = parsePolicy(JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }] }), '/p.json')
  const identity = { transport: 'docker' as const, name: `//${name}`, dockerReference: parseNormalizedReference(name), policyScopes: [] }
  try {
    await checkTrust(policy, { identity, getSignatures: () => Promise.resolve(signatures) }, { digest }, { temporaryDirectory: scratch })
  } finally {
    assert.deepEqual(readdirSync(scratch), [], 'temporary directories are removed')
  }
}

const refused = async (bytes: Uint8Array, words: RegExp, keyPath?: string): Promise<void> => assert.rejects(check([simple(bytes)], keyPath), (error: Error & { code?: string }) => {
  assert.equal(error.code, 'POLICY_REJECTED', error.message)
  assert.match(error.message, words)
  return true
})

test('the control: an honest message is accepted, also beside bad ones', async () => {
  await check([simple(message())])
  await check([simple(Buffer.from([0x80])), simple(message('{}')), simple(message())])
})

test('no changed byte of a message goes unnoticed', async () => {
  const honest = message(payload, '--compress-algo', 'none')
  const start = honest.indexOf(payload.subarray(0, 20))
  assert.ok(start > 0)
  for (const offset of [start, start + 30, start + payload.length - 1, honest.length - 1, honest.length - 20, 2]) {
    const changed = Buffer.from(honest)
    changed[offset] = (changed[offset] ?? 0) ^ 0x01
    await refused(changed, /GPG signature/)
  }
  await refused(honest.subarray(0, honest.length - 5), /GPG signature/)
})

test('messages that are not one signed message', async () => {
  const other = message('{"critical":{}}')
  const signedTwice = gpg.gpg(['--local-user', alice, '--local-user', mallory, '--sign'], payload)
  const cases: [string, Buffer, RegExp][] = [
    ['two messages, one after the other: the first counts', Buffer.concat([other, message()]), /missing in a JSON object/],
    ['the same without compression', Buffer.concat([message(payload, '--compress-algo', 'none'), message(other, '--compress-algo', 'none')]), /GPG signature/],
    ['an unsigned message before a signed one', Buffer.concat([gpg.gpg(['--store'], payload), message()]), /GPG signature/],
    ['two signatures in one message', signedTwice, /Unexpected GPG signature count 2|not among the trusted/],
    ['a signed message in a signed message', message(message()), /GPG signature|not valid/],
    ['text that nobody signed', gpg.gpg(['--store'], payload), /no OpenPGP signed message|signature count 0/],
    ['armor', message(payload, '--armor'), /not a binary OpenPGP message/],
    ['a cleartext signature', gpg.gpg(['--local-user', alice, '--clear-sign'], payload), /not a binary OpenPGP message/],
    ['a detached signature', gpg.gpg(['--local-user', alice, '--detach-sign'], payload), /GPG signature/],
    ['an encrypted message', gpg.gpg(['--pinentry-mode', 'loopback', '--passphrase', 'x', '--local-user', alice, '--symmetric', '--sign'], payload), /GPG signature/],
    ["somebody else's key", gpg.gpg(['--local-user', mallory, '--sign'], payload), /not among the trusted/],
    ['statuses in the file name', gpg.gpg(['--local-user', mallory, '--set-filename', `x\n[GNUPG:] GOODSIG ${alice} alice\n[GNUPG:] VALIDSIG ${alice} 2020-01-01 1 0 4 0 22 8 00 ${alice}\n`, '--sign'], payload), /not among the trusted/],
    ['a public key instead of a message', gpg.gpg(['--export', alice]), /GPG signature/],
    ['nothing', Buffer.alloc(0), /not a binary OpenPGP message/],
  ]
  for (const [what, bytes, words] of cases) await refused(bytes, words).catch((error: unknown) => assert.fail(`${what}: ${String(error)}`))
})

test('a small message that grows to a large payload is given up early', async () => {
  const bomb = message(Buffer.alloc(64 * 1024 * 1024), '--compress-algo', 'zip')
  assert.ok(bomb.length < 1024 * 1024)
  await refused(bomb, /GPG signature|JSON|UTF-8/)
})

test('claims that two readers could read differently, although their signature is good', async () => {
  const honest = payload.toString()
  const cases: [string, RegExp][] = [
    [honest.replace('"critical":', '"critical":{},"critical":'), /Duplicate key "critical"/],
    [honest.replace('"docker-reference":', '"docker-reference":"evil/x:1","docker-reference":'), /Duplicate key "docker-reference"/],
    [honest.replace('"type":', '"more":1,"type":'), /Unknown key "more"/],
    [honest.replace('{"critical"', '{"more":1,"critical"'), /Unknown key "more"/],
    [honest.replace('atomic container signature', 'cosign container image signature'), /Unrecognized signature type/],
    [honest.replace(digest, 'sha256:../../../etc/passwd'), /docker-manifest-digest/],
    [honest.replace(digest, `sha512:${'a'.repeat(128)}`), /docker-manifest-digest/],
    [honest.replace(/"optional":\{\}/, '"optional":{"timestamp":1.5}'), /timestamp is not an integer/],
    [honest.replace(/"optional":\{\}/, '"optional":null'), /optional is not a JSON object/],
    [honest.replace(name, `docker://${name}`), /is not accepted/],
    [honest.replace(name, name.toUpperCase()), /is not accepted/],
    [honest.replace(name, 'a.b/c'), /is not accepted/],
    [honest.replace(name, `${name}@${digestOf('[]')}`), /is not accepted/],
    [`${honest} {}`, /not valid JSON/],
    [`\ufeff${honest}`, /not valid JSON/],
    ['['.repeat(50_000), /not valid JSON/],
    ['{"critical":'.repeat(20_000), /not valid JSON/],
    ['', /not valid JSON|GPG signature/],
  ]
  for (const [text, words] of cases) await refused(message(text), words)
})

test('keys that have expired or were revoked, and signatures that have expired', async () => {
  const past = ['--faked-system-time', '20200101T000000']
  gpg.gpg([...past, '--pinentry-mode', 'loopback', '--passphrase', '', '--quick-generate-key', 'old <old@test>', 'ed25519', 'sign', '1y'])
  gpg.gpg([...past, '--pinentry-mode', 'loopback', '--passphrase', '', '--quick-generate-key', 'lasting <lasting@test>', 'ed25519', 'sign', '0'])
  await refused(gpg.gpg([...past, '--local-user', 'old@test', '--sign'], payload), /its key [0-9A-F]{16} has expired/, gpg.exportKey('old@test', 'old.asc'))
  const lasting = gpg.exportKey('lasting@test', 'lasting.asc')
  await refused(gpg.gpg([...past, '--default-sig-expire', '1d', '--local-user', 'lasting@test', '--sign'], payload), /it has expired/, lasting)
  await check([simple(gpg.gpg([...past, '--local-user', 'lasting@test', '--sign'], payload))], lasting)
  const revoked = gpg.makeKey('revoked')
  const byRevoked = gpg.gpg(['--local-user', revoked, '--sign'], payload)
  await check([simple(byRevoked)], gpg.exportKey(revoked, 'revoked-before.asc'))
  const certificate = readFileSync(join(gpg.directory, 'openpgp-revocs.d', `${revoked}.rev`), 'utf8').replace(':-----BEGIN', '-----BEGIN')
  gpg.gpg(['--import'], certificate)
  await refused(byRevoked, /its key [0-9A-F]{16} has been revoked/, gpg.exportKey(revoked, 'revoked.asc'))
})

test('key files that are none trust nobody', async () => {
  for (const [file, text] of [['empty', ''], ['junk', 'hello'], ['huge', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n']] as const) {
    const path = join(gpg.directory, file)
    writeFileSync(path, text)
    await refused(message(), /No public keys imported/, path)
  }
})

test('a lookaside store with endless or huge signatures, or with something else', async () => {
  const root = mkdtempSync(join(tmpdir(), 'lookaside-'))
  try {
    const place = join(root, `c@${digest.replace(':', '=')}`)
    mkdirSync(place)
    for (let number = 1; number <= 130; number++) writeFileSync(join(place, `signature-${number}`), Buffer.from([0xa3, 0]))
    const read = (): Promise<Signature[]> => readLookaside(`file://${root}`, parseNormalizedReference(name), digest, { fetchUrl: () => Promise.resolve(undefined) })
    await assert.rejects(read(), { code: 'LOOKASIDE_FAILED' })
    writeFileSync(join(place, 'signature-1'), Buffer.alloc(5 * 1024 * 1024, 0xa3))
    await assert.rejects(read(), { code: 'SIGNATURE_INVALID' })
    writeFileSync(join(place, 'signature-1'), '<html>404</html>')
    await assert.rejects(read(), { code: 'SIGNATURE_INVALID', message: /unrecognized signature format/ })
  } finally {
    rmSync(root, { recursive: true })
  }
})

test('attachments that lie about themselves', async () => {
  const blob = Buffer.from('{}')
  const type = 'application/vnd.oci.image.manifest.v1+json'
  const layer = { mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json', size: blob.length, digest: digestOf(blob), annotations: {} }
  const repository = (layers: readonly object[], options: { mediaType?: string; blob?: Uint8Array } = {}): AttachmentRepository => ({
    name: 'a.b/c',
    getManifest: () => Promise.resolve({ bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, config: { mediaType: 'application/vnd.oci.image.config.v1+json', size: 2, digest: digestOf('{}') }, layers })), mediaType: options.mediaType ?? type }),
    getBlob: () => Promise.resolve(options.blob ?? blob),
    putBlob: () => Promise.reject(new Error('reading writes nothing')),
    putManifest: () => Promise.reject(new Error('reading writes nothing')),
  })
  assert.equal((await readSigstoreAttachments(repository([layer]), digest)).length, 1)
  await assert.rejects(readSigstoreAttachments(repository([layer], { blob: Buffer.from('[]') }), digest), { code: 'DIGEST_MISMATCH' })
  await assert.rejects(readSigstoreAttachments(repository([{ ...layer, size: 2 ** 40 }]), digest), { code: 'ATTACHMENT_INVALID' })
  await assert.rejects(readSigstoreAttachments(repository(Array.from({ length: 200 }, () => layer)), digest), { code: 'ATTACHMENT_INVALID' })
  await assert.rejects(readSigstoreAttachments(repository([layer], { mediaType: 'text/html' }), digest), { code: 'ATTACHMENT_INVALID' })
  await assert.rejects(readSigstoreAttachments(repository([{ ...layer, digest: 'sha256:../../x' }]), digest))
})

const signed = (body: Uint8Array, value: string): Signature => ({ kind: 'sigstore', mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json', payload: body, annotations: { 'dev.cosignproject.cosign/signature': value } })

test('sigstore: keys and signatures that prove nothing', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyPath = join(gpg.directory, 'sigstore.pub')
  writeFileSync(keyPath, publicKey.export({ type: 'spki', format: 'pem' }))
  const claim = formatPayload('sigstore', { manifestDigest: digest, dockerReference: name })
  const checkSigstore = (signature: Signature, path = keyPath): Promise<void> => {
    const policy = parsePolicy(JSON.stringify({ default: [{ type: 'sigstoreSigned', keyPath: path }] }), '/p.json')
    return checkTrust(policy, { identity: { transport: 'docker', name, dockerReference: parseNormalizedReference(name), policyScopes: [] }, getSignatures: () => Promise.resolve([signature]) }, { digest })
  }
  await checkSigstore(signed(claim, sign('sha256', claim, privateKey).toString('base64')))
  // An ECDSA signature of two zeros, which broken verifiers accept for everything.
  const zeros = Buffer.from('3006020100020100', 'hex').toString('base64')
  for (const value of [zeros, '', 'AAAA', '*', sign('sha256', Buffer.from('x'), privateKey).toString('base64'), sign('sha512', claim, privateKey).toString('base64')]) {
    await assert.rejects(checkSigstore(signed(claim, value)), { code: 'POLICY_REJECTED' })
  }
  const doubled = Buffer.from(claim.toString().replace('"identity":', '"identity":{"docker-reference":"x"},"identity":'))
  await assert.rejects(checkSigstore(signed(doubled, sign('sha256', doubled, privateKey).toString('base64'))), { code: 'POLICY_REJECTED', message: /Duplicate key "identity"/ })
  const asSimple = formatPayload('simple', { manifestDigest: digest, dockerReference: name })
  await assert.rejects(checkSigstore(signed(asSimple, sign('sha256', asSimple, privateKey).toString('base64'))), { code: 'POLICY_REJECTED', message: /Unrecognized signature type/ })
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const strange = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  for (const { publicKey: bad } of [weak, strange]) assert.throws(() => parseSigstorePublicKey(Buffer.from(bad.export({ type: 'spki', format: 'pem' }))), /unsupported public key/)
  // A file with the private half is a mistake that should show.
  assert.throws(() => parseSigstorePublicKey(Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }))), /not a PEM encoded public key/)
})

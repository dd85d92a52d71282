import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyRequest, refuseEncryption } from '../../../../src/cli/flags/copy.ts'
import { destinationOptions, endpointOf } from '../../../../src/cli/flags/endpoints.ts'

test('flags of one end do not concern the other', () => {
  const flags = { 'src-creds': 'a:b', 'dest-tls-verify': false, 'dest-cert-dir': '/c', 'retry-times': 2, 'retry-delay': '1s', authfile: '/auth' }
  const given = new Set(Object.keys(flags))
  assert.deepEqual(endpointOf(flags, 'src-', given), { credentials: { anonymous: false, creds: 'a:b', authFile: '/auth' }, options: { retries: 2, retryDelayMs: 1000 } })
  assert.deepEqual(endpointOf(flags, 'dest-', given), { credentials: { anonymous: false, authFile: '/auth' }, options: { retries: 2, retryDelayMs: 1000, tlsVerify: false, certDirectory: '/c' } })
})

test('nothing said of TLS leaves it to registries.conf; the older flag is for both ends', () => {
  assert.deepEqual(endpointOf({ 'src-tls-verify': false }, 'src-', new Set()).options, {})
  assert.deepEqual(endpointOf({ 'tls-verify': false }, 'src-', new Set(['tls-verify'])).options, { tlsVerify: false })
})

test('contradictions are refused in the words of skopeo', () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ creds: 'a:b', 'no-creds': true }, /^creds and no-creds cannot be specified at the same time$/],
    [{ creds: 'a:b', username: 'a', password: 'b' }, /^creds and username cannot/],
    [{ username: 'a' }, /^password must be specified when username is specified$/],
    [{ password: 'a' }, /^username must be specified when password is specified$/],
    [{ creds: '' }, /^credentials can't be empty$/],
    [{ creds: ':p' }, /^username can't be empty$/],
  ]
  for (const [flags, message] of cases) assert.throws(() => endpointOf(flags, '', new Set()), { message })
})

test('additional tags are full references with a tag', () => {
  assert.equal(destinationOptions({ 'additional-tag': ['busybox:mine'] }).additionalTags?.[0]?.name, 'docker.io/library/busybox')
  assert.throws(() => destinationOptions({ 'additional-tag': ['busybox'] }), /must be a tagged reference/)
})

test('what is asked of compression, formats and keys', () => {
  assert.deepEqual(copyRequest({ 'dest-compress-format': 'zstd', 'dest-compress-level': 3 }).compression, { format: 'zstd', level: 3, force: true })
  assert.deepEqual(copyRequest({ 'dest-compress-level': 3 }).compression, { format: 'gzip', level: 3 })
  assert.throws(() => copyRequest({ 'dest-compress-format': 'zstd:chunked' }), { code: 'UNSUPPORTED_COMPRESSION' })
  assert.throws(() => copyRequest({ format: 'v3' }), /unknown format "v3"/)
  assert.deepEqual(copyRequest({ 'sign-by': 'K', 'sign-passphrase-file': '/p' }).signing, { gpgKey: 'K', passphraseFile: '/p' })
  assert.throws(() => refuseEncryption({ 'encryption-key': ['jwe:/k'] }), { code: 'ENCRYPTION_UNSUPPORTED' })
  assert.throws(() => refuseEncryption({ 'encrypt-layer': ['0'] }), /can only be used with --encryption-key/)
  refuseEncryption({ 'encryption-key': [], 'decryption-key': [], 'encrypt-layer': [] })
})

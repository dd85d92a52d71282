import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptAnything, findRule, loadPolicy, parsePolicy } from '../../../src/config/policy.ts'
import { dockerPolicyScopes } from '../../../src/image/trust/policy-scopes.ts'
import { parseNormalizedReference } from '../../../src/oci/reference.ts'

const accept = [{ type: 'insecureAcceptAnything' }]
const reject = [{ type: 'reject' }]
const policy = parsePolicy(
  JSON.stringify({
    default: reject,
    transports: { docker: { 'quay.io': accept, 'quay.io/secret': reject, 'quay.io/secret/ok:1': accept, '*.corp.com': accept, 'signed.io': [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }] } },
  }),
  '/p.json',
)

const cases: [string, string][] = [
  ['quay.io/a:1', 'insecureAcceptAnything'],
  ['quay.io/secret/x:1', 'reject'],
  ['quay.io/secret/ok:1', 'insecureAcceptAnything'],
  ['quay.io/secret/ok:2', 'reject'],
  ['a.corp.com:5000/x:1', 'insecureAcceptAnything'],
  ['corp.com/x:1', 'reject'],
  ['other.io/x:1', 'reject'],
  ['signed.io/x:1', 'signedBy'],
]
for (const [name, type] of cases) {
  test(`${name}: ${type}`, () => {
    assert.equal(findRule(policy, 'docker', dockerPolicyScopes(parseNormalizedReference(name))).requirements[0]?.type, type)
  })
}

test('no file accepts, a broken or empty one does not', async () => {
  assert.equal(await loadPolicy(['/nonexistent']), acceptAnything)
  await assert.rejects(loadPolicy(['/nonexistent'], { mustExist: true }), { code: 'POLICY_INVALID', message: 'loading trust policy: open /nonexistent: no such file or directory' })
  assert.throws(() => parsePolicy('{}', '/p'), { code: 'POLICY_INVALID' })
  assert.throws(() => parsePolicy('{"default":[]}', '/p'), { code: 'POLICY_INVALID' })
})

const requirement = (value: unknown): string => JSON.stringify({ default: [value] })
const scope = (transport: string, name: string): string => JSON.stringify({ default: reject, transports: { [transport]: { [name]: accept } } })

const refused: [string, string, RegExp][] = [
  ['an unknown key', '{"default":[{"type":"reject"}],"transport":{}}', /Unknown key "transport"/],
  ['a key twice', '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}', /Duplicate key "default"/],
  ['no default', '{"transports":{}}', /Default policy is missing/],
  ['an empty list in a scope', '{"default":[{"type":"reject"}],"transports":{"docker":{"":[]}}}', /must not be empty/],
  ['an unknown requirement', requirement({ type: 'accept' }), /Unknown policy requirement type "accept"/],
  ['a field too many', requirement({ type: 'reject', why: 'x' }), /Unknown key "why"/],
  ['signedBy without keyType', requirement({ type: 'signedBy', keyPath: '/k' }), /Key "keyType" missing/],
  ['signedBy with a strange keyType', requirement({ type: 'signedBy', keyType: 'PGP', keyPath: '/k' }), /Unrecognized keyType value "PGP"/],
  ['signedBy without keys', requirement({ type: 'signedBy', keyType: 'GPGKeys' }), /none of them present/],
  ['signedBy with two key sources', requirement({ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k', keyData: 'AAAA' }), /more than one present/],
  ['keyData that is not base64', requirement({ type: 'signedBy', keyType: 'GPGKeys', keyData: '*' }), /not base64/],
  ['an unknown identity', requirement({ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k', signedIdentity: { type: 'any' } }), /Unknown policy reference match type "any"/],
  ['exactReference without a tag', requirement({ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k', signedIdentity: { type: 'exactReference', dockerReference: 'a/b' } }), /neither a tag nor digest/],
  ['a prefix with a tag', requirement({ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k', signedIdentity: { type: 'remapIdentity', prefix: 'a.b/c:1', signedPrefix: 'a.b' } }), /prefix "a.b\/c:1" is not valid/],
  ['sigstoreSigned without keys', requirement({ type: 'sigstoreSigned' }), /exactly one of/],
  ['a relative path as scope', scope('dir', 'images'), /Unknown key "images"/],
  ['the root as scope', scope('oci', '/'), /Unknown key "\/"/],
  ['a path with .. as scope', scope('oci-archive', '/a/../b'), /Unknown key/],
  ['a scope of docker-archive', scope('docker-archive', '/a'), /Unknown key/],
  ['a scope of containers-storage without a store', scope('containers-storage', 'docker.io'), /Unknown key/],
]
for (const [name, text, words] of refused) {
  test(`refused: ${name}`, () => {
    assert.throws(() => parsePolicy(text, '/p.json'), (error: Error & { code?: string }) => error.code === 'POLICY_INVALID' && words.test(error.message) && error.message.startsWith('invalid policy in "/p.json": '))
  })
}

test('everything that containers-policy.json(5) shows is read', () => {
  const identities = [{ type: 'matchExact' }, { type: 'matchRepository' }, { type: 'exactReference', dockerReference: 'a.b/c:1' }, { type: 'exactRepository', dockerRepository: 'a.b/c' }, { type: 'remapIdentity', prefix: 'mirror:5000/x', signedPrefix: 'docker.io/library' }]
  const all = [...identities.map((signedIdentity) => ({ type: 'signedBy', keyType: 'GPGKeys', keyPaths: ['/a', '/b'], signedIdentity })), { type: 'sigstoreSigned', keyPath: '/c' }, { type: 'sigstoreSigned', fulcio: { caPath: '/f' }, rekorPublicKeyPath: '/r' }]
  const parsed = parsePolicy(JSON.stringify({ default: all, transports: { dir: { '/images': accept }, 'containers-storage': { '[overlay@/r]h.io': accept, '[/r]': accept }, sif: {}, strange: { any: accept } } }), '/p')
  assert.equal(parsed.default.length, all.length)
  assert.deepEqual(parsed.default.at(-1), { type: 'sigstoreSigned', unsupported: ['fulcio', 'rekorPublicKeyPath'], signedIdentity: { type: 'matchRepoDigestOrExact' } })
  assert.equal(findRule(parsed, 'dir', ['/images/x', '/images']).scope, 'transports.dir["/images"]')
  assert.equal(findRule(parsed, 'dir', ['/other', 'toString']).scope, 'default')
  assert.equal(findRule(parsed, '__proto__', ['x']).scope, 'default')
})

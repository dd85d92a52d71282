import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPolicy, loadPolicy, parsePolicy } from '../../../src/config/policy.ts'
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

const cases: [string, string | undefined][] = [
  ['quay.io/a:1', undefined],
  ['quay.io/secret/x:1', 'POLICY_REJECTED'],
  ['quay.io/secret/ok:1', undefined],
  ['quay.io/secret/ok:2', 'POLICY_REJECTED'],
  ['a.corp.com:5000/x:1', undefined],
  ['corp.com/x:1', 'POLICY_REJECTED'],
  ['other.io/x:1', 'POLICY_REJECTED'],
  ['signed.io/x:1', 'POLICY_UNSUPPORTED'],
]
for (const [name, code] of cases) {
  test(`${name}: ${code ?? 'allowed'}`, () => {
    const check = (): void => checkPolicy(policy, 'docker', parseNormalizedReference(name))
    if (code === undefined) check()
    else assert.throws(check, { code })
  })
}

test('no file accepts, a broken or empty one does not', async () => {
  checkPolicy(await loadPolicy(['/nonexistent']), 'docker', parseNormalizedReference('x'))
  await assert.rejects(loadPolicy(['/nonexistent'], { mustExist: true }), { code: 'POLICY_INVALID' })
  assert.throws(() => parsePolicy('{}', '/p'), { code: 'POLICY_INVALID' })
  assert.throws(() => parsePolicy('{"default":[]}', '/p'), { code: 'POLICY_INVALID' })
})

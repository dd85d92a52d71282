import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptAnything, parsePolicy } from '../../../../src/config/policy.ts'
import { explainImageTrust, explainTrust } from '../../../../src/image/trust/explain-trust.ts'
import { dockerPolicyScopes } from '../../../../src/image/trust/policy-scopes.ts'
import type { ImageIdentity } from '../../../../src/image/types.ts'
import { digestOf } from '../../../../src/oci/digest.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'

function identityOf(name: string): ImageIdentity {
  const dockerReference = parseNormalizedReference(name)
  return { transport: 'docker', name: `//${name}`, dockerReference, policyScopes: dockerPolicyScopes(dockerReference) }
}

const policy = parsePolicy(JSON.stringify({
  default: [{ type: 'reject' }],
  transports: { docker: { '': [{ type: 'insecureAcceptAnything' }], 'a.b/team': [{ type: 'insecureAcceptAnything' }, { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }], 'a.b/bad': [{ type: 'sigstoreSigned', keyPath: '/k' }, { type: 'reject' }] } },
}), '/p.json')

test('the rule that decides, and what the policy alone can say', () => {
  const shown = (name: string): unknown[] => {
    const { rule, allowed, requirements } = explainTrust(policy, identityOf(name))
    return [rule, allowed, requirements.length]
  }
  assert.deepEqual(shown('a.b/team/x:1'), ['transports.docker["a.b/team"]', undefined, 2])
  assert.deepEqual(shown('a.b/bad:1'), ['transports.docker["a.b/bad"]', false, 2])
  assert.deepEqual(shown('c.d/x:1'), ['transports.docker[""]', true, 1])
  assert.deepEqual(explainTrust(policy, { transport: 'dir', name: '/x', policyScopes: ['/x'] }).rule, 'default')
  assert.deepEqual([explainTrust(acceptAnything, identityOf('a.b/c:1'))].map(({ policyFile, allowed }) => [policyFile, allowed]), [['', true]])
})

test('with the image: every requirement is judged, signatures are fetched once and only where needed', async () => {
  let fetched = 0
  const source = (name: string): Parameters<typeof explainImageTrust>[1] => ({ identity: identityOf(name), getSignatures: () => (fetched++, Promise.resolve([])) })
  const explained = await explainImageTrust(policy, source('a.b/bad:1'), { digest: digestOf('') })
  assert.equal(explained.allowed, false)
  assert.deepEqual(explained.requirements.map(({ reason }) => reason), ['A signature was required, but no signature exists', 'Running image docker://a.b/bad:1 is rejected by policy.'])
  assert.equal(fetched, 1)
  assert.equal((await explainImageTrust(policy, source('c.d/x:1'), { digest: digestOf('') })).allowed, true)
  assert.equal(fetched, 1)
})

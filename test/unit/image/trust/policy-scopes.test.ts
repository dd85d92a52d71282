import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { dockerPolicyScopes, pathPolicyScopes, storagePolicyScopes } from '../../../../src/image/trust/policy-scopes.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'

const digest = `sha256:${'a'.repeat(64)}`

test('a registry image is covered by itself, its namespaces, its host and the domains above', () => {
  assert.deepEqual(dockerPolicyScopes(parseNormalizedReference('r.example.com:5000/team/app:1')), [
    'r.example.com:5000/team/app:1', 'r.example.com:5000/team/app', 'r.example.com:5000/team', 'r.example.com:5000', '*.example.com', '*.com',
  ])
  assert.equal(dockerPolicyScopes(parseNormalizedReference('busybox'))[0], 'docker.io/library/busybox:latest')
  assert.equal(dockerPolicyScopes(parseNormalizedReference(`a.b/c:1@${digest}`))[0], `a.b/c@${digest}`)
  assert.deepEqual(dockerPolicyScopes(parseNormalizedReference('localhost/c:1')), ['localhost/c:1', 'localhost/c', 'localhost'])
})

test('a path is covered by itself and the directories above it, without links and without /', () => {
  const directory = mkdtempSync(join(tmpdir(), 'scopes-'))
  try {
    mkdirSync(join(directory, 'real/sub'), { recursive: true })
    symlinkSync('real', join(directory, 'link'))
    const scopes = pathPolicyScopes(join(directory, 'link/sub/new'))
    assert.deepEqual(scopes.slice(0, 4), [join(directory, 'real/sub/new'), join(directory, 'real/sub'), join(directory, 'real'), directory])
    assert.ok(!scopes.includes('/') && !scopes.includes(''))
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a stored image is covered by name and id, name, namespaces and its store', () => {
  const id = 'b'.repeat(64)
  assert.deepEqual(storagePolicyScopes({ driver: 'overlay', graphRoot: '/r', reference: parseNormalizedReference('h.io/n/x:1'), imageId: id }), [
    `[overlay@/r]h.io/n/x:1@${id}`, '[overlay@/r]h.io/n/x:1', '[overlay@/r]h.io/n/x', '[overlay@/r]h.io/n', '[overlay@/r]h.io', '[overlay@/r]', '[/r]',
  ])
  assert.deepEqual(storagePolicyScopes({ driver: 'overlay', graphRoot: '/r', imageId: id }), [`[overlay@/r]@${id}`, '[overlay@/r]', '[/r]'])
})

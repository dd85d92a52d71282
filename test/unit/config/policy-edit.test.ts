import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setPolicyRule } from '../../../src/config/policy-edit.ts'

const root = mkdtempSync(join(tmpdir(), 'policy-edit-'))
after(() => rmSync(root, { recursive: true }))
const path = join(root, 'new/policy.json')
const read = (file = path): unknown => JSON.parse(readFileSync(file, 'utf8'))

test('rules are added and replaced; the rest stays', async () => {
  await assert.rejects(setPolicyRule(path, { scope: 'a.b', type: 'accept', keyFiles: [] }), { code: 'POLICY_INVALID', message: 'default trust policy must be set' })
  await setPolicyRule(path, { scope: 'default', type: 'reject', keyFiles: [] })
  await setPolicyRule(path, { scope: 'a.b', type: 'signedBy', keyFiles: ['/k1', '/k2'] })
  await setPolicyRule(path, { scope: 'a.a/x:1', type: 'sigstoreSigned', keyFiles: ['/k3'] })
  assert.deepEqual(read(), {
    default: [{ type: 'reject' }],
    transports: { docker: { 'a.a/x:1': [{ type: 'sigstoreSigned', keyPath: '/k3' }], 'a.b': [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k1' }, { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k2' }] } },
  })
  await setPolicyRule(path, { scope: 'a.b', type: 'insecureAcceptAnything', keyFiles: [] })
  assert.deepEqual((read() as { transports: { docker: object } }).transports.docker, { 'a.a/x:1': [{ type: 'sigstoreSigned', keyPath: '/k3' }], 'a.b': [{ type: 'insecureAcceptAnything' }] })
  assert.equal(statSync(path).mode & 0o777, 0o644)
  assert.deepEqual(readdirSync(join(root, 'new')), ['.policy.json.lock', 'policy.json'])
})

test('a scope that another transport has is changed there; a link stays a link', async () => {
  const real = join(root, 'real.json')
  const link = join(root, 'link.json')
  writeFileSync(real, JSON.stringify({ default: [{ type: 'reject' }], transports: { atomic: { 'a.b': [{ type: 'reject' }] }, dir: { '/x': [{ type: 'reject' }] } } }))
  symlinkSync('real.json', link)
  await setPolicyRule(link, { scope: 'a.b', type: 'accept', keyFiles: [] })
  assert.deepEqual(read(real), { default: [{ type: 'reject' }], transports: { atomic: { 'a.b': [{ type: 'insecureAcceptAnything' }] }, dir: { '/x': [{ type: 'reject' }] } } })
  assert.ok(lstatSync(link).isSymbolicLink())
})

test('keys must fit the type, and a broken file stays as it is', async () => {
  await assert.rejects(setPolicyRule(path, { scope: 'x.y', type: 'signedBy', keyFiles: [] }), { code: 'BAD_FLAG' })
  await assert.rejects(setPolicyRule(path, { scope: 'x.y', type: 'reject', keyFiles: ['/k'] }), { code: 'BAD_FLAG', message: '1 public keys unexpectedly provided for trust type reject' })
  const broken = join(root, 'broken.json')
  for (const text of ['{', '[]', '{"default":[],"transports":{}}', '{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}', '{"default":[{"type":"reject"}],"other":1}']) {
    writeFileSync(broken, text)
    await assert.rejects(setPolicyRule(broken, { scope: 'x.y', type: 'reject', keyFiles: [] }), { code: 'POLICY_INVALID' })
    assert.equal(readFileSync(broken, 'utf8'), text)
  }
})

test('several at once: each rule is in the file', async () => {
  const path = join(root, 'several/policy.json')
  await setPolicyRule(path, { scope: 'default', type: 'accept', keyFiles: [] })
  const scopes = Array.from({ length: 8 }, (_, number) => `example.com/${number}`)
  await Promise.all(scopes.map((scope) => setPolicyRule(path, { scope, type: 'reject', keyFiles: [] })))
  const { transports } = JSON.parse(readFileSync(path, 'utf8')) as { transports: { docker: Record<string, unknown> } }
  for (const scope of scopes) assert.ok(scope in transports.docker, `${scope} is in the file`)
})

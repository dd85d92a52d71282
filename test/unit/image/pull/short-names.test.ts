import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RegistriesConfig } from '../../../../src/config/registries-conf.ts'
import { resolvePullCandidates } from '../../../../src/image/pull/short-names.ts'
import { formatReference } from '../../../../src/oci/reference.ts'

const digest = 'sha256:' + 'c'.repeat(64)
const config = (changes: Partial<RegistriesConfig> = {}): RegistriesConfig => ({
  registries: [], searchRegistries: ['a.com', 'docker.io'], searchOrigin: '/etc/r.conf', shortNameMode: 'permissive',
  aliases: new Map([['fedora', { value: 'registry.fedoraproject.org/fedora', origin: '/etc/short.conf' }], ['off', { value: '', origin: '/x' }]]),
  credentialHelpers: [], ...changes,
})
const resolve = async (name: string, registries = config(), choose?: (name: string, candidates: readonly string[]) => Promise<string>): Promise<string[]> =>
  (await resolvePullCandidates(name, registries, choose)).candidates.map(formatReference)

test('aliases keep tag and digest', async () => {
  assert.deepEqual(await resolve('fedora'), ['registry.fedoraproject.org/fedora:latest'])
  assert.deepEqual(await resolve('fedora:40'), ['registry.fedoraproject.org/fedora:40'])
  assert.deepEqual(await resolve(`fedora:40@${digest}`), [`registry.fedoraproject.org/fedora@${digest}`])
  assert.match((await resolvePullCandidates('fedora', config())).reason, /as an alias \(\/etc\/short\.conf\)/)
})

test('search registries in order; an alias switched off counts as none', async () => {
  assert.deepEqual(await resolve('x'), ['a.com/x:latest', 'docker.io/library/x:latest'])
  assert.deepEqual(await resolve('off/x:1'), ['a.com/off/x:1', 'docker.io/off/x:1'])
  assert.deepEqual(await resolve('off'), ['a.com/off:latest', 'docker.io/library/off:latest'])
})

test('full names are left alone', async () => {
  assert.deepEqual(await resolve('docker.io/fedora'), ['docker.io/library/fedora:latest'])
  assert.deepEqual(await resolve('localhost/fedora'), ['localhost/fedora:latest'])
})

test('enforcing never guesses: it asks if somebody can be asked, else it says so', async () => {
  const enforcing = config({ shortNameMode: 'enforcing' })
  await assert.rejects(resolve('x', enforcing), { code: 'SHORT_NAME_AMBIGUOUS' })
  assert.deepEqual(await resolve('x', enforcing, async (_, candidates) => candidates[1]!), ['docker.io/library/x:latest'])
  assert.deepEqual(await resolve('x', config({ shortNameMode: 'enforcing', searchRegistries: ['a.com'] })), ['a.com/x:latest'])
})

test('no search registries: the message shows the full name to write', async () => {
  await assert.rejects(resolve('x', config({ searchRegistries: [] })), { code: 'SHORT_NAME_UNRESOLVED', message: /^short-name "x" did not resolve to an alias and no unqualified-search registries are defined in "/, remedy: /docker\.io\/library\/x/ })
})

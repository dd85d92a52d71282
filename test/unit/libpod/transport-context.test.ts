import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openTransportContext } from '../../../src/libpod/transport-context.ts'

const home = mkdtempSync('/tmp/tpod-context-')
after(() => rmSync(home, { recursive: true, force: true }))
const env = { HOME: home }

test('opening reads nothing: files that do not exist matter when they are asked for', async () => {
  const context = openTransportContext({ env, policyPath: join(home, 'nonesuch'), registriesConf: join(home, 'nonesuch') })
  await assert.rejects(context.policy(), { code: 'POLICY_INVALID' })
  await assert.rejects(context.registries(), { code: 'REGISTRIES_CONF_INVALID' })
})

test('the policy of the user, the one named, or none', async () => {
  mkdirSync(join(home, '.config/containers'), { recursive: true })
  writeFileSync(join(home, '.config/containers/policy.json'), '{"default":[{"type":"reject"}]}')
  assert.equal((await openTransportContext({ env }).policy()).default[0]?.type, 'reject')
  assert.equal((await openTransportContext({ env, insecurePolicy: true }).policy()).default[0]?.type, 'insecureAcceptAnything')
})

test('a part of the platform is replaced, the rest is the machine', () => {
  const { platform } = openTransportContext({ env, platform: { architecture: 'arm', variant: 'v7' } })
  assert.deepEqual(platform, { os: 'linux', architecture: 'arm', variant: 'v7' })
  assert.equal(openTransportContext({ env, platform: { os: 'windows' } }).platform.os, 'windows')
})

test('credentials of the auth file named by flag or environment', async () => {
  const authFile = join(home, 'auth.json')
  writeFileSync(authFile, JSON.stringify({ auths: { 'r.example': { auth: Buffer.from('me:secret').toString('base64') } } }))
  const registriesConf = join(home, 'registries.conf')
  writeFileSync(registriesConf, '')
  for (const context of [openTransportContext({ env, authFile, registriesConf }), openTransportContext({ env: { ...env, REGISTRY_AUTH_FILE: authFile }, registriesConf })]) {
    assert.deepEqual(await context.credentials.find('r.example/a'), { username: 'me', password: 'secret' })
    assert.equal(await context.credentials.find('other.example/a'), undefined)
  }
})

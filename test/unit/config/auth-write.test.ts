import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { credentialSource } from '../../../src/config/auth-file.ts'
import { authFileToWrite, authPaths } from '../../../src/config/auth-paths.ts'
import { type AuthTarget, removeAllCredentials, removeCredentials, storeCredentials } from '../../../src/config/auth-write.ts'
import { HelperFixture } from '../../support/credential-helper.ts'

const user = { username: 'me', password: 'geheim:ä' }
const usualPath = process.env['PATH']
let directory = ''
let file = ''
let target: AuthTarget

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tpod-auth-'))
  file = join(directory, 'sub/auth.json')
  target = { paths: { authFile: file } }
})
afterEach(() => {
  process.env['PATH'] = usualPath
  rmSync(directory, { recursive: true })
})

const json = (path = file): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
const find = (repository: string): Promise<unknown> => credentialSource(target.paths).find(repository)
const write = (content: unknown): void => writeFileSync(file, JSON.stringify(content))

test('a file is made for its user alone, and what is stored is found', async () => {
  assert.equal(await storeCredentials(target, 'reg.example:5000', user), file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(join(directory, 'sub')).mode & 0o777, 0o700)
  assert.deepEqual(await find('reg.example:5000/a/b'), user)
  assert.equal(await find('other.example/a'), undefined)
})

test('keys of namespaces and repositories stand beside the registry\'s', async () => {
  await storeCredentials(target, 'reg.example', { username: 'all', password: 'x' })
  await storeCredentials(target, 'reg.example/ns/repo', user)
  assert.deepEqual(await find('reg.example/ns/repo'), user)
  assert.deepEqual(await find('reg.example/ns/other'), { username: 'all', password: 'x' })
  assert.equal(await removeCredentials(target, 'reg.example/ns'), false)
  assert.equal(await removeCredentials(target, 'reg.example/ns/repo'), true)
  assert.deepEqual(Object.keys(json()['auths'] as object), ['reg.example'])
})

test('what other programs keep in the file stays', async () => {
  await storeCredentials(target, 'a.example', user)
  write({ HttpHeaders: { x: 'y' }, auths: { 'b.example': { auth: 'Yjpi', email: 'b@b' } }, psFormat: 'x' })
  await storeCredentials(target, 'a.example', user)
  const { auths, ...rest } = json()
  assert.deepEqual(rest, { HttpHeaders: { x: 'y' }, psFormat: 'x' })
  assert.deepEqual((auths as Record<string, unknown>)['b.example'], { auth: 'Yjpi', email: 'b@b' })
  assert.equal(await removeCredentials(target, 'a.example'), true)
  assert.deepEqual(Object.keys(json()['auths'] as object), ['b.example'])
})

test('many at once lose nothing', async () => {
  const hosts = Array.from({ length: 20 }, (_, index) => `r${index}.example`)
  await Promise.all(hosts.map((host) => storeCredentials(target, host, user)))
  assert.deepEqual(Object.keys(json()['auths'] as object).toSorted(), hosts.toSorted())
  assert.deepEqual(readdirSync(join(directory, 'sub')).toSorted(), ['.auth.json.lock', 'auth.json'])
})

test('a link stays a link', async () => {
  const real = join(directory, 'real.json')
  writeFileSync(real, '')
  const link = join(directory, 'link.json')
  symlinkSync(real, link)
  await storeCredentials({ paths: { authFile: link } }, 'a.example', user)
  assert.equal(lstatSync(link).isSymbolicLink(), true)
  assert.ok((json(real)['auths'] as Record<string, unknown>)['a.example'])
})

test('a damaged file is not overwritten, and not quoted', async () => {
  await storeCredentials(target, 'a.example', user)
  for (const content of ['{"auths": {"x": {"auth": "c2VjcmV0"', '[]', '{"auths": ["c2VjcmV0"]}']) {
    writeFileSync(file, content)
    await assert.rejects(storeCredentials(target, 'a.example', user), (error: Error) => /auth\.json: not valid JSON/.test(error.message) && !error.message.includes('c2Vj'))
    assert.equal(readFileSync(file, 'utf8'), content)
  }
})

test('bad keys are refused', async () => {
  for (const key of ['https://a.example', 'a.example/repo:tag', 'a.example/repo@sha256:00', '', 'a b']) {
    await assert.rejects(storeCredentials(target, key, user), { code: 'BAD_REGISTRY_NAME' })
  }
  assert.equal(existsSync(file), false)
})

test('helpers that the file names keep the secret', async () => {
  const helper = new HelperFixture(directory, 'fixture')
  process.env['PATH'] = `${helper.path}:${usualPath}`
  await storeCredentials(target, 'plain.example', user)
  write({ ...json(), credHelpers: { 'helped.example': 'fixture' } })
  const plain = { username: 'me', password: 'geheim' }
  assert.equal(await storeCredentials(target, 'helped.example', plain), 'credential helper: fixture')
  assert.equal(readFileSync(file, 'utf8').includes('helped.example": {'), false)
  assert.deepEqual(await find('helped.example/x'), plain)
  assert.equal(await removeCredentials(target, 'helped.example'), true)
  assert.equal(await removeCredentials(target, 'helped.example'), false)
  assert.equal(await find('helped.example/x'), undefined)
  assert.deepEqual(helper.calls(), ['store', 'get', 'erase', 'erase', 'get'])
})

test('credsStore has all secrets, docker.io\'s under the name that docker gives it', async () => {
  const helper = new HelperFixture(directory, 'global')
  process.env['PATH'] = `${helper.path}:${usualPath}`
  await storeCredentials(target, 'docker.io', user)
  write({ ...json(), credsStore: 'global' })
  const plain = { username: 'me', password: 'geheim' }
  await storeCredentials(target, 'docker.io', plain)
  await storeCredentials(target, 'a.example', plain)
  assert.equal(readFileSync(file, 'utf8').includes('auth":'), false)
  assert.deepEqual(await find('docker.io/library/x'), plain)
  assert.deepEqual(await find('a.example/x'), plain)
  await removeAllCredentials(target)
  assert.deepEqual(json()['auths'], {})
  assert.deepEqual(readdirSync(join(directory, 'kept')), [])
})

test('credential-helpers of registries.conf: the first that works stores, all are asked to forget', async () => {
  const helper = new HelperFixture(directory, 'works')
  process.env['PATH'] = `${helper.path}:${usualPath}`
  target = { paths: { authFile: file, credentialHelpers: async () => ['missing', 'works', 'containers-auth.json'] } }
  const plain = { username: 'me', password: 'geheim' }
  assert.equal(await storeCredentials(target, 'a.example', plain), 'credential helper: works')
  assert.equal(await storeCredentials(target, 'a.example/ns', plain), file)
  await assert.rejects(removeCredentials(target, 'a.example'), { code: 'CREDENTIAL_HELPER_FAILED' })
  assert.deepEqual(readdirSync(join(directory, 'kept')), [])
  target = { paths: { authFile: file, credentialHelpers: async () => ['missing'] } }
  await assert.rejects(storeCredentials(target, 'a.example', plain), (error: Error) => /docker-credential-missing/.test(error.message) && !error.message.includes('geheim'))
  await removeAllCredentials(target)
})

test('docker\'s file is written as docker reads it', async () => {
  const compatAuthFile = join(directory, 'config.json')
  writeFileSync(compatAuthFile, '{"HttpHeaders": {"x": "y"}}')
  const docker: AuthTarget = { ...target, compatAuthFile }
  await storeCredentials(docker, 'docker.io', user)
  assert.deepEqual(Object.keys(json(compatAuthFile)['auths'] as object), ['https://index.docker.io/v1/'])
  assert.deepEqual(json(compatAuthFile)['HttpHeaders'], { x: 'y' })
  await assert.rejects(storeCredentials(docker, 'a.example/ns', user), /namespaced key/)
  assert.equal(await removeCredentials(docker, 'docker.io'), true)
  assert.equal(existsSync(file), false)
})

test('where a login is written', () => {
  assert.equal(authFileToWrite(authPaths({ env: {}, uid: 0 })), '/run/containers/0/auth.json')
  assert.equal(authFileToWrite(authPaths({ env: { XDG_RUNTIME_DIR: '/run/user/7' }, uid: 7 })), '/run/user/7/containers/auth.json')
  assert.equal(authFileToWrite(authPaths({ env: { REGISTRY_AUTH_FILE: '/a' }, uid: 0 })), '/a')
  assert.equal(authFileToWrite(authPaths({ env: { REGISTRY_AUTH_FILE: '/a' }, uid: 0, authFile: '/b' })), '/b')
})

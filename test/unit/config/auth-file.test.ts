import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { credentialSource, fixedCredentials } from '../../../src/config/auth-file.ts'

let directory: string
const path = process.env['PATH']
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'auth-'))
  mkdirSync(join(directory, 'bin'))
  const helper = join(directory, 'bin/docker-credential-fake')
  writeFileSync(
    helper,
    '#!/bin/sh\nread server\ncase "$1 $server" in\n"get good.com") echo \'{"ServerURL":"good.com","Username":"h","Secret":"s:t"}\' ;;\n"get token.com") echo \'{"Username":"<token>","Secret":"refresh"}\' ;;\n"get junk.com") echo nonsense ;;\n"get https://index.docker.io/v1/") echo \'{"Username":"hub","Secret":"hub"}\' ;;\n*) echo "credentials not found in native keychain" ; exit 1 ;;\nesac\n',
  )
  chmodSync(helper, 0o755)
  process.env['PATH'] = `${join(directory, 'bin')}:${path}`
})
after(() => {
  process.env['PATH'] = path
  rmSync(directory, { recursive: true })
})

const encoded = (text: string): string => Buffer.from(text).toString('base64')
let counter = 0
function file(content: unknown): string {
  const name = join(directory, `auth-${counter++}.json`)
  writeFileSync(name, typeof content === 'string' ? content : JSON.stringify(content))
  return name
}

test('the most specific entry wins', async () => {
  const source = credentialSource({ authFile: file({ auths: { 'a.com': { auth: encoded('host:1') }, 'a.com/team': { auth: encoded('team:2') }, 'a.com/team/img': { auth: encoded('img:3') } } }) })
  assert.deepEqual(await source.find('a.com/team/img'), { username: 'img', password: '3' })
  assert.deepEqual(await source.find('a.com/team/other'), { username: 'team', password: '2' })
  assert.deepEqual(await source.find('a.com/teamwork'), { username: 'host', password: '1' })
  assert.equal(await source.find('b.com/team/img'), undefined)
})

test("docker's spellings of docker.io, and URLs as keys", async () => {
  const source = credentialSource({ authFile: file({ auths: { 'https://index.docker.io/v1/': { auth: encoded('u:p:q') }, 'https://r.com/v2/': { auth: encoded('x:y') } } }) })
  assert.deepEqual(await source.find('docker.io/library/x'), { username: 'u', password: 'p:q' })
  assert.deepEqual(await source.find('r.com/x'), { username: 'x', password: 'y' })
})

test('files in order: runtime directory, config home, docker', async () => {
  for (const [place, user] of [['run/containers/auth.json', 'run'], ['config/containers/auth.json', 'config'], ['docker/config.json', 'docker']] as const) {
    mkdirSync(join(directory, place, '..'), { recursive: true })
    writeFileSync(join(directory, place), JSON.stringify({ auths: { [`${user}.com`]: { auth: encoded(`${user}:x`) }, 'all.com': { auth: encoded(`${user}:x`) } } }))
  }
  const source = credentialSource({ runtimeDirectory: join(directory, 'run'), configHome: join(directory, 'config'), dockerDirectory: join(directory, 'docker') })
  assert.equal((await source.find('all.com/x'))?.username, 'run')
  assert.equal((await source.find('config.com/x'))?.username, 'config')
  assert.equal((await source.find('docker.com/x'))?.username, 'docker')
})

test('credential helpers: found, token, unknown, broken, missing', async () => {
  const source = credentialSource({ authFile: file({ credHelpers: { 'good.com': 'fake', 'token.com': 'fake', 'none.com': 'fake', 'junk.com': 'fake', 'gone.com': 'not-installed', 'path.com': '../bin/fake' } }) })
  assert.deepEqual(await source.find('good.com/x'), { username: 'h', password: 's:t' })
  assert.deepEqual(await source.find('token.com/x'), { username: '', password: '', identityToken: 'refresh' })
  assert.equal(await source.find('none.com/x'), undefined)
  await assert.rejects(source.find('junk.com/x'), { code: 'CREDENTIAL_HELPER_FAILED', message: /not JSON/ })
  await assert.rejects(source.find('gone.com/x'), { code: 'CREDENTIAL_HELPER_FAILED', message: /docker-credential-not-installed: not found/ })
  await assert.rejects(source.find('path.com/x'), { code: 'CREDENTIAL_HELPER_FAILED', message: /invalid name/ })
})

test("docker's credsStore, asked by its name for Docker Hub", async () => {
  const source = credentialSource({ authFile: file({ auths: { 'https://index.docker.io/v1/': {} }, credsStore: 'fake' }) })
  assert.equal((await source.find('docker.io/library/x'))?.username, 'hub')
})

test('broken files are named, their content is not repeated', async () => {
  const secret = encoded('user:topsecret')
  const broken = file(`{"auths": {"a.com": {"auth": "${secret}"`)
  await assert.rejects(credentialSource({ authFile: broken }).find('a.com/x'), (error: Error) => {
    assert.match(error.message, new RegExp(broken))
    assert.doesNotMatch(error.message + String((error as { cause?: unknown }).cause ?? ''), new RegExp(secret))
    return true
  })
  await assert.rejects(credentialSource({ authFile: '/nonexistent/auth.json' }).find('a.com/x'), { code: 'AUTH_FILE_MISSING' })
  await assert.rejects(credentialSource({ authFile: file({ auths: { 'a.com': { auth: encoded('nocolon') } } }) }).find('a.com/x'), { code: 'AUTH_FILE_INVALID' })
})

test('keys of the prototype are no entries', async () => {
  assert.equal(await credentialSource({ authFile: file({ auths: {} }) }).find('constructor/x'), undefined)
})

test('--creds', async () => {
  assert.deepEqual(await fixedCredentials('u:p:q').find('x'), { username: 'u', password: 'p:q' })
  assert.throws(() => fixedCredentials(':p'), { code: 'BAD_CREDENTIALS' })
})

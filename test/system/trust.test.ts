import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { GpgHome } from '../support/gpg-home.ts'
import { type Result, projectRoot, TestHost } from '../support/host.ts'

const host = new TestHost()
const gpg = new GpgHome()
after(() => {
  unlinkSync(lowerCase)
  host.dispose()
  gpg.dispose()
})
const name = 'localhost/trusted:1'
/** A layout's path becomes the image's name, and names have no capitals. */
const lowerCase = `/var/tmp/tpod-trust-${process.pid}`
symlinkSync(host.directory, lowerCase)
const file = (path: string): string => join(host.directory, path)
let registry = ''
let key = ''
let runs = 0

before(async () => {
  registry = await host.startRegistry()
  mkdirSync(file('home/.config/containers'), { recursive: true })
  const fingerprint = gpg.makeKey('alice')
  key = gpg.exportKey(fingerprint, 'alice.asc')
  host.importBusybox(name)
  for (const args of [
    ['--format', 'docker-archive', '-o', file('docker.tar')], ['--format', 'oci-archive', '-o', file('oci.tar')],
    ['--format', 'oci-dir', '-o', file('oci')], ['--format', 'docker-dir', '-o', file('dir')],
  ]) host.tpodOk(['save', '-q', ...args, name])
  host.tpodOk(['push', '-q', name, `docker://${registry}/trusted:1`])
  host.tpodOk(['rmi', name])
})

const remote = (): string => `${registry}/trusted:1`

/** Each way by which an image can come in, and what it would leave. */
const ways: Record<string, () => string[]> = {
  'pull from a registry': () => ['pull', '-q', remote()],
  'pull of an explicit docker: name': () => ['pull', '-q', `docker://${remote()}`],
  'pull by run': () => ['run', '--rm', remote(), 'true'],
  'pull by create': () => ['create', remote(), 'true'],
  'pull from dir:': () => ['pull', '-q', `dir:${file('dir')}`],
  'pull from oci:': () => ['pull', '-q', `oci:${lowerCase}/oci`],
  'pull from docker-archive:': () => ['pull', '-q', `docker-archive:${file('docker.tar')}`],
  'pull from oci-archive:': () => ['pull', '-q', `oci-archive:${file('oci.tar')}`],
  'load of a docker archive': () => ['load', '-q', '-i', file('docker.tar')],
  'load of an OCI archive': () => ['load', '-q', '-i', file('oci.tar')],
  'load of a directory': () => ['load', '-q', '-i', file('oci')],
  'image copy from a registry': () => ['image', 'copy', '-q', `docker://${remote()}`, `dir:${file('copied')}`],
  'image copy from dir:': () => ['image', 'copy', '-q', `dir:${file('dir')}`, `oci:${file('copied')}`],
  'image copy from oci-archive:': () => ['image', 'copy', '-q', `oci-archive:${file('oci.tar')}`, `dir:${file('copied')}`],
  'image sync from a registry': () => ['image', 'sync', '--src', 'docker', '--dest', 'dir', remote(), file(`synced${runs++}`)],
}

function setPolicy(policy: unknown): void {
  writeFileSync(file('home/.config/containers/policy.json'), JSON.stringify(policy))
}

function assertRefused(result: Result, words: RegExp): void {
  assert.notEqual(result.code, 0, result.stdout)
  assert.match(result.stderr, words)
}

function assertNothingCame(result: Result, words: RegExp): void {
  assertRefused(result, words)
  assert.equal(host.tpodOk(['images', '-q']), '')
  assert.ok(!existsSync(file('copied/manifest.json')) && !existsSync(file('copied/index.json')))
}

for (const [what, args] of Object.entries(ways)) {
  test(`${what}: refused by a policy that rejects, and for want of a signature`, () => {
    setPolicy({ default: [{ type: 'reject' }] })
    assertRefused(host.tpod(args()), /is rejected by policy\./)
    setPolicy({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: key, signedIdentity: { type: 'exactReference', dockerReference: 'a.b/c:1' } }] })
    assertNothingCame(host.tpod(args()), /A signature was required, but no signature exists/)
  })
}

test('what cannot be verified here is refused, not skipped', () => {
  setPolicy({ default: [{ type: 'sigstoreSigned', fulcio: {}, rekorPublicKeyPath: '/r' }] })
  assertNothingCame(host.tpod(['pull', '-q', remote()]), /cannot be verified by this version/)
})

test('a broken policy stops everything, and says which file', () => {
  writeFileSync(file('home/.config/containers/policy.json'), '{"default":[{"type":"insecureAcceptAnything"}],"unknown":1}')
  assertNothingCame(host.tpod(['pull', '-q', remote()]), /invalid policy in ".*policy.json": Unknown key "unknown"/)
})

test('the most specific rule decides; trust explain says which, and ends with 1 where the image is rejected', () => {
  setPolicy({ default: [{ type: 'reject' }], transports: { docker: { [registry]: [{ type: 'insecureAcceptAnything' }], [`${registry}/other`]: [{ type: 'reject' }] } } })
  const explained = host.tpod(['trust', 'explain', remote()])
  assert.equal(explained.code, 0)
  assert.match(explained.stdout, new RegExp(`Rule: +transports.docker\\["${registry}"\\]`))
  assert.match(explained.stdout, /Verdict: +accepted/)
  const other = host.tpod(['image', 'trust', 'explain', `docker://${registry}/other/x`])
  assert.equal(other.code, 1)
  assert.match(other.stdout, /Verdict: +rejected/)
  host.tpodOk(['pull', '-q', remote()])
  host.tpodOk(['rmi', remote()])
})

test('image sign, registries.d and a policy: the signed image comes in, and the explanation names the key', () => {
  const registriesD = file('home/.config/containers/registries.d')
  mkdirSync(registriesD, { recursive: true })
  writeFileSync(join(registriesD, 'test.yaml'), `docker:\n  ${registry}:\n    lookaside: file://${file('signatures')}\n`)
  const policy = file('home/.config/containers/policy.json')
  setPolicy({ default: [{ type: 'reject' }] })
  host.tpodOk(['image', 'trust', 'set', '-f', key, registry])
  assert.deepEqual((JSON.parse(readFileSync(policy, 'utf8')) as { transports: unknown }).transports, { docker: { [registry]: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: key }] } })
  assert.match(host.tpodOk(['image', 'trust', 'show', '-n']), new RegExp(`^all +default +reject *\nrepository +${registry} +signed +alice@test +file://`))
  assertNothingCame(host.tpod(['pull', '-q', remote()]), /A signature was required/)
  const sign = host.tpod(['image', 'sign', '--sign-by', 'alice@test', `docker://${remote()}`], { env: { GNUPGHOME: gpg.directory } })
  assert.equal(sign.code, 0, sign.stderr)
  const explained = host.tpodOk(['trust', 'explain', '--verify', remote()])
  assert.match(explained, /signature 1 by [0-9A-F]{40} for .*: accepted\n/)
  assert.match(explained, /Verdict: +accepted/)
  host.tpodOk(['pull', '-q', remote()])
  assert.match(host.tpod(['image', 'copy', '-q', '--sign-by', 'nobody@nowhere', `docker://${remote()}`, `docker://${registry}/again:1`]).stderr, /sign with GPG key nobody@nowhere/)
})

test('under skopeo\'s name a missing policy file is an error, as it is for skopeo', () => {
  const result = host.run(join(projectRoot, 'bin/skopeo'), ['--policy', '/nonexistent.json', 'copy', `dir:${file('dir')}`, `dir:${file('copied')}`])
  assert.equal(result.code, 1)
  assert.match(result.stderr, /trust policy: open \/nonexistent.json: no such file or directory/)
  assert.equal(host.run(join(projectRoot, 'bin/skopeo'), ['--policy', '/nonexistent.json', '--insecure-policy', 'copy', '-q', `dir:${file('dir')}`, `dir:${file('copied')}`]).code, 0)
})

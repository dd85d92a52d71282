/** What skopeo's own system tests check of copies: registries with logins and certificates, formats, signatures. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { expectOk, freePort, projectRoot, type Result, TestHost } from '../support/host.ts'

const host = new TestHost()
const policy = join(host.directory, 'policy.json')
const image = `dir:${host.directory}/app`
let registry = ''

function run(args: readonly string[], env: Record<string, string> = {}): Result {
  return host.run(join(projectRoot, 'bin/skopeo'), args[0] === '--policy' ? args : ['--policy', policy, ...args], { env })
}

function ok(args: readonly string[], env: Record<string, string> = {}): string {
  return expectOk(['skopeo', ...args], run(args, env))
}

function theirs(args: readonly string[]): string {
  return expectOk(['skopeo', ...args], host.run('skopeo', ['--policy', policy, ...args]))
}

/** Digests of the files of a layout or directory. */
function blobs(directory: string): string[] {
  return readdirSync(directory, { recursive: true }).map((name) => (String(name).split('/').at(-1) as string)).filter((name) => /^[0-9a-f]{64}$/.test(name)).toSorted()
}

before(async () => {
  registry = await host.startRegistry({ user: 'testuser', password: 'secret' })
  ok(['copy', `tarball:${host.busyboxTar()}`, image])
})
after(() => host.dispose())

test('logins on the command line', () => {
  const name = `docker://${registry}/nonesuch`
  for (const creds of [[], ['--creds', 'baduser:bad'], ['--creds', 'testuser:bad']]) {
    const { code, stderr } = run(['inspect', '--tls-verify=false', ...creds, name])
    assert.equal(code, 1)
    assert.match(stderr, /unauthorized: authentication required/)
    assert.doesNotMatch(stderr, /bad\b(?!user)/)
  }
  assert.match(run(['inspect', '--tls-verify=false', '--username', 'testuser', '--password', 'secret', name]).stderr, /manifest unknown: manifest unknown/)
  ok(['copy', '--dest-tls-verify=false', '--dest-creds', 'testuser:secret', image, `docker://${registry}/app:1`])
  ok(['copy', '--src-tls-verify=false', '--src-creds', 'testuser:secret', '--dest-tls-verify=false', '--dest-creds', 'testuser:secret', `docker://${registry}/app:1`, `docker://${registry}/app:2`])
  assert.match(run(['copy', '--src-tls-verify=false', '--src-no-creds', '--dest-tls-verify=false', '--dest-creds', 'testuser:secret', `docker://${registry}/app:1`, `docker://${registry}/app:3`]).stderr, /authentication required/)
})

test('login and logout, in the usual file and in a named one', () => {
  const authFile = join(host.directory, 'auth.json')
  const name = `docker://${registry}/app:1`
  for (const flags of [[], ['--authfile', authFile]]) {
    const env = { XDG_RUNTIME_DIR: host.directory }
    assert.match(ok(['login', '--tls-verify=false', ...flags, '-u', 'testuser', '-p', 'secret', registry], env), /Login Succeeded!/)
    assert.equal(ok(['login', '--get-login', ...flags, registry], env), 'testuser')
    assert.match(ok(['inspect', '--tls-verify=false', ...flags, name], env), /"Digest"/)
    assert.match(ok(['logout', ...flags, registry], env), /Removed login credentials for/)
    assert.match(run(['inspect', '--tls-verify=false', ...flags, name], env).stderr, /authentication required/)
  }
})

test('a registry with a certificate of its own', async () => {
  const port = await freePort()
  const certificates = join(host.directory, 'client')
  mkdirSync(certificates)
  host.run('openssl', ['req', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-keyout', 'tls.key', '-x509', '-days', '2', '-out', 'client/ca.crt', '-subj', '/CN=registry', '-addext', 'subjectAltName=DNS:localhost'])
  const config = host.writeFile('tls.yml', `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${host.directory}/tls}}\nhttp: {addr: "127.0.0.1:${port}", tls: {certificate: ${certificates}/ca.crt, key: ${host.directory}/tls.key}}\n`)
  const server = spawn('docker-registry', ['serve', config], { stdio: 'ignore', env: host.env })
  try {
    const name = `docker://localhost:${port}/app:1`
    const copied = (): Result => run(['copy', '--dest-cert-dir', certificates, image, name])
    for (let attempt = 0; copied().code !== 0; attempt++) assert.ok(attempt < 30, copied().stderr)
    assert.match(run(['inspect', name]).stderr, /certificate of localhost:\d+ not trusted/)
    assert.match(ok(['inspect', '--cert-dir', certificates, name]), /"Digest"/)
    assert.match(ok(['inspect', '--tls-verify=false', name]), /"Digest"/)
  } finally {
    server.kill('SIGKILL')
  }
})

test('a layout with a tag, without one, with zstd layers, with blobs shared between layouts', () => {
  const place = (name: string): string => join(host.directory, name)
  ok(['copy', image, `oci:${place('layout')}:v1`])
  ok(['copy', image, `oci:${place('untagged')}`])
  assert.equal(theirs(['inspect', '--raw', `oci:${place('untagged')}`]), theirs(['inspect', '--raw', `oci:${place('layout')}:v1`]))
  ok(['copy', '--dest-compress-format', 'zstd', image, `oci:${place('zstd')}:v1`])
  const { layers } = JSON.parse(theirs(['inspect', '--raw', `oci:${place('zstd')}:v1`])) as { layers: { mediaType: string; digest: string }[] }
  assert.equal(layers[0]?.mediaType, 'application/vnd.oci.image.layer.v1.tar+zstd')
  assert.deepEqual([...readFileSync(join(place('zstd'), 'blobs/sha256', layers[0].digest.slice(7))).subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd])
  mkdirSync(place('shared'))
  ok(['copy', '--dest-shared-blob-dir', place('shared'), image, `oci:${place('sharing')}:v1`])
  assert.deepEqual(blobs(place('sharing')), [])
  ok(['copy', '--src-shared-blob-dir', place('shared'), `oci:${place('sharing')}:v1`, `oci:${place('own')}:v1`])
  assert.deepEqual(blobs(place('own')), blobs(place('layout')))
})

test('an archive with further tags is what podman loads', () => {
  const archive = join(host.directory, 'tags.tar')
  ok(['copy', '--additional-tag', 'localhost/busybox:mine', image, `docker-archive:${archive}:localhost/busybox:latest`])
  host.podmanOk(['load', '-q', '-i', archive])
  const names = host.podmanOk(['images', '--format', '{{.Repository}}:{{.Tag}}'])
  for (const tag of ['latest', 'mine']) assert.match(names, new RegExp(`^localhost/busybox:${tag}$`, 'm'))
})

test('signatures: made, demanded by a policy, removed, and made alone', () => {
  const env = { GNUPGHOME: join(host.directory, 'gnupg') }
  mkdirSync(env.GNUPGHOME, { mode: 0o700 })
  host.run('gpg', ['--batch', '--passphrase', '', '--quick-gen-key', 'alice@example.com', 'default', 'default', 'never'], { env })
  try {
    host.writeFile('alice.gpg', Buffer.from(host.run('sh', ['-c', 'gpg --export alice@example.com | base64'], { env }).stdout, 'base64'))
    const registriesD = join(host.directory, 'registries.d')
    mkdirSync(registriesD)
    host.writeFile('registries.d/r.yaml', `docker:\n  ${registry}:\n    sigstore: file://${host.directory}/signatures\n`)
    const demanding = host.writeFile('demanding.json', JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: { [registry]: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: join(host.directory, 'alice.gpg') }] } } }))
    const creds = ['--tls-verify=false', '--creds', 'testuser:secret']
    const dest = ['--registries.d', registriesD, 'copy', ...creds.map((flag) => flag.replace('--', '--dest-'))]
    ok([...dest, '--sign-by', 'alice@example.com', image, `docker://${registry}/signed:1`], env)
    ok([...dest, image, `docker://${registry}/unsigned:1`], env)
    const fetch = ['--policy', demanding, '--registries.d', registriesD, 'copy', ...creds.map((flag) => flag.replace('--', '--src-'))]
    ok([...fetch, `docker://${registry}/signed:1`, `dir:${host.directory}/signed`], env)
    assert.ok(existsSync(join(host.directory, 'signed/signature-1')))
    const refused = run([...fetch, `docker://${registry}/unsigned:1`, `dir:${host.directory}/unsigned`], env)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /Source image rejected: A signature was required, but no signature exists/)
    ok([...fetch, '--remove-signatures', `docker://${registry}/signed:1`, `dir:${host.directory}/removed`], env)
    assert.ok(!existsSync(join(host.directory, 'removed/signature-1')))
    const manifest = join(host.directory, 'app/manifest.json')
    const signature = join(host.directory, 'alone.signature')
    ok(['standalone-sign', '-o', signature, manifest, 'localhost/app:1', 'alice@example.com'], env)
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(host.run('gpg', ['--with-colons', '--list-keys', 'alice@example.com'], { env }).stdout)?.[1] as string
    assert.equal(ok(['standalone-verify', manifest, 'localhost/app:1', fingerprint, signature], env), `Signature verified, digest ${ok(['manifest-digest', manifest])}`)
    assert.equal(host.run('skopeo', ['standalone-verify', manifest, 'localhost/app:1', fingerprint, signature], { env }).code, 0)
    assert.equal(run(['standalone-verify', manifest, 'localhost/app:2', fingerprint, signature], env).code, 1)
  } finally {
    host.run('gpgconf', ['--kill', 'all'], { env })
  }
})

test('keys for sigstore are made once', () => {
  const prefix = join(host.directory, 'key')
  host.writeFile('passphrase', 'secret\n')
  const args = ['generate-sigstore-key', '--output-prefix', prefix, '--passphrase-file', join(host.directory, 'passphrase')]
  assert.equal(ok(args), `Key written to "${prefix}.private" and "${prefix}.pub"`)
  assert.match(readFileSync(`${prefix}.pub`, 'utf8'), /^-----BEGIN PUBLIC KEY-----/)
  assert.match(run(args).stderr, /Refusing to overwrite existing/)
})

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { GpgHome } from '../support/gpg-home.ts'
import { type Result, projectRoot, TestHost } from '../support/host.ts'

const host = new TestHost()
const gpg = new GpgHome()
after(() => {
  host.dispose()
  gpg.dispose()
})
const file = (path: string): string => join(host.directory, path)
const registriesD = file('home/.config/containers/registries.d')
let registry = ''
let [alice, bob] = ['', '']
let digest = ''

before(async () => {
  registry = await host.startRegistry()
  ;[alice, bob] = [gpg.makeKey('alice'), gpg.makeKey('bob')]
  gpg.exportKey(alice, 'alice.asc')
  gpg.exportKey(bob, 'bob.asc')
  mkdirSync(registriesD, { recursive: true })
  writeFileSync(join(registriesD, 'test.yaml'), `docker:\n  ${registry}:\n    lookaside: file://${file('signatures')}\n    use-sigstore-attachments: true\n`)
  setPolicy([{ type: 'insecureAcceptAnything' }])
  host.importBusybox('localhost/a:1')
  host.podmanOk(['push', '-q', 'localhost/a:1', `docker://${registry}/plain:1`])
  digest = skopeoOk(['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${registry}/plain:1`])
})

/** Of the user whom all tools run as. */
function setPolicy(requirements: readonly unknown[]): void {
  writeFileSync(file('home/.config/containers/policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }], transports: { docker: { [registry]: requirements } } }))
}

const signedBy = (keys: readonly string[], signedIdentity?: unknown): unknown => ({ type: 'signedBy', keyType: 'GPGKeys', keyPaths: keys.map((key) => join(gpg.directory, `${key}.asc`)), ...(signedIdentity === undefined ? {} : { signedIdentity }) })

const env = { GNUPGHOME: gpg.directory }
const skopeo = (args: readonly string[]): Result => host.run('skopeo', args, { env })
const ours = (args: readonly string[]): Result => host.run(join(projectRoot, 'bin/skopeo'), args, { env })

function skopeoOk(args: readonly string[]): string {
  const result = skopeo(args)
  assert.equal(result.code, 0, `skopeo ${args.join(' ')}: ${result.stderr}`)
  return result.stdout.trim()
}

type Tool = 'skopeo' | 'tpod'
const runners: Record<Tool, (args: readonly string[]) => Result> = { skopeo, tpod: ours }
let copies = 0

function sign(tool: Tool, key: string, name: string): void {
  setPolicy([{ type: 'insecureAcceptAnything' }])
  const result = runners[tool](['copy', '-q', '--sign-by', key, '--src-tls-verify=false', '--dest-tls-verify=false', `docker://${registry}/plain:1`, `docker://${registry}/${name}`])
  assert.equal(result.code, 0, result.stderr)
}

/** Whether each of skopeo, tpod image copy, podman pull and tpod pull takes the image. */
function verdicts(name: string): Record<string, boolean> {
  const copy = (tool: Tool): boolean => runners[tool](['copy', '-q', '--src-tls-verify=false', `docker://${registry}/${name}`, `dir:${file(`copy${copies++}`)}`]).code === 0
  const pulled = { podman: host.podman(['pull', '-q', '--tls-verify=false', `${registry}/${name}`]), tpod: host.tpod(['pull', '-q', `${registry}/${name}`]) }
  host.podman(['rmi', '-f', `${registry}/${name}`])
  return { skopeo: copy('skopeo'), 'tpod copy': copy('tpod'), podman: pulled.podman.code === 0, 'tpod pull': pulled.tpod.code === 0 }
}

const all = (accepted: boolean): Record<string, boolean> => ({ skopeo: accepted, 'tpod copy': accepted, podman: accepted, 'tpod pull': accepted })

for (const signer of ['skopeo', 'tpod'] as const) {
  test(`signed by ${signer}: all tools agree`, () => {
    const name = `${signer}-signed`
    sign(signer, alice, `${name}:1`)
    assert.ok(existsSync(file(`signatures/${name}@${digest.replace(':', '=')}/signature-1`)))
    setPolicy([signedBy(['alice'])])
    assert.deepEqual(verdicts(`${name}:1`), all(true))
    assert.deepEqual(verdicts(`${name}@${digest}`), all(true))
    assert.deepEqual(verdicts('plain:1'), all(false))
    setPolicy([signedBy(['bob'])])
    assert.deepEqual(verdicts(`${name}:1`), all(false))
    setPolicy([signedBy(['bob', 'alice'])])
    assert.deepEqual(verdicts(`${name}:1`), all(true))
    setPolicy([signedBy(['alice'], { type: 'exactReference', dockerReference: `${registry}/${name}:2` })])
    assert.deepEqual(verdicts(`${name}:1`), all(false))
    setPolicy([signedBy(['alice'], { type: 'exactRepository', dockerRepository: `${registry}/${name}` })])
    assert.deepEqual(verdicts(`${name}:1`), all(true))
  })
}

test('two signers: the second adds, both are required', () => {
  sign('skopeo', alice, 'two:1')
  setPolicy([signedBy(['alice']), signedBy(['bob'])])
  assert.deepEqual(verdicts('two:1'), all(false))
  setPolicy([{ type: 'insecureAcceptAnything' }])
  const again = ours(['copy', '-q', '--sign-by', bob, '--src-tls-verify=false', '--dest-tls-verify=false', `docker://${registry}/two:1`, `docker://${registry}/two:1`])
  assert.equal(again.code, 0, again.stderr)
  assert.ok(existsSync(file(`signatures/two@${digest.replace(':', '=')}/signature-2`)))
  setPolicy([signedBy(['alice']), signedBy(['bob'])])
  assert.deepEqual(verdicts('two:1'), all(true))
})

test('a mirror under another name: remapIdentity', () => {
  setPolicy([{ type: 'insecureAcceptAnything' }])
  const copied = ours(['copy', '-q', '--sign-by', alice, '--sign-identity', 'original.example.com/team/app:1', '--src-tls-verify=false', '--dest-tls-verify=false', `docker://${registry}/plain:1`, `docker://${registry}/mirror/app:1`])
  assert.equal(copied.code, 0, copied.stderr)
  setPolicy([signedBy(['alice'], { type: 'remapIdentity', prefix: `${registry}/mirror`, signedPrefix: 'original.example.com/team' })])
  assert.deepEqual(verdicts('mirror/app:1'), all(true))
  setPolicy([signedBy(['alice'], { type: 'remapIdentity', prefix: `${registry}/mirror`, signedPrefix: 'other.example.com/team' })])
  assert.deepEqual(verdicts('mirror/app:1'), all(false))
})

test('image sign, of podman and of tpod, adds to what is there; with --all it signs the images of a list', () => {
  setPolicy([{ type: 'insecureAcceptAnything' }])
  for (const tool of ['podman', 'tpod'] as const) {
    const list = `localhost/${tool}-list:1`
    host.tpodOk(['manifest', 'create', list, `docker://${registry}/plain:1`])
    host.tpodOk(['manifest', 'push', '--all', '-q', list, `docker://${registry}/${tool}-list:1`])
    const top = digestOf(skopeo(['inspect', '--raw', '--tls-verify=false', `docker://${registry}/${tool}-list:1`]).stdout)
    const signWith = (...args: string[]): void => {
      const result = host[tool](['image', 'sign', '--sign-by', 'alice@test', ...args, `docker://${registry}/${tool}-list:1`], { env })
      assert.equal(result.code, 0, result.stderr)
    }
    signWith()
    signWith()
    assert.ok(existsSync(file(`signatures/${tool}-list@${top.replace(':', '=')}/signature-2`)))
    setPolicy([signedBy(['alice'])])
    // What is taken of a list is one image, and that has no signature yet.
    assert.deepEqual(verdicts(`${tool}-list:1`), all(false))
    setPolicy([{ type: 'insecureAcceptAnything' }])
    signWith('--all')
    setPolicy([signedBy(['alice'])])
    assert.deepEqual(verdicts(`${tool}-list:1`), all(true))
    assert.match(host.tpodOk(['trust', 'explain', '--verify', `${registry}/${tool}-list:1`]), new RegExp(`Manifest: +${digest}\n[^]*signature 1 by ${alice} for .*: accepted`))
    setPolicy([{ type: 'insecureAcceptAnything' }])
  }
})

test('signed as it is pushed', () => {
  setPolicy([{ type: 'insecureAcceptAnything' }])
  // As an image of its own: the other one has in the store the signatures with which it was pulled.
  host.importBusybox('localhost/unsigned:1', ['CMD ["true"]'])
  const pushed = host.tpod(['push', '-q', '--sign-by', alice, 'localhost/unsigned:1', `docker://${registry}/pushed:1`], { env })
  assert.equal(pushed.code, 0, pushed.stderr)
  setPolicy([signedBy(['alice'])])
  assert.deepEqual(verdicts('pushed:1'), all(true))
})

test('signatures travel in directories and in the store', () => {
  sign('skopeo', alice, 'travel:1')
  setPolicy([{ type: 'insecureAcceptAnything' }])
  const [theirs, mine] = [file('travel-skopeo'), file('travel-tpod')]
  skopeoOk(['copy', '-q', '--src-tls-verify=false', `docker://${registry}/travel:1`, `dir:${theirs}`])
  assert.equal(ours(['copy', '-q', '--src-tls-verify=false', `docker://${registry}/travel:1`, `dir:${mine}`]).code, 0)
  assert.deepEqual(readFileSync(join(mine, 'signature-1')), readFileSync(join(theirs, 'signature-1')))
  // In the store, too: each finds the signature that the other pulled, and so refuses to push the layers in another form.
  for (const [puller, giver] of [['podman', 'tpod'], ['tpod', 'podman']] as const) {
    const pulled = host[puller](['pull', '-q', `${registry}/travel:1`])
    assert.equal(pulled.code, 0, pulled.stderr)
    assert.match(host[giver](['push', '-q', `${registry}/travel:1`, `dir:${file(`pushed-by-${giver}`)}`]).stderr, /"Would invalidate signatures"/)
    host.podmanOk(['rmi', '-f', `${registry}/travel:1`])
  }
  const policy = host.writeFile('dir-policy.json', JSON.stringify({ default: [{ type: 'reject' }], transports: { dir: { [host.directory]: [signedBy(['alice'], { type: 'exactReference', dockerReference: `${registry}/travel:1` })] } } }))
  for (const [reader, directory] of [['skopeo', mine], ['tpod', theirs]] as const) {
    const result = runners[reader](['--policy', policy, 'copy', '-q', `dir:${directory}`, `dir:${file(`travelled-${reader}`)}`])
    assert.equal(result.code, 0, result.stderr)
  }
})

test('a manifest in a file: standalone-sign and standalone-verify', () => {
  const manifest = host.writeFile('manifest.json', readFileSync(join(file('travel-tpod'), 'manifest.json')))
  for (const [signer, verifier] of [['skopeo', 'tpod'], ['tpod', 'skopeo']] as const) {
    const signature = file(`${signer}.signature`)
    const signed = runners[signer](['standalone-sign', manifest, 'example.com/app:1', alice, '-o', signature])
    assert.equal(signed.code, 0, signed.stderr)
    const good = runners[verifier](['standalone-verify', manifest, 'example.com/app:1', alice, signature])
    assert.deepEqual([good.code, good.stdout], [0, `Signature verified, digest ${digest}\n`], good.stderr)
    assert.equal(runners[verifier](['standalone-verify', manifest, 'example.com/app:2', alice, signature]).code, 1)
    assert.equal(runners[verifier](['standalone-verify', manifest, 'example.com/app:1', bob, signature]).code, 1)
    const [theirs, mine] = [skopeo, ours].map((run) => JSON.parse(run(['untrusted-signature-dump-without-verification', signature]).stdout) as Record<string, string>)
    assert.equal(Date.parse(mine?.['UntrustedTimestamp'] ?? ''), Date.parse(theirs?.['UntrustedTimestamp'] ?? ''))
    assert.deepEqual({ ...mine, UntrustedTimestamp: '' }, { ...theirs, UntrustedTimestamp: '' })
  }
})

// Without gpg2, which Debian does not have, podman shows no owners of keys.
const show = (args: readonly string[], result: string): string => (args.includes('--json') ? result.replaceAll(/,\n +"gpg_id": "[^N][^"]*"/g, '') : result.replaceAll(/ *alice@test, bob@test| *alice@test| *bob@test/g, '').replaceAll(/ +/g, ' '))

test('image trust set writes the bytes that podman writes, and show prints its table', () => {
  const [theirs, mine] = [file('podman-policy.json'), file('tpod-policy.json')]
  const steps = [['-t', 'accept', 'default'], ['-t', 'reject', 'evil.example.com'], ['-t', 'sigstoreSigned', '-f', join(gpg.directory, 'bob.asc'), 'b.example.com/x'], ['-t', 'signedBy', '-f', join(gpg.directory, 'alice.asc'), '-f', join(gpg.directory, 'bob.asc'), 'b.example.com/x:1'], ['-t', 'reject', 'default']]
  for (const step of steps) {
    host.podmanOk(['image', 'trust', 'set', '--policypath', theirs, ...step])
    host.tpodOk(['image', 'trust', 'set', '--policypath', mine, ...step])
  }
  assert.equal(readFileSync(mine, 'utf8'), readFileSync(theirs, 'utf8'))
  for (const args of [[], ['-n'], ['--json'], ['--raw']]) {
    const words = ['image', 'trust', 'show', '--policypath', mine, '--registrypath', registriesD, ...args]
    assert.equal(show(args, host.tpodOk(words)), show(args, host.podmanOk(words)))
  }
})

test('sigstore: signatures with a key lie where cosign and containers/image look for them, and are verified', (context) => {
  const key = file('cosign')
  const made = host.run(join(projectRoot, 'bin/skopeo'), ['generate-sigstore-key', '--output-prefix', key, '--passphrase-file', host.writeFile('passphrase', 'secret\n')])
  assert.equal(made.code, 0, made.stderr)
  setPolicy([{ type: 'insecureAcceptAnything' }])
  const flags = ['--sign-by-sigstore-private-key', `${key}.private`, '--sign-passphrase-file', file('passphrase')]
  const copy = (tool: Tool, name: string): Result => runners[tool](['copy', '-q', ...flags, '--src-tls-verify=false', '--dest-tls-verify=false', `docker://${registry}/plain:1`, `docker://${registry}/${name}`])
  const signed = copy('tpod', 'sigstore:1')
  assert.equal(signed.code, 0, signed.stderr)
  const attachment = JSON.parse(skopeoOk(['inspect', '--raw', '--tls-verify=false', `docker://${registry}/sigstore:${digest.replace(':', '-')}.sig`])) as { layers: { mediaType: string; annotations: Record<string, string> }[] }
  assert.deepEqual(attachment.layers.map(({ mediaType, annotations }) => [mediaType, Object.keys(annotations)]), [['application/vnd.dev.cosign.simplesigning.v1+json', ['dev.cosignproject.cosign/signature']]])
  const tpod = (name: string): boolean[] => [host.tpod(['pull', '-q', `${registry}/${name}`]).code === 0, ours(['copy', '-q', '--src-tls-verify=false', `docker://${registry}/${name}`, `dir:${file(`copy${copies++}`)}`]).code === 0]
  setPolicy([{ type: 'sigstoreSigned', keyPath: `${key}.pub` }])
  assert.deepEqual(tpod('sigstore:1'), [true, true])
  assert.deepEqual(tpod('plain:1'), [false, false])
  setPolicy([{ type: 'insecureAcceptAnything' }])
  const probe = copy('skopeo', 'sigstore-by-skopeo:1')
  if (/sigstore disabled/.test(probe.stderr)) return context.diagnostic("Debian's skopeo has no sigstore signatures: only our own were looked at")
  assert.equal(probe.code, 0, probe.stderr)
  setPolicy([{ type: 'sigstoreSigned', keyPath: `${key}.pub` }])
  assert.deepEqual(verdicts('sigstore-by-skopeo:1'), all(true))
  assert.deepEqual(verdicts('sigstore:1'), all(true))
})

/** login and logout against a registry that wants a password: words, files, helpers, prompts, and where secrets must not be. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { HelperFixture } from '../support/credential-helper.ts'
import { expectOk, type Result, TestHost } from '../support/host.ts'
import { Terminal } from '../support/terminal.ts'

const host = new TestHost()
const secret = 'Sup3rGeheim-zq81'
let registry = ''
let authFile = ''

before(async () => {
  registry = await host.startRegistry({ user: 'someone', password: secret })
  authFile = join(host.directory, 'auth.json')
  // Not /run/containers of the machine.
  host.env['XDG_RUNTIME_DIR'] = join(host.directory, 'home')
})
after(() => host.dispose())

const login = (args: readonly string[], input = ''): Result => host.tpod(['login', '--authfile', authFile, ...args], { input })

test('a login is checked, stored, found by podman and skopeo, and forgotten', () => {
  const result = login(['-u', 'someone', '--password-stdin', registry], `${secret}\n`)
  assert.deepEqual([result.code, result.stdout], [0, 'Login Succeeded!\n'], result.stderr)
  assert.equal(statSync(authFile).mode & 0o777, 0o600)
  assert.equal(login(['--get-login', registry]).stdout, 'someone\n')
  assert.equal(host.podmanOk(['login', '--authfile', authFile, '--get-login', registry]), 'someone')
  assert.match(login([registry]).stdout, new RegExp(`^Authenticating with existing credentials for ${registry}\nExisting credentials are valid. Already logged in to ${registry}\n$`))
  const logout = host.tpod(['logout', '--authfile', authFile, registry])
  assert.equal(logout.stdout, `Removed login credentials for ${registry}\n`)
  const again = host.tpod(['logout', '--authfile', authFile, registry])
  assert.deepEqual([again.code, /not logged into/.test(again.stderr)], [125, true])
  host.podmanOk(['login', '--authfile', authFile, '-u', 'someone', '-p', secret, registry])
  assert.equal(host.tpodOk(['logout', '--authfile', authFile, '--all']), 'Removed login credentials for all registries')
  assert.deepEqual(JSON.parse(readFileSync(authFile, 'utf8')), { auths: {} })
})

test('the default file is the one in the runtime directory; REGISTRY_AUTH_FILE comes before it', () => {
  const file = join(host.directory, 'home/containers/auth.json')
  assert.match(host.tpodOk(['login', '-v', '-u', 'someone', '--password-stdin', registry], { input: secret }), new RegExp(`Used:  ${file}\nLogin Succeeded!`))
  assert.equal(host.podmanOk(['login', '--get-login', registry]), 'someone')
  const other = join(host.directory, 'other.json')
  host.tpodOk(['login', '-u', 'someone', '--password-stdin', registry], { input: secret, env: { REGISTRY_AUTH_FILE: other } })
  assert.ok(existsSync(other))
  host.tpodOk(['logout', registry])
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { auths: {} })
  host.registries(`unqualified-search-registries = ["${registry}"]\n`)
  host.tpodOk(['login', '-u', 'someone', '--password-stdin'], { input: secret })
  assert.equal(host.tpodOk(['logout']), `Removed login credentials for ${registry}`)
})

test('wrong credentials store nothing; old ones stay', () => {
  login(['-u', 'someone', '--password-stdin', registry], secret)
  const former = readFileSync(authFile, 'utf8')
  const wrong = login(['-u', 'someone', '--password-stdin', registry], 'wrong')
  assert.deepEqual([wrong.code, wrong.stderr], [125, `Error: logging into "${registry}": invalid username/password\n`])
  assert.equal(readFileSync(authFile, 'utf8'), former)
  host.tpodOk(['logout', '--authfile', authFile, registry])
})

test('contradictions and what is missing', () => {
  const cases: [args: string[], words: RegExp][] = [
    [['--password-stdin', registry], /Must provide --username with --password-stdin/],
    [['--password-stdin', '-p', 'x', '-u', 'x', registry], /Can't specify both --password-stdin and --password/],
    [['-u', 'x', registry], /reading password: inappropriate ioctl for device/],
    [['-u', 'x', '-p', 'y', `${registry}/ns:tag`], /contains tag or digest/],
    [['--compat-auth-file', '/x', '-u', 'x', '-p', 'y', registry], /can not be set simultaneously/],
    [['--get-login', registry], /not logged into/],
    [['-u', 'x', '-p', 'y', '127.0.0.1:1'], /authenticating creds for "127\.0\.0\.1:1"/],
  ]
  for (const [args, words] of cases) {
    const result = login(args)
    assert.equal(result.code, 125, args.join(' '))
    assert.match(result.stderr, words)
  }
  assert.match(host.tpod(['logout', '--authfile', '/nonexistent', registry]).stderr, /checking authfile: stat \/nonexistent: no such file or directory/)
  assert.match(host.tpod(['logout', '--all', registry]).stderr, /--all takes no arguments/)
})

test('a password is asked for without showing it', async () => {
  const terminal = new Terminal(host, ['login', '--authfile', authFile, registry])
  await terminal.expect(/Username: /)
  terminal.type('someone\r')
  await terminal.expect(/Password: /)
  terminal.type(`wrong\x15${secret}x\x7f\r`)
  await terminal.expect(/Login Succeeded!/)
  assert.equal(await terminal.wait(), 0)
  assert.ok(!terminal.output.includes(secret))
  host.tpodOk(['logout', '--authfile', authFile, registry])
})

test('^C at the prompt ends it with the terminal as it was', async () => {
  const terminal = new Terminal(host, ['login', '--authfile', authFile, '-u', 'someone', registry])
  await terminal.expect(/Password: /)
  terminal.type('half\x03')
  assert.notEqual(await terminal.wait(), 0)
  assert.deepEqual(JSON.parse(readFileSync(authFile, 'utf8')), { auths: {} })
})

test('a namespace has a login of its own, which a pull uses', () => {
  host.importBusybox('localhost/ns')
  const policy = join(host.directory, 'policy.json')
  expectOk(['skopeo'], host.run('skopeo', ['--policy', policy, 'copy', '--dest-tls-verify=false', '--dest-creds', `someone:${secret}`, `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]localhost/ns`, `docker://${registry}/team/app`]))
  login(['-u', 'someone', '--password-stdin', `${registry}/team`], secret)
  host.tpodOk(['pull', '-q', '--authfile', authFile, `${registry}/team/app`])
  assert.equal(host.tpodOk(['logout', '--authfile', authFile, `${registry}/team`]), `Removed login credentials for ${registry}/team`)
  assert.notEqual(host.tpod(['pull', '-q', '--authfile', authFile, `${registry}/team/app`]).code, 0)
})

test('with a helper the secret is in no argument, environment, file, message or debug output', async () => {
  const helper = new HelperFixture(join(host.directory, 'helper'), 'slow', 0.4)
  writeFileSync(authFile, JSON.stringify({ credHelpers: { [registry]: 'slow' } }))
  const env = { PATH: `${helper.path}:${host.env['PATH']}` }
  const child = host.spawnTpod(['--log-level', 'debug', 'login', '--authfile', authFile, '-u', 'someone', '--password-stdin', registry], { env })
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  child.stdin?.end(secret)
  const seen = new Set<string>()
  while (child.exitCode === null && child.signalCode === null) {
    for (const text of processTexts()) {
      assert.ok(!text.includes(secret), text)
      if (text.includes('docker-credential-slow')) seen.add('helper')
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.equal(await ended, 0, output)
  assert.ok(seen.has('helper'))
  assert.ok(!output.includes(secret) && !output.includes(Buffer.from(`someone:${secret}`).toString('base64')))
  assert.ok(!readFileSync(authFile, 'utf8').includes('auth"'))
  assert.deepEqual(helper.calls(), ['get', 'store'])
  assert.equal(host.tpodOk(['login', '--authfile', authFile, '--get-login', registry], { env }), 'someone')
  host.tpodOk(['logout', '--authfile', authFile, registry], { env })
  assert.equal(readdirSync(join(host.directory, 'helper/kept')).length, 0)
})

/** Arguments and environments of all processes but this one's own. */
function processTexts(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid)).flatMap((pid) => ['cmdline', 'environ'].map((file) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'latin1')
    } catch {
      return ''
    }
  }))
}

test('under the name skopeo the messages and the exit status are skopeo\'s', () => {
  const env = { TPOD_CALLED_AS: 'skopeo' }
  const skopeo = (args: readonly string[], input = ''): Result => host.run(join(import.meta.dirname, '../../bin/skopeo'), args, { env, input })
  if (!existsSync(join(import.meta.dirname, '../../bin/skopeo'))) return
  const file = join(host.directory, 'skopeo.json')
  assert.equal(skopeo(['login', '--authfile', file, '--tls-verify=false', '-u', 'someone', '--password-stdin', registry], secret).stdout, 'Login Succeeded!\n')
  assert.equal(expectOk(['skopeo'], host.run('skopeo', ['login', '--authfile', file, '--get-login', registry])), 'someone')
  const none = skopeo(['login', '--authfile', file])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /please provide a registry to login to/)
  assert.equal(skopeo(['logout', '--authfile', file, registry]).stdout, `Removed login credentials for ${registry}\n`)
})

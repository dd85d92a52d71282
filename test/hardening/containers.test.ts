/** Hostile images: what their root file systems and configurations try against the host that runs them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { expectOk, type Result, TestHost } from '../support/host.ts'

const host = new TestHost()
const run = ['run', '--rm', '--network', 'none']
/** A directory of the host that no container may change. */
const outside = join(host.directory, 'outside')
const timeoutMs = 30_000

before(() => {
  mkdirSync(outside)
  writeFileSync(join(outside, 'passwd'), 'host:x:0:0::/:/bin/sh\n')
  host.importBusybox('localhost/plain')
  host.tpodOk(['run', '-d', '--name', 'bystander', '--network', 'none', 'localhost/plain', 'sleep', '600'])
})
after(() => {
  assert.deepEqual(readdirSync(outside), ['passwd'])
  assert.equal(readFileSync(join(outside, 'passwd'), 'utf8'), 'host:x:0:0::/:/bin/sh\n')
  host.dispose()
})

/** An image whose busybox tree was changed. */
function hostileImage(name: string, change: (rootfs: string) => void, directives: readonly string[] = []): string {
  const rootfs = join(host.directory, `rootfs-${name}`)
  cpSync(host.busyboxRootfs(), rootfs, { recursive: true, verbatimSymlinks: true })
  change(rootfs)
  const tar = join(host.directory, `${name}.tar`)
  expectOk(['tar'], host.run('tar', ['-C', rootfs, '-cf', tar, '.']))
  host.podmanOk(['import', '-q', '--change', 'CMD ["sh"]', ...directives.flatMap((one) => ['--change', one]), tar, `localhost/${name}`])
  return `localhost/${name}`
}

/** An image with a config that no honest tool writes: podman's, with its `config` replaced. */
function forgedImage(name: string, config: Record<string, unknown>): Result {
  const directory = join(host.directory, `forged-${name}`)
  const reference = `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]localhost/plain`
  expectOk(['skopeo'], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', '-q', reference, `oci:${directory}:x`]))
  const blob = (digest: string): string => join(directory, 'blobs/sha256', digest.slice(7))
  const read = (path: string): Record<string, never> => JSON.parse(readFileSync(path, 'utf8')) as Record<string, never>
  const write = (value: unknown): { digest: string; size: number } => {
    const data = Buffer.from(JSON.stringify(value))
    const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`
    writeFileSync(blob(digest), data)
    return { digest, size: data.length }
  }
  const index = read(join(directory, 'index.json')) as unknown as { manifests: { digest: string; size: number }[] }
  const manifest = read(blob(index.manifests[0]?.digest ?? '')) as unknown as { config: { digest: string; size: number } }
  const document = read(blob(manifest.config.digest)) as Record<string, unknown>
  Object.assign(manifest.config, write({ ...document, config: { Cmd: ['true'], ...config } }))
  Object.assign(index.manifests[0] ?? {}, write(manifest))
  writeFileSync(join(directory, 'index.json'), JSON.stringify(index))
  return host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', '-q', `oci:${directory}:x`, `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]localhost/${name}`])
}

test('a FIFO, a device or a giant as /etc/passwd and /etc/group neither hangs nor is read whole (CVE-2024-9676, CVE-2026-47262)', () => {
  const fifo = hostileImage('fifo', (rootfs) => {
    for (const name of ['passwd', 'group']) {
      rmSync(join(rootfs, 'etc', name))
      expectOk(['mkfifo'], host.run('mkfifo', [join(rootfs, 'etc', name)]))
    }
  })
  const zero = hostileImage('zero', (rootfs) => {
    rmSync(join(rootfs, 'etc/group'))
    expectOk(['mknod'], host.run('mknod', [join(rootfs, 'etc/group'), 'c', '1', '5']))
  })
  const giant = hostileImage('giant', (rootfs) => {
    expectOk(['truncate'], host.run('truncate', ['-s', '9M', join(rootfs, 'etc/group')]))
    rmSync(join(rootfs, 'etc/passwd'))
    symlinkSync('group', join(rootfs, 'etc/passwd'))
  })
  for (const [image, pattern] of [[fifo, /not a regular file/], [zero, /not a regular file/], [giant, /larger than/]] as const) {
    for (const user of ['somebody', '4321']) {
      const result = host.tpod([...run, '-u', user, image, 'true'], { timeoutMs })
      assert.notEqual(result.code, 0)
      assert.match(result.stderr, pattern)
    }
  }
})

test('symlinks and .. out of the root file system: user entries, working directory and mtab stay inside', () => {
  const image = hostileImage('links', (rootfs) => {
    rmSync(join(rootfs, 'etc/passwd'))
    symlinkSync(join(outside, 'passwd'), join(rootfs, 'etc/passwd'))
    symlinkSync(outside, join(rootfs, 'work'))
    symlinkSync(`../../../../../../../..${outside}`, join(rootfs, 'up'))
  }, [`WORKDIR /work/made/here`])
  const plain = host.tpod([...run, '-u', '4321', image, 'true'], { timeoutMs })
  assert.notEqual(plain.code, 0, 'a link that leads nowhere is not followed to the host')
  for (const workdir of ['/up/new', '/work/../../../../../../../../tmp/../work/x']) host.tpod([...run, '-w', workdir, image, 'true'], { timeoutMs })
  const etc = hostileImage('etc', (rootfs) => {
    rmSync(join(rootfs, 'etc'), { recursive: true })
    symlinkSync(outside, join(rootfs, 'etc'))
  })
  host.tpod([...run, etc, 'true'], { timeoutMs })
  assert.deepEqual(readdirSync(outside), ['passwd'])
})

test('/dev, /proc or /sys as a symlink is refused before a runtime sees it', () => {
  for (const name of ['dev', 'proc', 'sys']) {
    const image = hostileImage(`link-${name}`, (rootfs) => symlinkSync(outside, join(rootfs, name)))
    const result = host.tpod([...run, image, 'true'], { timeoutMs })
    assert.equal(result.code, 126)
    assert.match(result.stderr, new RegExp(`/${name} is a symlink`))
  }
})

test('volumes of an image: climbing names stay inside, copy-up reads the image and not the host', () => {
  const image = hostileImage('volumes', (rootfs) => symlinkSync(outside, join(rootfs, 'data')), ['VOLUME /data', 'VOLUME /../../../climbed'])
  const result = host.tpod([...run, '-v', 'filled:/data', image, 'ls', '/data'], { timeoutMs })
  assert.doesNotMatch(result.stdout, /passwd/)
  assert.ok(!existsSync('/climbed'))
})

test('no descriptor of ours is inherited by run and exec, and no working directory leads through one (CVE-2024-21626)', () => {
  const image = hostileImage('cwd', (rootfs) => symlinkSync('/proc/self/fd/7', join(rootfs, 'seven')))
  const list = 'for fd in /proc/self/fd/*; do readlink $fd; done | grep -v "^/proc/" | grep -c "^/[a-ce-z]" || true'
  assert.equal(host.tpodOk([...run, image, 'sh', '-c', list]), '0')
  assert.equal(host.tpodOk(['exec', 'bystander', 'sh', '-c', list]), '0')
  for (let fd = 3; fd <= 12; fd++) {
    const refused = host.tpod(['exec', '-w', `/proc/self/fd/${fd}`, 'bystander', 'ls', '../../../..'])
    assert.match(refused.stderr, /not allowed/)
  }
  const linked = host.tpod([...run, '-w', '/seven', image, 'ls', '../../../../../etc/hostname'], { timeoutMs })
  assert.notEqual(linked.code, 0)
})

test('the runtime is not overwritten by an entrypoint that is itself (CVE-2019-5736)', () => {
  const runtimes = ['runc', 'crun'].map((name) => host.run('which', [name]).stdout.trim()).filter((path) => path !== '').map((path) => realpathSync(path))
  const digests = (): string[] => runtimes.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'))
  const was = digests()
  const image = hostileImage('overwrite', (rootfs) => {
    symlinkSync('/proc/self/exe', join(rootfs, 'bin/itself'))
    writeFileSync(join(rootfs, 'bin/attack'), '#!/proc/self/exe\n', { mode: 0o755 })
  })
  for (const command of ['/bin/itself', '/proc/self/exe', '/bin/attack']) host.tpod([...run, image, command, 'version'], { timeoutMs })
  host.tpod(['exec', 'bystander', 'sh', '-c', 'for exe in /proc/[0-9]*/exe; do echo x 2>/dev/null > $exe; done'])
  assert.deepEqual(digests(), was)
})

test('top runs nothing of the image and reads no FIFO (CVE-2022-1227)', () => {
  const image = hostileImage('top', (rootfs) => {
    for (const name of ['ps', 'nsenter']) {
      rmSync(join(rootfs, 'bin', name), { force: true })
      writeFileSync(join(rootfs, 'bin', name), '#!/bin/sh\ntouch /executed\n', { mode: 0o755 })
    }
  })
  host.tpodOk(['run', '-d', '--name', 'topped', '--network', 'none', image, 'sh', '-c', 'rm /etc/passwd; mkfifo /etc/passwd; touch /ready; exec sleep 600'])
  while (host.tpod(['exec', 'topped', 'test', '-e', '/ready']).code !== 0);
  assert.match(host.tpodOk(['top', 'topped'], { timeoutMs }), /sleep 600/)
  assert.equal(host.tpod(['exec', 'topped', 'test', '-e', '/executed']).code, 1)
  assert.match(host.tpod(['top', 'topped', 'constructor']).stderr, /unknown descriptor/)
})

test('capabilities are not inheritable, and exec as a user has none (CVE-2022-27649)', () => {
  const capabilities = (args: readonly string[]): string => host.tpodOk([...args, 'grep', '-E', '^Cap(Inh|Eff|Amb)', '/proc/self/status']).replace(/\s+/g, ' ')
  for (const flags of [[], ['--privileged'], ['-u', 'user']]) assert.match(capabilities([...run, ...flags, 'localhost/plain']), /CapInh: 0{16} /, String(flags))
  // The kernel takes none as ambient that is not inheritable: what was asked for by name, and that alone.
  assert.match(capabilities([...run, '-u', 'user', '--cap-add', 'net_admin', 'localhost/plain']), /CapInh: 0000000000001000 CapEff: 0000000000001000 /)
  assert.equal(capabilities(['exec', '-u', 'user', 'bystander']), 'CapInh: 0000000000000000 CapEff: 0000000000000000 CapAmb: 0000000000000000')
  assert.match(capabilities(['exec', '--privileged', 'bystander']), /CapInh: 0{16} /)
})

test('a user is in his own groups and no other (CVE-2022-2990)', () => {
  assert.equal(host.tpodOk([...run, '-u', 'user', 'localhost/plain', 'id', '-G']), '1000 2000')
  assert.equal(host.tpodOk([...run, '-u', '7777:8888', 'localhost/plain', 'id', '-G']), '8888')
  assert.equal(host.tpodOk(['exec', '-u', 'user', 'bystander', 'id', '-G']), '1000 2000')
})

test('an image\'s environment names none of the caller\'s variables (CVE-2026-57231)', () => {
  expectOk(['forge'], forgedImage('environment', { Env: ['SECRET', '*', 'SEC*', '=x', 'PATH=/bin', 'GOOD=1'], Cmd: ['env'] }))
  const { stdout } = host.tpod([...run, 'localhost/environment'], { env: { SECRET: 'host-secret' } })
  assert.match(stdout, /^GOOD=1$/m)
  assert.doesNotMatch(stdout, /host-secret|SECRET/)
})

test('malformed configurations are refused in one line, as no defect of ours', () => {
  const malformed: [string, Record<string, unknown>][] = [
    ['env-number', { Env: [1, null] }], ['cmd-text', { Cmd: 'sh -c true' }], ['entrypoint-object', { Entrypoint: { 0: 'sh' } }], ['workdir-list', { WorkingDir: ['/'] }],
    ['volumes-list', { Volumes: ['/data'] }], ['labels-number', { Labels: { a: 1 } }], ['signal-number', { StopSignal: 9 }], ['nul', { WorkingDir: '/a\0b' }],
    ['root-volume', { Volumes: { '/': {} } }], ['port', { ExposedPorts: { '99999/tcp': {} } }], ['signal', { StopSignal: 'SIGNONE' }],
  ]
  for (const [name, config] of malformed) {
    // What the store's own tool refuses cannot be in the store.
    if (forgedImage(name, config).code !== 0) continue
    const result = host.tpod([...run, `localhost/${name}`], { timeoutMs })
    assert.notEqual(result.code, 0, name)
    assert.doesNotMatch(result.stderr, /defect of tpod|TypeError/, name)
    assert.doesNotMatch(host.tpod(['images', '-a']).stderr, /defect/)
  }
})

test('control characters of an image do not reach the terminal', () => {
  const escape = '\u001b]0;owned\u0007\u001b[2J'
  expectOk(['forge'], forgedImage('escape', { Labels: { note: escape }, Cmd: ['sleep', '600'], Env: [`X=${escape}`], WorkingDir: `/${escape}`, StopSignal: 'SIGTERM' }))
  host.tpodOk(['create', '--name', 'escaped', '--network', 'none', 'localhost/escape', 'sh', '-c', `echo ${escape}`])
  expectOk(['forge'], forgedImage('bad-escape', { StopSignal: escape, Volumes: { [`/${escape}`]: {} } }))
  const outputs = [
    host.tpod(['ps', '-a', '--no-trunc']), host.tpod(['ps', '-a', '--format', 'table {{.Labels}} {{.Command}}']), host.tpod(['images', '--format', 'table {{.Repository}} {{.Labels}}']),
    host.tpod(['inspect', 'escaped']), host.tpod(['image', 'inspect', 'localhost/escape']), host.tpod(['ps', '-a', '--format', 'json']), host.tpod([...run, 'localhost/bad-escape']),
    host.tpod([...run, `localhost/no${escape}image`]), host.tpod(['volume', 'inspect', escape]),
  ]
  for (const [index, { stdout, stderr }] of outputs.entries()) assert.doesNotMatch(stdout + stderr, /(?![\n\t])\p{Cc}/u, `output ${index}`)
})

test('credentials stand in no command line of ours or our helpers, nor in what is kept', async () => {
  const secret = 'very-secret-word'
  const registry = await host.startRegistry({ user: 'tester', password: secret })
  const authFile = host.writeFile('auth.json', JSON.stringify({ auths: { [registry]: { auth: Buffer.from(`tester:${secret}`).toString('base64') } } }))
  const result = host.tpod(['--log-level=debug', 'pull', '--authfile', authFile, '--tls-verify=false', `${registry}/none:1`])
  assert.notEqual(result.code, 0)
  assert.doesNotMatch(result.stdout + result.stderr, new RegExp(`${secret}|${Buffer.from(`tester:${secret}`).toString('base64')}`))
  host.tpod(['create', '--name', 'kept', '--creds', `tester:${secret}`, 'localhost/plain', 'true'])
  assert.equal(host.run('grep', ['-rl', secret, join(host.graphRoot, 'tpod'), join(host.graphRoot, 'overlay-containers')]).stdout, '')
})

test('nothing on the host changed', () => {
  assert.ok(statSync(outside).isDirectory())
  assert.deepEqual(readdirSync(outside), ['passwd'])
})

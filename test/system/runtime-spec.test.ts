/** Generated specs, run by the real runtimes on a busybox root file system. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { builtInEngineConfig } from '../../src/config/containers-conf-defaults.ts'
import { removeCgroups } from '../../src/host/cgroup/container-cgroup.ts'
import { detectCgroups } from '../../src/host/cgroup/detect.ts'
import { encodeSpec, generateSpec } from '../../src/libpod/spec/generate.ts'
import { resolveContainerConfig } from '../../src/libpod/spec/resolve-config.ts'
import type { ImageProcessConfig } from '../../src/libpod/spec/resolve-config.ts'
import type { ContainerSpec } from '../../src/libpod/types.ts'
import { fillVolume } from '../../src/libpod/volume/fill-volume.ts'
import { createVolume, volumePaths } from '../../src/libpod/volume/volume-store.ts'
import { chooseRuntime } from '../../src/ociruntime/choose-runtime.ts'
import { plainSpec } from '../fixtures/container-spec.ts'

const engineConfig = builtInEngineConfig()
let work = ''
let rootfs = ''

before(() => {
  work = mkdtempSync('/var/tmp/tpod-spec-')
  rootfs = `${work}/rootfs`
  for (const name of ['bin', 'etc', 'tmp', 'var/tmp', 'run', 'data/sub']) mkdirSync(`${rootfs}/${name}`, { recursive: true })
  copyFileSync('/bin/busybox', `${rootfs}/bin/busybox`)
  for (const name of ['sh', 'id', 'mount', 'cat', 'ls', 'hostname', 'touch', 'unshare', 'grep', 'env', 'stat', 'date', 'ps', 'mkdir', 'pwd', 'df', 'whoami']) symlinkSync('busybox', `${rootfs}/bin/${name}`)
  writeFileSync(`${rootfs}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:Bob:/home/bob:/bin/sh\n')
  writeFileSync(`${rootfs}/etc/group`, 'root:x:0:\nbob:x:1000:\nwheel:x:10:bob\n')
  writeFileSync(`${rootfs}/data/sub/file`, 'from the image\n', { mode: 0o640 })
})
after(() => rmSync(work, { recursive: true, force: true }))

interface RunResult { status: number | null; stdout: string; stderr: string; warnings: string[] }

async function run(script: string, changes: Partial<ContainerSpec> = {}, image: ImageProcessConfig = {}, runtime = 'runc'): Promise<RunResult> {
  const id = randomBytes(32).toString('hex')
  const volumes = volumePaths(work, `${work}/tpod`)
  const config = resolveContainerConfig({
    id, name: 'test', created: new Date().toISOString(), spec: plainSpec({ command: ['sh', '-c', script], ...changes }),
    image: { id: 'f'.repeat(64), name: 'localhost/bb:latest', config: image }, engineConfig, volumes,
    runtime: chooseRuntime(engineConfig, runtime), cgroupManager: 'cgroupfs', logPath: '', createCommand: [],
  })
  for (const mount of config.mounts) {
    if (mount.type !== 'volume' || mount.name === undefined) continue
    await createVolume(volumes, { name: mount.name, anonymous: mount.anonymous ?? false }, true)
    if (mount.copyUp) await fillVolume(volumes, mount.name, rootfs, mount.destination)
  }
  const bundle = `${work}/bundle-${id.slice(0, 8)}`
  mkdirSync(bundle)
  const { spec, warnings } = generateSpec({ config, engineConfig, rootfs, bundle })
  writeFileSync(`${bundle}/config.json`, encodeSpec(spec))
  try {
    const result = spawnSync(config.runtime.path, ['--root', `${work}/state-${runtime}`, 'run', '--bundle', bundle, id], { encoding: 'utf8', timeout: 30_000 })
    return { status: result.status, stdout: result.stdout, stderr: result.stderr, warnings }
  } finally {
    removeCgroups(detectCgroups(), config.cgroupPath)
  }
}

async function output(script: string, changes: Partial<ContainerSpec> = {}, image: ImageProcessConfig = {}, runtime = 'runc'): Promise<string> {
  const result = await run(script, changes, image, runtime)
  assert.equal(result.status, 0, `${script}: ${result.stdout} ${result.stderr}`)
  return result.stdout.trimEnd()
}

describe('a generated spec under runc', { skip: existsSync('/usr/sbin/runc') || existsSync('/usr/bin/runc') ? false : 'runc is not installed' }, () => {
  test('root has the eleven capabilities, no more, and nothing inheritable', async () => {
    const status = await output('grep -E "^(Cap|Seccomp:|NoNewPrivs)" /proc/self/status')
    assert.match(status, /CapInh:\s+0000000000000000/)
    assert.match(status, /CapEff:\s+00000000800405fb/)
    assert.match(status, /CapBnd:\s+00000000800405fb/)
    assert.match(status, /Seccomp:\s+2/)
  })

  test('another user keeps only what was added', async () => {
    const plain = await output('grep Cap /proc/self/status; id', { user: 'bob' })
    assert.match(plain, /CapEff:\s+0000000000000000/)
    assert.match(plain, /uid=1000\(bob\) gid=1000\(bob\) groups=.*10\(wheel\)/)
    assert.match(await output('grep CapAmb /proc/self/status', { user: 'bob', capAdd: ['net_admin'] }), /0000000000001000/)
  })

  test('dropping all capabilities, adding one', async () => {
    assert.match(await output('grep CapEff /proc/self/status', { capDrop: ['ALL'], capAdd: ['CHOWN'] }), /0000000000000001/)
  })

  test('a forbidden system call is refused, and allowed unconfined', async () => {
    assert.notEqual((await run('unshare -m true')).status, 0)
    await output('unshare -m true', { capAdd: ['SYS_ADMIN'], securityOpt: ['seccomp=unconfined'] })
    assert.match(await output('grep Seccomp: /proc/self/status', { securityOpt: ['seccomp=unconfined'] }), /Seccomp:\s+0/)
  })

  test('no-new-privileges', async () => {
    assert.match(await output('grep NoNewPrivs /proc/self/status', { securityOpt: ['no-new-privileges'] }), /1/)
  })

  test('environment: defaults, image, user, HOME and HOSTNAME', async () => {
    const env = await output('env', { env: [{ name: 'A', value: '1' }], user: 'bob', hostname: 'box' }, { Env: ['FOO=bar', 'LEAK', 'A=0'] })
    for (const line of ['container=podman', 'FOO=bar', 'A=1', 'HOME=/home/bob', 'HOSTNAME=box']) assert.ok(env.split('\n').includes(line), `${line} in ${env}`)
    assert.ok(!env.includes('LEAK'))
    assert.match(env, /^TERM=xterm$/m)
    assert.equal(await output('hostname', { hostname: 'box' }), 'box')
  })

  test('masked and read-only paths', async () => {
    assert.equal(await output('cat /proc/keys /proc/timer_list'), '')
    assert.notEqual((await run('echo 1 > /proc/sys/kernel/domainname')).status, 0)
    await output('echo x > /proc/sys/kernel/domainname', { securityOpt: ['unmask=/proc/sys'] })
  })

  test('sysctl of an own namespace', async () => {
    assert.equal(await output('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax', { sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '9000' } }), '1\n9000')
  })

  test('read-only root with writable tmpfs places', async () => {
    assert.notEqual((await run('touch /x', { readOnly: true })).status, 0)
    await output('touch /tmp/x /run/x /var/tmp/x /dev/shm/x', { readOnly: true })
    assert.notEqual((await run('touch /tmp/x', { readOnly: true, readOnlyTmpfs: false })).status, 0)
  })

  test('memory, cpu and pids limits reach the cgroup', async () => {
    const v1 = detectCgroups().version !== 'v2'
    const text = await output(v1
      ? 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/pids/pids.max'
      : 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max', { resources: { memoryBytes: 64 * 2 ** 20, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, pidsLimit: 50 } })
    assert.deepEqual(text.split(/\s+/).filter((word) => word !== '100000'), ['67108864', '50000', '50'])
  })

  test('default ulimits are clamped to this host; an explicit one applies; too much is refused by name', async () => {
    assert.ok(Number(await output('ulimit -n')) >= 1024)
    assert.equal(await output('ulimit -n', { ulimits: [{ name: 'nofile', soft: 512, hard: 1024 }] }), '512')
    assert.equal(await output('ulimit -c', { ulimits: [{ name: 'core', soft: -1, hard: -1 }] }), 'unlimited')
  })

  test('bind mounts, tmpfs with size and copy-up, volumes filled once', async () => {
    mkdirSync(`${work}/shared`)
    writeFileSync(`${work}/shared/a`, 'host\n')
    const bind = { type: 'bind', source: `${work}/shared`, destination: '/mnt/b', options: ['ro'] } as const
    assert.equal(await output('cat /mnt/b/a; touch /mnt/b/x 2>/dev/null || echo refused', { mounts: [bind] }), 'host\nrefused')
    const tmpfs = { type: 'tmpfs', destination: '/data', options: ['size=1m'], copyUp: true } as const
    assert.match(await output('cat /data/sub/file; df -k /data', { mounts: [tmpfs] }), /from the image\n[\s\S]*1024/)
    const volume = { type: 'volume', name: 'v1', destination: '/data', options: [], copyUp: true } as const
    assert.equal(await output('cat /data/sub/file; stat -c %a /data/sub/file; echo mine > /data/sub/file', { mounts: [volume] }), 'from the image\n640')
    assert.equal(await output('cat /data/sub/file', { mounts: [volume] }), 'mine')
    assert.equal(await output('cat /data/sub/file', {}, { Volumes: { '/data': {} } }), 'from the image')
  })

  test('U gives a bind mount to the container user', async () => {
    mkdirSync(`${work}/owned`)
    await output('touch /o/x', { user: 'bob', mounts: [{ type: 'bind', source: `${work}/owned`, destination: '/o', options: ['U'] }] })
  })

  test('devices: added with their rules, absent otherwise', async () => {
    await output('test -c /dev/fuse', { devices: [{ hostPath: '/dev/fuse', containerPath: '/dev/fuse', permissions: 'rwm' }] })
    assert.notEqual((await run('test -c /dev/fuse')).status, 0)
    await output('test -c /dev/fuse && ! grep -q . /proc/timer_list_nothing', { privileged: true })
  })

  test('an image working directory is made for its user, a missing --workdir is refused, and so is a way out through /proc', async () => {
    assert.equal(await output('pwd; stat -c %u .', { user: 'bob' }, { WorkingDir: '/made/here' }), '/made/here\n1000')
    await assert.rejects(run('true', { workingDir: '/nope' }), /workdir "\/nope" does not exist on container [0-9a-f]{64}/)
    await assert.rejects(run('true', {}, { WorkingDir: '/proc/self/fd/8' }), /workdir "\/proc\/self\/fd\/8" is not allowed/)
  })

  test('an unknown uid gets a passwd line', async () => {
    assert.equal(await output('id -u; grep -c "^4321:" /etc/passwd', { user: '4321' }), '4321\n1')
    assert.equal(await output('whoami', { user: '4322:4323', readOnly: true }), '4322')
    assert.ok(!readFileSync(`${rootfs}/etc/passwd`, 'utf8').includes('4322'))
  })

  test('init is process 1', { skip: existsSync('/usr/bin/catatonit') ? false : 'catatonit is not installed' }, async () => {
    assert.match(await output('cat /proc/1/cmdline', { init: true }), /podman-init/)
  })

  test('timezone, umask, host namespaces', async () => {
    assert.equal(await output('umask', { umask: '0077' }), '0077')
    if (existsSync('/usr/share/zoneinfo/Asia/Tokyo')) assert.equal(await output('date +%z', { timezone: 'Asia/Tokyo' }), '+0900')
    const mine = execFileSync('readlink', ['/proc/self/ns/uts'], { encoding: 'utf8' }).trim()
    symlinkSync('busybox', `${rootfs}/bin/readlink`)
    assert.equal(await output('readlink /proc/self/ns/uts', { uts: { mode: 'host' } }), mine)
  })
})

test('crun takes the same spec where it runs at all', { skip: existsSync('/usr/bin/crun') ? false : 'crun is not installed' }, async (context) => {
  let runtime = ''
  try {
    runtime = chooseRuntime(engineConfig, 'crun').name
  } catch (error) {
    context.skip(String(error))
    return
  }
  const text = await output('id -u; cat /data/sub/file; grep CapEff /proc/self/status; ulimit -c', { user: 'bob', readOnly: true, ulimits: [{ name: 'core', soft: -1, hard: -1 }], capAdd: ['CHOWN'] }, {}, runtime)
  assert.match(text, /^1000\n/)
  assert.match(text, /0000000000000001\nunlimited$/)
})

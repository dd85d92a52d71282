/** The same request to podman and to tpod: what matters for isolation must come out the same in config.json. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { loadContainersConf } from '../../src/config/containers-conf.ts'
import { encodeSpec, generateSpec } from '../../src/libpod/spec/generate.ts'
import { resolveContainerConfig } from '../../src/libpod/spec/resolve-config.ts'
import type { ContainerSpec } from '../../src/libpod/types.ts'
import type { RuntimeSpec } from '../../src/oci/runtime-types.ts'
import { plainSpec } from '../fixtures/container-spec.ts'

let work = ''
let conf = ''
let rootfs = ''

function podman(...args: string[]): string {
  const result = spawnSync('podman', ['--root', `${work}/root`, '--runroot', `${work}/run`, '--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', ...args], {
    encoding: 'utf8', env: { ...process.env, CONTAINERS_CONF: conf },
  })
  assert.equal(result.status, 0, `podman ${args.join(' ')}: ${result.stderr}`)
  return result.stdout.trim()
}

function podmanSpec(...flags: string[]): RuntimeSpec {
  const id = podman('create', '--network', 'none', ...flags, 'localhost/bb', 'sh')
  try {
    podman('container', 'init', id)
    return JSON.parse(readFileSync(`${work}/root/overlay-containers/${id}/userdata/config.json`, 'utf8')) as RuntimeSpec
  } finally {
    podman('rm', '-f', id)
  }
}

async function ownSpec(changes: Partial<ContainerSpec>): Promise<RuntimeSpec> {
  const engineConfig = await loadContainersConf({ env: { CONTAINERS_CONF: conf }, isRoot: true, home: '/root' })
  const bundle = mkdtempSync(`${work}/bundle-`)
  const files = ['hosts', 'hostname'].map((name) => `${bundle}/${name}`)
  for (const file of files) writeFileSync(file, '')
  const config = resolveContainerConfig({
    id: 'a'.repeat(64), name: 'x', created: '2026-01-01T00:00:00Z', spec: plainSpec({ command: ['sh'], ipc: { mode: 'shareable' }, ...changes }),
    image: { id: 'i', name: 'localhost/bb', config: { Env: ['FOO=bar'] } }, engineConfig, volumes: { dataDirectory: work, recordDirectory: work },
    runtime: { name: 'runc', path: '/usr/sbin/runc' }, cgroupManager: 'cgroupfs', logPath: '', createCommand: [],
  })
  const shm = `${bundle}/shm`
  mkdirSync(shm)
  const { spec } = generateSpec({ config, engineConfig, rootfs, bundle, hostsPath: files[0] as string, hostnamePath: files[1] as string, shmDirectory: shm })
  return JSON.parse(encodeSpec(spec)) as RuntimeSpec
}

/** One line per permitted or refused call, so that grouping and order do not matter. */
function seccompLines(spec: RuntimeSpec): string[] {
  const rules = (spec.linux.seccomp?.syscalls ?? []).flatMap((rule) => rule.names.map((name) => `${name} ${rule.action} ${rule.errnoRet ?? ''} ${JSON.stringify((rule.args ?? []).map(({ index, value, op }) => [index, value, op]))}`))
  return [...new Set(rules)].toSorted()
}

function mountLines(spec: RuntimeSpec): string[] {
  // With a tmpfs on /run podman writes .containerenv into a directory that is hidden.
  return spec.mounts.filter((mount) => mount.destination !== '/run/.containerenv').map((mount) => `${mount.destination} ${mount.type} ${mount.options.toSorted().join(',')}`).toSorted()
}

function caps(spec: RuntimeSpec): unknown {
  return Object.fromEntries(['bounding', 'effective', 'permitted', 'inheritable', 'ambient'].map((key) => [key, (spec.process.capabilities?.[key as 'bounding'] ?? []).toSorted()]))
}

function environment(spec: RuntimeSpec): string[] {
  return spec.process.env.filter((entry) => !/^(TERM|HOSTNAME)=/.test(entry)).toSorted()
}

function same(podmans: RuntimeSpec, ours: RuntimeSpec): void {
  assert.deepEqual(caps(ours), caps(podmans), 'capabilities')
  assert.deepEqual(seccompLines(ours), seccompLines(podmans), 'seccomp')
  assert.deepEqual([ours.linux.seccomp?.defaultAction, ours.linux.seccomp?.architectures], [podmans.linux.seccomp?.defaultAction, podmans.linux.seccomp?.architectures])
  const missing = (podmans.linux.maskedPaths ?? []).filter((path) => !ours.linux.maskedPaths?.includes(path))
  assert.deepEqual(missing, [], 'masked paths')
  assert.deepEqual((ours.linux.readonlyPaths ?? []).toSorted(), (podmans.linux.readonlyPaths ?? []).toSorted(), 'read-only paths')
  assert.deepEqual(ours.linux.namespaces.map(({ type }) => type).toSorted(), podmans.linux.namespaces.map(({ type }) => type).toSorted(), 'namespaces')
  assert.deepEqual(mountLines(ours), mountLines(podmans), 'mounts')
  assert.deepEqual([ours.process.user.uid, ours.process.user.gid, ours.process.user.umask, (ours.process.user.additionalGids ?? []).toSorted()], [podmans.process.user.uid, podmans.process.user.gid, podmans.process.user.umask, (podmans.process.user.additionalGids ?? []).toSorted()], 'user')
  assert.deepEqual(ours.process.args, podmans.process.args, 'arguments')
  assert.equal(ours.root.readonly ?? false, podmans.root.readonly ?? false)
  assert.deepEqual(ours.linux.resources?.devices, podmans.linux.resources?.devices, 'device rules')
  assert.deepEqual(environment(ours), environment(podmans), 'environment')
}

const isReady = existsSync('/usr/bin/podman') && existsSync('/usr/sbin/runc')

describe('config.json beside podman', { skip: isReady ? false : 'podman and runc are not installed' }, () => {
  before(() => {
    work = mkdtempSync('/var/tmp/tpod-spec-')
    conf = `${work}/containers.conf`
    rootfs = `${work}/rootfs`
    writeFileSync(conf, '[containers]\ndefault_ulimits = []\ndefault_capabilities = ["CHOWN","DAC_OVERRIDE","FOWNER","FSETID","KILL","NET_BIND_SERVICE","SETFCAP","SETGID","SETPCAP","SETUID","SYS_CHROOT"]\n')
    for (const name of ['bin', 'etc', 'tmp']) mkdirSync(`${rootfs}/${name}`, { recursive: true })
    copyFileSync('/bin/busybox', `${rootfs}/bin/busybox`)
    symlinkSync('busybox', `${rootfs}/bin/sh`)
    writeFileSync(`${rootfs}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:Bob:/home/bob:/bin/sh\n')
    writeFileSync(`${rootfs}/etc/group`, 'root:x:0:\nbob:x:1000:\nwheel:x:10:bob,root\n')
    writeFileSync(`${work}/image.tar`, execFileSync('tar', ['-C', rootfs, '-c', '.'], { maxBuffer: 1 << 28 }))
    podman('import', '--change', 'ENV FOO=bar', `${work}/image.tar`, 'localhost/bb')
  })
  after(() => {
    if (work === '') return
    spawnSync('umount', ['-R', `${work}/root/overlay`])
    rmSync(work, { recursive: true, force: true })
  })

  test('without flags', async () => same(podmanSpec(), await ownSpec({})))
  test('a user with an added capability, read-only, init, mounts', async () => {
    const host = mkdtempSync(`${work}/host-`)
    const ours = await ownSpec({
      user: 'bob', capAdd: ['net_admin'], readOnly: true, init: true,
      mounts: [{ type: 'bind', source: host, destination: '/x', options: ['ro'] }, { type: 'tmpfs', destination: '/y', options: ['size=5m'], copyUp: true }],
    })
    same(podmanSpec('--user', 'bob', '--cap-add', 'net_admin', '--read-only', '--init', '-v', `${host}:/x:ro`, '--tmpfs', '/y:size=5m'), ours)
  })
  test('privileged in host namespaces', async () => {
    const modes = { pid: { mode: 'host' }, ipc: { mode: 'host' }, uts: { mode: 'host' } } as const
    const theirs = podmanSpec('--privileged', '--pid', 'host', '--ipc', 'host', '--uts', 'host')
    const ours = await ownSpec({ privileged: true, ...modes })
    assert.deepEqual(ours.linux.devices?.map(({ path, major, minor, type }) => `${path} ${type} ${major}:${minor}`).toSorted(), theirs.linux.devices?.map(({ path, major, minor, type }) => `${path} ${type} ${major}:${minor}`).toSorted())
    // 4.3 sets a superfluous propagation on /sys.
    for (const mount of theirs.mounts) if (mount.destination === '/sys') mount.options = mount.options.filter((option) => option !== 'rprivate')
    same(theirs, ours)
  })
  test('limits and dropped capabilities', async () => {
    const theirs = podmanSpec('--memory', '64m', '--cpus', '0.5', '--pids-limit', '50', '--cap-drop', 'ALL', '--cap-add', 'CHOWN', '--device', '/dev/fuse:/dev/f:r')
    const ours = await ownSpec({
      resources: { memoryBytes: 64 * 2 ** 20, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, pidsLimit: 50 }, capDrop: ['ALL'], capAdd: ['CHOWN'],
      devices: [{ hostPath: '/dev/fuse', containerPath: '/dev/f', permissions: 'r' }],
    })
    same(theirs, ours)
    assert.deepEqual(ours.linux.resources?.cpu, theirs.linux.resources?.cpu)
    assert.deepEqual(ours.linux.resources?.pids, theirs.linux.resources?.pids)
    assert.equal(ours.linux.resources?.memory?.limit, theirs.linux.resources?.memory?.limit)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtInEngineConfig } from '../../../../src/config/containers-conf-defaults.ts'
import { cgroupDirectoryName, chooseCgroupManager, containerCgroupPath } from '../../../../src/host/cgroup/container-cgroup.ts'
import { detectCgroups, hasController } from '../../../../src/host/cgroup/detect.ts'
import type { CgroupInfo } from '../../../../src/host/cgroup/detect.ts'
import { chooseRuntime, crunObstacle } from '../../../../src/ociruntime/choose-runtime.ts'

const v1 = '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n'

test('the three layouts are told apart', () => {
  const hybrid = detectCgroups(`${v1}41 31 0:38 / /nowhere/unified rw - cgroup2 cgroup2 rw\n`)
  assert.equal(hybrid.version, 'hybrid')
  assert.equal(hybrid.v1Mounts.get('cpuacct'), '/sys/fs/cgroup/cpu,cpuacct')
  assert.equal(detectCgroups(v1).version, 'v1')
  const pure = detectCgroups('30 23 0:27 / /no\\040where rw - cgroup2 cgroup2 rw\n')
  assert.deepEqual([pure.version, pure.v2Mount], ['v2', '/no where'])
  assert.ok(hasController(hybrid, 'memory') && !hasController(hybrid, 'pids') && hasController(pure, 'devices') && !hasController(pure, 'memory'))
})

test('paths for both managers', () => {
  const id = 'a'.repeat(64)
  assert.equal(containerCgroupPath('cgroupfs', id), `/libpod_parent/libpod-${id}`)
  assert.equal(containerCgroupPath('cgroupfs', id, 'mine/'), `/mine/libpod-${id}`)
  assert.equal(containerCgroupPath('systemd', id), `machine.slice:libpod:${id}`)
  assert.equal(cgroupDirectoryName(`a-b.slice:libpod:${id}`), `/a.slice/a-b.slice/libpod-${id}.scope`)
  assert.throws(() => containerCgroupPath('systemd', id, '/mine'), /did not receive systemd slice/)
  assert.throws(() => containerCgroupPath('cgroupfs', id, 'x.slice'), /systemd slice received/)
  assert.throws(() => containerCgroupPath('cgroupfs', id, '../x'), /must not contain/)
  assert.throws(() => chooseCgroupManager('foo'), /must be systemd or cgroupfs/)
})

test('crun is passed over, or refused by name, where it cannot run', () => {
  const hybrid: CgroupInfo = { version: 'hybrid', v1Mounts: new Map(), v2Mount: '/u', v2Controllers: ['hugetlb'] }
  const config = builtInEngineConfig()
  config.engine.runtimes = { crun: ['/bin/true'], runc: ['/bin/false'] }
  assert.deepEqual(chooseRuntime(config, undefined, hybrid), { name: 'runc', path: '/bin/false' })
  assert.deepEqual(chooseRuntime(config, undefined, { ...hybrid, v2Controllers: [] }), { name: 'crun', path: '/bin/true' })
  assert.throws(() => chooseRuntime(config, 'crun', hybrid), /crun does not support hybrid cgroups/)
  assert.match(crunObstacle(hybrid)?.remedy ?? '', /mount -t cgroup -o hugetlb/)
  assert.throws(() => chooseRuntime(config, 'kata', hybrid), /find OCI runtime "kata": not installed/)
  assert.throws(() => chooseRuntime(config, '/no/such', hybrid), /no such executable/)
  config.engine.runtimes = {}
  assert.throws(() => chooseRuntime(config, undefined, hybrid), /neither crun nor runc is installed/)
})

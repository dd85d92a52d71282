import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveMountTable, rootPropagation } from '../../../../src/libpod/spec/mounts.ts'
import type { MountInput } from '../../../../src/libpod/spec/mounts.ts'
import type { MountSpec } from '../../../../src/oci/runtime-types.ts'
import type { ContainerSpec, ResolvedMount } from '../../../../src/libpod/types.ts'
import { plainSpec } from '../../../fixtures/container-spec.ts'

function table(changes: Partial<ContainerSpec> = {}, mounts: ResolvedMount[] = [], more: Partial<MountInput> = {}): Map<string, MountSpec> {
  const result = resolveMountTable({ spec: plainSpec(changes), mounts, files: new Map([['/etc/hosts', '/b/hosts']]), shmSizeBytes: 65536, hasCgroups: true, procOptions: [], ...more })
  return new Map(result.map((mount) => [mount.destination, mount]))
}
const bind = (destination: string, options: string[] = []): ResolvedMount => ({ type: 'bind', source: '/tmp', destination, options })

test('parents come before children', () => {
  const order = [...table({}, [bind('/sys/fs/cgroup/deep'), bind('/a')]).keys()]
  for (const [parent, child] of [['/dev', '/dev/pts'], ['/sys', '/sys/fs/cgroup'], ['/sys/fs/cgroup', '/sys/fs/cgroup/deep']] as const) assert.ok(order.indexOf(parent) < order.indexOf(child), `${parent} before ${child}`)
})

test('what the user mounts replaces what every container has', () => {
  const mounts = table({}, [bind('/etc/hosts', ['ro']), bind('/dev')])
  assert.deepEqual(mounts.get('/etc/hosts'), { destination: '/etc/hosts', type: 'bind', source: '/tmp', options: ['ro', 'rprivate', 'rbind'] })
  assert.equal(mounts.get('/dev')?.type, 'bind')
  assert.equal(mounts.get('/dev/pts'), undefined, 'nothing is put into the user\'s own /dev')
  assert.equal(table({ readOnly: true }, [bind('/tmp')]).get('/tmp')?.type, 'bind')
})

test('shm by ipc mode', () => {
  assert.deepEqual(table().get('/dev/shm')?.options, ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536'])
  assert.equal(table({ ipc: { mode: 'host' } }).get('/dev/shm')?.source, '/dev/shm')
  assert.equal(table({ ipc: { mode: 'none' } }).get('/dev/shm'), undefined)
  assert.equal(table({ ipc: { mode: 'shareable' } }, [], { shmDirectory: '/s' }).get('/dev/shm')?.source, '/s')
  assert.throws(() => table({ ipc: { mode: 'container', containerId: 'abc' } }, [], { shmDirectory: '/no/such' }), /ipc namespace of container abc: .*non-shareable IPC/)
})

test('options that belong to the host side are not handed to the runtime', () => {
  assert.deepEqual(table({}, [bind('/x', ['Z', 'U', 'bind', 'rshared'])]).get('/x')?.options, ['bind', 'rshared', 'rw'])
  assert.equal(rootPropagation([...table({}, [bind('/x', ['rshared'])]).values()]), 'shared')
  assert.equal(rootPropagation([...table({}, [bind('/x', ['slave'])]).values()]), 'rslave')
  assert.equal(rootPropagation([...table().values()]), undefined)
})

test('privileged and read-only', () => {
  assert.ok(table({ privileged: true }).get('/sys')?.options.includes('rw'))
  assert.ok(table({ readOnly: true, readOnlyTmpfs: false }).get('/dev')?.options.includes('ro'))
  assert.equal(table({ readOnly: true, readOnlyTmpfs: false }).get('/run'), undefined)
  assert.ok(table({ readOnly: true }).get('/etc/hosts')?.options.includes('ro'))
  assert.equal(table({}, [], { hasCgroups: false }).get('/sys/fs/cgroup'), undefined)
})

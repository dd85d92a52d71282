import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { builtInEngineConfig } from '../../../../src/config/containers-conf-defaults.ts'
import { resolveContainerConfig } from '../../../../src/libpod/spec/resolve-config.ts'
import type { ImageProcessConfig, ResolveInput } from '../../../../src/libpod/spec/resolve-config.ts'
import type { ContainerConfig, ContainerSpec } from '../../../../src/libpod/types.ts'
import { plainSpec } from '../../../fixtures/container-spec.ts'

function resolve(changes: Partial<ContainerSpec> = {}, image: ImageProcessConfig = { Cmd: ['sh'] }, more: Partial<ResolveInput> = {}): ContainerConfig {
  return resolveContainerConfig({
    id: 'abcdef0123456789'.repeat(4), name: 'n', created: '2026-01-01T00:00:00Z', spec: plainSpec(changes), image: { id: 'i', name: 'img', config: image },
    engineConfig: builtInEngineConfig(), volumes: { dataDirectory: '/g/volumes', recordDirectory: '/g/tpod/volumes' }, runtime: { name: 'crun', path: '/crun' },
    cgroupManager: 'cgroupfs', logPath: '/log', createCommand: ['run'], ...more,
  })
}

describe('command and entrypoint', () => {
  const image = { Entrypoint: ['/entry'], Cmd: ['default'] }
  test('merge as podman does', () => {
    assert.deepEqual(resolve({}, image).process.argv, ['/entry', 'default'])
    assert.deepEqual(resolve({ command: ['x', 'y'] }, image).process.argv, ['/entry', 'x', 'y'])
    assert.deepEqual(resolve({ entrypoint: ['/mine'] }, image).process.argv, ['/mine'])
    assert.deepEqual(resolve({ entrypoint: [], command: ['x'] }, image).process.argv, ['x'])
  })
  test('nothing to run', () => {
    assert.throws(() => resolve({}, {}), /no command or entrypoint provided, and no CMD or ENTRYPOINT from image/)
    assert.throws(() => resolve({ entrypoint: [] }, image), /no command or entrypoint provided/)
  })
})

test('what Go wrote as null is empty', () => {
  const config = resolve({ command: ['x'] }, { Env: null, Cmd: null, Volumes: null, Labels: null, User: null, WorkingDir: null, Entrypoint: null, ExposedPorts: null })
  assert.deepEqual([config.process.cwd, config.process.user, config.mounts], ['/', '', []])
})

test('environment in podman order; later wins in place; the image names none of ours', () => {
  const config = resolve({ terminal: true, env: [{ name: 'FOO', value: 'mine' }] }, { Cmd: ['x'], Env: ['PATH=/bin', 'FOO=image', 'HOME', 'SECRET*', '=bad'] }, { proxyEnv: { http_proxy: 'http://p', SECRET: 's' } })
  assert.deepEqual(config.process.env, ['PATH=/bin', 'TERM=xterm', 'container=podman', 'http_proxy=http://p', 'FOO=mine', 'HOSTNAME=abcdef012345'])
})

test('mounts: asked over volumes-from over the image; duplicates refused', () => {
  const mountsOf = new Map([['web', [{ type: 'volume', name: 'w', source: '/g/volumes/w/_data', destination: '/w', options: ['rw'], anonymous: true }, { type: 'tmpfs', source: 'tmpfs', destination: '/t', options: [] }] as ContainerConfig['mounts']]])
  const config = resolve({
    mounts: [{ type: 'volume', name: 'v', destination: '/data', options: [], copyUp: true }, { type: 'bind', source: '/tmp', destination: '/tmp2', options: [] }], volumesFrom: ['web:ro'],
  }, { Cmd: ['x'], Volumes: { '/data': {}, 'rel/../odd/': {} } }, { mountsOf })
  assert.deepEqual(config.mounts.map((mount) => [mount.type, mount.destination, mount.anonymous ?? false]), [['volume', '/data', false], ['bind', '/tmp2', false], ['volume', '/w', false], ['volume', '/odd', true]])
  assert.deepEqual(config.mounts[2]?.options, ['ro'])
  assert.equal(config.mounts[0]?.source, '/g/volumes/v/_data')
  const twice = { type: 'bind', source: '/tmp', destination: '/x', options: [] } as const
  assert.throws(() => resolve({ mounts: [twice, { ...twice, options: ['ro'] }] }), /^TpodError: \/x: duplicate mount destination$/)
  assert.equal(resolve({ mounts: [twice, twice] }).mounts.length, 1, 'the same said twice is said once')
  assert.throws(() => resolve({ mounts: [{ ...twice, source: '/no/such' }] }), /statfs \/no\/such: no such file or directory/)
  assert.throws(() => resolve({ volumesFrom: ['nobody'] }), /no such container/)
  assert.throws(() => resolve({}, { Cmd: ['x'], Volumes: { '/..': {} } }), /root cannot be a volume/)
})

test('ports: ranges, image and publish-all', () => {
  const published = { hostIp: '', hostPort: 8080, containerPort: 80, range: 1, protocol: 'tcp' } as const
  const config = resolve({ publishAll: true, ports: [published], expose: ['90-91/udp'] }, { Cmd: ['x'], ExposedPorts: { '80/tcp': {}, '443/tcp': {} } })
  assert.deepEqual(config.exposed, ['80/tcp', '443/tcp', '90/udp', '91/udp'])
  assert.deepEqual(config.ports.map((port) => [port.hostPort, port.containerPort, port.protocol]), [[8080, 80, 'tcp'], [0, 443, 'tcp'], [0, 90, 'udp'], [0, 91, 'udp']])
  assert.throws(() => resolve({ expose: ['99999'] }), /invalid exposed port/)
})

test('labels, annotations, stop signal, cgroup path', () => {
  const config = resolve({ labels: { a: '2' }, annotations: { x: 'y' }, cgroupParent: '/p' }, { Cmd: ['x'], Labels: { a: '1', b: '1' }, StopSignal: 'SIGQUIT' })
  assert.deepEqual(config.labels, { a: '2', b: '1' })
  assert.deepEqual([config.stopSignal, config.annotations['x'], config.annotations['io.container.manager'], config.annotations['org.opencontainers.image.stopSignal']], [3, 'y', 'libpod', '3'])
  assert.equal(config.cgroupPath, `/p/libpod-${config.id}`)
})

for (const [name, changes, message] of [
  ['sysctl', { sysctls: { 'kernel.foo': '1' } }, /sysctl 'kernel\.foo' is not allowed/],
  ['sysctl of a host namespace', { sysctls: { 'net.ipv4.ip_forward': '1' }, network: { mode: 'host' } }, /Network Namespace set to host/],
  ['security-opt', { securityOpt: ['foo=bar'] }, /invalid --security-opt "foo=bar"/],
  ['hostname with host UTS', { hostname: 'x', uts: { mode: 'host' } }, /cannot set hostname when running in the host UTS namespace/],
  ['hostname', { hostname: 'a b' }, /invalid --hostname "a b"/],
  ['init with host pids', { init: true, pid: { mode: 'host' } }, /PID namespace isn't private/],
  ['timezone', { timezone: 'Foo/Bar' }, /invalid --tz "Foo\/Bar"/],
  ['timezone outside', { timezone: '../../../etc/passwd' }, /invalid --tz/],
  ['relative workdir', { workingDir: 'x' }, /must be an absolute path/],
  ['init program', { init: true, initPath: '/no/init' }, /\/no\/init is not an executable/],
  ['stop signal', { stopSignal: 'NOPE' }, /invalid stop signal "NOPE"/],
] as const) {
  test(`refused early: ${name}`, () => assert.throws(() => resolve(changes as Partial<ContainerSpec>), message))
}

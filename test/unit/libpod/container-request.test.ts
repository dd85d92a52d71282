import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtInEngineConfig } from '../../../src/config/containers-conf-defaults.ts'
import { type ContainerRequest, containerSpec } from '../../../src/libpod/container-request.ts'

const config = builtInEngineConfig()

test('an image alone is a whole spec; what is said replaces the default', async () => {
  const plain = await containerSpec(config, { image: 'alpine' })
  assert.deepEqual([plain.rawImageName, plain.command, plain.network, plain.remove, plain.httpProxy], ['alpine', undefined, { mode: 'bridge', networks: [] }, false, false])
  const spec = await containerSpec(config, {
    image: 'x', command: ['a'], env: { A: '1', B: '' }, ports: ['127.0.0.1:8080:80/udp'], volumes: ['data:/d:ro', '/host:/h'], network: 'none', remove: true, user: undefined,
  } as ContainerRequest)
  assert.deepEqual(spec.env, [{ name: 'A', value: '1' }, { name: 'B', value: '' }])
  assert.deepEqual(spec.ports.map(({ hostIp, hostPort, containerPort, protocol }) => [hostIp, hostPort, containerPort, protocol]), [['127.0.0.1', 8080, 80, 'udp']])
  assert.deepEqual(spec.mounts.map(({ type, destination }) => [type, destination]), [['volume', '/d'], ['bind', '/h']])
  assert.deepEqual([spec.network, spec.remove, 'user' in spec], [{ mode: 'none' }, true, false])
})

test('requests share nothing', async () => {
  const [first, second] = await Promise.all([containerSpec(config, { image: 'a' }), containerSpec(config, { image: 'b' })])
  assert.notEqual(first.env, second.env)
  assert.notEqual(first.labels, second.labels)
})

test('what nothing would read is refused, as is what cannot be parsed', async () => {
  const refused = (request: object, error: object): Promise<void> => assert.rejects(containerSpec(config, { image: 'a', ...request }), error)
  await refused({ comand: ['x'] }, { code: 'BAD_REQUEST', message: /"comand"/ })
  await refused({ volumes: ['./here:/there'] }, { code: 'BAD_REQUEST', message: /not absolute/ })
  await refused({ volumes: ['../x'] }, { code: 'BAD_REQUEST' })
  await refused({ ports: ['http'] }, { code: 'BAD_PORT' })
})

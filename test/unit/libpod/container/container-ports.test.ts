import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spreadPorts } from '../../../../src/libpod/container/container-ports.ts'
import { portTable } from '../../../../src/libpod/container/inspect-network.ts'

test('a range is one entry per port, in order of the container port', () => {
  const ports = spreadPorts([
    { hostIp: '127.0.0.1', hostPort: 9000, containerPort: 90, range: 1, protocol: 'udp' },
    { hostIp: '', hostPort: 8000, containerPort: 80, range: 2, protocol: 'tcp' },
  ])
  assert.deepEqual(ports.map((port) => `${port.containerPort}/${port.protocol} -> ${port.hostIp}:${port.hostPort}`), [
    '80/tcp -> 0.0.0.0:8000', '81/tcp -> 0.0.0.0:8001', '90/udp -> 127.0.0.1:9000',
  ])
})

test('inspect: an exposed port that is not published is null', () => {
  assert.deepEqual(portTable([{ hostIp: '', hostPort: 8000, containerPort: 80, range: 1, protocol: 'tcp' }], ['80/tcp', '443/tcp']), {
    '80/tcp': [{ HostIp: '', HostPort: '8000' }], '443/tcp': null,
  })
})

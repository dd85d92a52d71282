import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatPorts, normalizePorts, parseExpose, parsePortSpec } from '../../../src/network/port-spec.ts'

const base = { hostIp: '', hostPort: 0, containerPort: 80, range: 1, protocol: 'tcp' }

describe('parsePortSpec', () => {
  const good: [string, object][] = [
    ['80', {}],
    ['8080:80', { hostPort: 8080 }],
    [':80', {}],
    ['8080:80/udp', { hostPort: 8080, protocol: 'udp' }],
    ['8080:80/SCTP', { hostPort: 8080, protocol: 'sctp' }],
    ['127.0.0.1:8080:80', { hostIp: '127.0.0.1', hostPort: 8080 }],
    ['127.0.0.1::80/udp', { hostIp: '127.0.0.1', protocol: 'udp' }],
    ['[::1]:8080:80', { hostIp: '::1', hostPort: 8080 }],
    ['[::1]::80', { hostIp: '::1' }],
    ['8000-8010:9000-9010', { hostPort: 8000, containerPort: 9000, range: 11 }],
    ['9000-9001', { containerPort: 9000, range: 2 }],
  ]
  for (const [text, want] of good) it(`reads ${text}`, () => { assert.deepEqual(parsePortSpec(text), [{ ...base, ...want }]) })

  const bad: [string, RegExp][] = [
    ['', /container port "" is not a number/],
    ['0:80', /host port "0"/],
    ['8080:65536', /container port "65536"/],
    ['80:http', /container port "http"/],
    ['80/icmp', /unknown protocol "icmp"/],
    ['8000-8010:80', /host range has 11 ports, the container range 1/],
    ['8010-8000:80', /ends before it begins/],
    ['::1:8080:80', /too many or too few parts/],
    ['localhost:8080:80', /"localhost" is not an IP address/],
    ['[127.0.0.1]:8080:80', /not an IP address/],
    ['-1:80', /host port "-1"/],
  ]
  for (const [text, message] of bad) {
    it(`refuses "${text}", naming it`, () => {
      assert.throws(() => parsePortSpec(text), (error: Error & { code: string }) => error.code === 'BAD_PORT' && error.message.includes(`"${text}"`) && message.test(error.message))
    })
  }
})

it('reads exposed ports', () => {
  assert.deepEqual(parseExpose('80'), ['80/tcp'])
  assert.deepEqual(parseExpose('5000-5002/udp'), ['5000/udp', '5001/udp', '5002/udp'])
  assert.throws(() => parseExpose('70000'), { code: 'BAD_PORT' })
})

it('drops mappings said twice and refuses contradictions', () => {
  const ports = ['80:80', '80:80', '0.0.0.0:80:80', '80:80/udp'].flatMap(parsePortSpec)
  assert.equal(normalizePorts(ports).length, 2)
  assert.equal(normalizePorts(['80', '80'].flatMap(parsePortSpec)).length, 2, 'two random ports are two')
  assert.throws(() => normalizePorts(['80:80', '80:81'].flatMap(parsePortSpec)), { code: 'PORT_CONFLICT' })
  assert.throws(() => normalizePorts(['8000-8010:8000-8010', '127.0.0.1:8005:1'].flatMap(parsePortSpec)), { code: 'PORT_CONFLICT' })
})

it('shows ports as podman ps does', () => {
  assert.equal(formatPorts(parsePortSpec('8080:80')), '0.0.0.0:8080->80/tcp')
  assert.equal(formatPorts(['9001:9001', '127.0.0.1:53:53/udp', '9000:9000', '9002:9002'].flatMap(parsePortSpec)), '0.0.0.0:9000-9002->9000-9002/tcp, 127.0.0.1:53->53/udp')
  assert.equal(formatPorts([]), '')
})

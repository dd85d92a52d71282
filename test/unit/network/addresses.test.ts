import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { checkAddress, chooseAddress, macForAddress, parseMacAddress } from '../../../src/network/addresses.ts'
import { addClaims, findPortConflict, readClaims, removeAllClaimsOf, removeClaims } from '../../../src/network/claims.ts'
import type { NetworkDefinition } from '../../../src/network/default-bridge.ts'
import { formatIpv4, parseIpv4, parseSubnet, subnetsOverlap } from '../../../src/network/ipv4.ts'
import type { NetworkInterface, PortMapping } from '../../../src/network/types.ts'

const definition: NetworkDefinition = { version: 1, name: 'podman', driver: 'bridge', bridge: 'tpod0', subnet: '10.87.0.0/29', gateway: '10.87.0.1', configured: '' }
let directory: string

function entry(ipv4: string): NetworkInterface {
  return { network: 'podman', bridge: 'tpod0', name: 'eth0', mac: macForAddress(ipv4), ipv4, prefixLength: 29, gateway: '10.87.0.1' }
}
function port(hostIp: string, hostPort: number, range = 1, protocol: 'tcp' | 'udp' = 'tcp'): PortMapping {
  return { hostIp, hostPort, containerPort: 80, range, protocol }
}

beforeEach(() => {
  directory = `${mkdtempSync(`${tmpdir()}/tpod-claims-`)}/claims`
  mkdirSync(directory)
})
afterEach(() => { rmSync(`${directory}/..`, { recursive: true, force: true }) })

describe('addresses', () => {
  it('are given out in turn, never the gateway, a taken one, the network or the broadcast', () => {
    const given: string[] = []
    for (let index = 0; index < 5; index++) {
      const address = chooseAddress(definition, readClaims(directory))
      addClaims(directory, `container-${index}`, [entry(address)], [])
      given.push(address)
    }
    assert.deepEqual(given, ['10.87.0.2', '10.87.0.3', '10.87.0.4', '10.87.0.5', '10.87.0.6'])
    assert.throws(() => chooseAddress(definition, readClaims(directory)), { code: 'NETWORK_FULL' })
    removeClaims(directory, 'container-1', [entry('10.87.0.3')], [])
    assert.equal(chooseAddress(definition, readClaims(directory)), '10.87.0.3')
  })
  it('rest after use as long as possible', () => {
    assert.equal(chooseAddress(definition, readClaims(directory)), '10.87.0.2')
    assert.equal(chooseAddress(definition, readClaims(directory)), '10.87.0.3', 'not the one just freed')
  })
  it('that are asked for must be free host addresses', () => {
    addClaims(directory, 'other', [entry('10.87.0.4')], [])
    const claims = readClaims(directory)
    assert.equal(checkAddress(definition, '10.87.0.5', claims), '10.87.0.5')
    assert.throws(() => checkAddress(definition, '10.87.0.4', claims), { code: 'IP_IN_USE', message: /container other has it/ })
    assert.throws(() => checkAddress(definition, '10.87.0.1', claims), { code: 'IP_IN_USE' })
    for (const bad of ['10.87.0.0', '10.87.0.7', '10.88.0.2', '10.87.0', 'x']) assert.throws(() => checkAddress(definition, bad, claims), { code: 'BAD_IP' })
  })
})

describe('claims', () => {
  it('of ports collide by protocol, range and address', () => {
    addClaims(directory, 'web', [], [port('', 8000, 10), port('127.0.0.1', 53, 1, 'udp')])
    const claims = readClaims(directory)
    assert.ok(findPortConflict(claims, port('', 8009)))
    assert.ok(findPortConflict(claims, port('192.0.2.1', 7999, 2)))
    assert.equal(findPortConflict(claims, port('', 8010)), undefined)
    assert.equal(findPortConflict(claims, port('', 8000, 1, 'udp')), undefined)
    assert.ok(findPortConflict(claims, port('0.0.0.0', 53, 1, 'udp')))
    assert.equal(findPortConflict(claims, port('127.0.0.2', 53, 1, 'udp')), undefined)
  })
  it('are removed only by their owner', () => {
    addClaims(directory, 'one', [entry('10.87.0.2')], [])
    removeClaims(directory, 'two', [entry('10.87.0.2')], [])
    removeAllClaimsOf(directory, 'two')
    assert.equal(readClaims(directory).addresses.size, 1)
    removeAllClaimsOf(directory, 'one')
    assert.equal(readClaims(directory).addresses.size, 0)
  })
})

it('reads and writes IPv4', () => {
  assert.equal(formatIpv4(parseIpv4('255.0.10.1') ?? 0), '255.0.10.1')
  for (const bad of ['1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4.5', '', '::1']) assert.equal(parseIpv4(bad), undefined)
  assert.deepEqual(parseSubnet('10.87.3.4/16'), { base: parseIpv4('10.87.0.0'), prefixLength: 16 })
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/31', 'x/8', '10.0.0.0/8/8']) assert.throws(() => parseSubnet(bad), { code: 'BAD_SUBNET' })
  assert.ok(subnetsOverlap(parseSubnet('10.0.0.0/8'), parseSubnet('10.87.0.0/16')))
  assert.ok(!subnetsOverlap(parseSubnet('10.86.0.0/16'), parseSubnet('10.87.0.0/16')))
})

it('reads MAC addresses', () => {
  assert.equal(parseMacAddress('0A-11-22-33-44-55'), '0a:11:22:33:44:55')
  for (const bad of ['01:00:5e:00:00:01', '0a:11:22:33:44', 'x']) assert.throws(() => parseMacAddress(bad), { code: 'BAD_MAC' })
  assert.equal(macForAddress('10.87.0.2'), '0a:74:0a:57:00:02')
})

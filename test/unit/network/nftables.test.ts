import assert from 'node:assert/strict'
import { it } from 'node:test'
import { formatForwardRemoval, formatForwardRules } from '../../../src/network/forward-rules.ts'
import { formatBaseRules, formatPublish, formatWithdraw } from '../../../src/network/nftables.ts'
import type { NetworkReservation } from '../../../src/network/types.ts'

const reservation: NetworkReservation = {
  containerId: 'abc',
  interfaces: [{ network: 'podman', bridge: 'tpod0', name: 'eth0', mac: '', ipv4: '10.87.0.2', prefixLength: 16, gateway: '10.87.0.1' }],
  ports: [
    { hostIp: '', hostPort: 8080, containerPort: 80, range: 2, protocol: 'tcp' },
    { hostIp: '127.0.0.1', hostPort: 53, containerPort: 53, range: 1, protocol: 'udp' },
  ],
}

it('publishes by map elements that carry the container\'s id', () => {
  assert.equal(formatPublish('tpod0', reservation), `add element inet tpod0 published { tcp . 8080 comment "abc" : 10.87.0.2 . 80, tcp . 8081 comment "abc" : 10.87.0.2 . 81 }
add element inet tpod0 published_on { 127.0.0.1 . udp . 53 comment "abc" : 10.87.0.2 . 53 }
`)
  assert.equal(formatPublish('tpod1', reservation), '', 'not on a bridge that the container is not on')
})

it('withdraws what may be gone already', () => {
  assert.match(formatWithdraw('tpod0', reservation), /^add [^]*delete element inet tpod0 published \{ tcp \. 8080, tcp \. 8081 \}\ndelete element inet tpod0 published_on \{ 127\.0\.0\.1 \. udp \. 53 \}\n$/)
})

it('names the constant part after its content', () => {
  const open = formatBaseRules({ bridge: 'tpod0', subnet: '10.87.0.0/16', isClosed: false })
  const closed = formatBaseRules({ bridge: 'tpod0', subnet: '10.87.0.0/16', isClosed: true })
  const marker = /content_[0-9a-f]{8}/
  assert.notEqual(marker.exec(open)?.[0], marker.exec(closed)?.[0])
  assert.match(closed, /ct state new ct status & dnat == 0 drop/)
})

it('touches the tables of others only where they would drop our packets', () => {
  const state = { isNeeded: false, isClosed: false, hasChain: false, jumps: [] }
  assert.equal(formatForwardRules('tpod0', state), '')
  assert.match(formatForwardRules('tpod0', { ...state, isNeeded: true }), /insert rule ip filter FORWARD counter jump TPOD-tpod0/)
  assert.equal(formatForwardRules('tpod0', { isNeeded: true, isClosed: true, hasChain: true, jumps: [7n] }), '')
  assert.equal(formatForwardRemoval('tpod0', state), '')
  assert.match(formatForwardRemoval('tpod0', { ...state, hasChain: true, jumps: [7n, 9n] }), /handle 7\n[^]*handle 9\nflush [^]*delete chain ip filter TPOD-tpod0\n$/)
})

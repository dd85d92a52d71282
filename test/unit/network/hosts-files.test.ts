import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { renderHosts, renderResolvConf } from '../../../src/network/hosts-files.ts'

describe('renderHosts', () => {
  const request = { base: '# the host\n127.0.0.1 localhost\n127.0.1.1 box box.lan\n', addHosts: [], containerIp: '10.87.0.2', names: ['web', 'web-1'], hostGateway: '10.87.0.1' }

  it('keeps the host\'s entries and adds the gateway and the container', () => {
    assert.equal(renderHosts(request), '127.0.0.1\tlocalhost\n127.0.1.1\tbox box.lan\n::1\tlocalhost ip6-localhost ip6-loopback\n10.87.0.1\thost.containers.internal host.docker.internal\n10.87.0.2\tweb web-1\n')
  })
  it('starts from localhost where there is no base, and names no address of its own with the host\'s network', () => {
    const { containerIp: _ip, hostGateway: _gateway, ...rest } = request
    assert.equal(renderHosts({ ...rest, base: '' }), '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n')
  })
  it('lets --add-host win, with host-gateway and several names', () => {
    const text = renderHosts({ ...request, addHosts: ['db;database:10.9.8.7', 'up:host-gateway', 'v6:2001:db8::1', 'host.docker.internal:10.1.1.1', 'web:10.2.2.2'] })
    assert.match(text, /^10\.9\.8\.7\tdb database\n10\.87\.0\.1\tup\n2001:db8::1\tv6\n10\.1\.1\.1\thost\.docker\.internal\n10\.2\.2\.2\tweb\n/)
    assert.match(text, /10\.87\.0\.1\thost\.containers\.internal\n/)
    assert.match(text, /10\.87\.0\.2\tweb-1\n$/)
  })
  it('gives the container its own name even where the host has the same', () => {
    assert.match(renderHosts({ ...request, names: ['box'] }), /127\.0\.1\.1\tbox\.lan\n[^]*10\.87\.0\.2\tbox\n/)
  })
  it('refuses what is no mapping', () => {
    for (const text of ['db', ':10.0.0.1', 'db:nowhere', 'a b:10.0.0.1']) assert.throws(() => renderHosts({ ...request, addHosts: [text] }), { code: 'BAD_HOST' })
  })
})

describe('renderResolvConf', () => {
  const request = { host: 'search corp.example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:2\n', isPrivate: true, hasIpv6: false, servers: [], search: [], options: [] }

  it('takes the host\'s, without servers that an IPv4 network cannot reach', () => {
    assert.equal(renderResolvConf(request), 'search corp.example\nnameserver 192.0.2.53\noptions ndots:2\n')
    assert.match(renderResolvConf({ ...request, hasIpv6: true }), /2001:db8::53/)
  })
  it('looks behind systemd-resolved\'s stub', () => {
    const host = 'nameserver 127.0.0.53\noptions edns0\nsearch .\n'
    assert.equal(renderResolvConf({ ...request, host, systemd: 'nameserver 192.0.2.1\n' }), 'nameserver 192.0.2.1\n')
    assert.match(renderResolvConf({ ...request, host, systemd: 'nameserver 192.0.2.1\n', isPrivate: false }), /127\.0\.0\.53/)
  })
  it('falls back to public servers when only loopback ones are left', () => {
    assert.equal(renderResolvConf({ ...request, host: 'nameserver 127.0.0.1\n' }), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n')
  })
  it('replaces what is given, kind by kind', () => {
    assert.equal(renderResolvConf({ ...request, servers: ['9.9.9.9'], search: ['.'], options: ['rotate'] }), 'nameserver 9.9.9.9\noptions rotate\n')
    assert.throws(() => renderResolvConf({ ...request, servers: ['dns.example'] }), { code: 'BAD_DNS' })
  })
})

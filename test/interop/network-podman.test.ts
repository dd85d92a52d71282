/** Our bridge beside podman's (netavark with iptables) on a host where docker set FORWARD to drop; in a network namespace of the test's own. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { native } from '../../src/host/native/native.ts'
import { openNetworkManager } from '../../src/network/network-manager.ts'
import type { NetworkManager, NetworkReservation } from '../../src/network/types.ts'
import { TestHost } from '../support/host.ts'

const CLONE_NEWNET = 0x40000000
const OURS_PORT = 18601
const PODMAN_PORT = 18602
const WEB = 'mkdir -p /tmp/w; echo $0 > /tmp/w/name; exec httpd -f -p 80 -h /tmp/w'

function works(command: string): boolean {
  try {
    execFileSync('sh', ['-c', command], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** By nc, not wget: a static busybox crashes when it looks names up. */
function request(address: string, port: number): string {
  return `printf 'GET /name HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 ${address} ${port} | tail -n 1`
}

function run(command: string): string {
  return execFileSync('sh', ['-ec', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

const isReady = process.getuid?.() === 0 && works('podman --version && iptables --version && busybox true')

describe('beside podman', { skip: isReady ? false : 'needs root, podman, iptables and busybox', concurrency: false }, () => {
  const children: ChildProcess[] = []
  const ours = { id: 'd'.repeat(64), pid: 0, ip: '' }
  let host: TestHost
  let manager: NetworkManager
  let reservation: NetworkReservation
  let podmanIp = ''
  let heldFds: number[] = []

  function fromOurs(address: string, port: number): string {
    return run(`nsenter -t ${ours.pid} -n sh -c "${request(address, port)}"`)
  }
  function fromPodman(address: string, port: number): string {
    return host.podmanOk(['exec', 'theirs', 'sh', '-c', request(address, port)])
  }
  function fromHost(address: string, port: number): string {
    return run(request(address, port))
  }

  before(async () => {
    native.unshare(CLONE_NEWNET)
    run('ip link set lo up; iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER')
    run('ip link add dummy0 type bridge; ip addr add 198.51.100.1/24 dev dummy0; ip link set dummy0 up; ip route add default via 198.51.100.254')
    host = new TestHost()
    host.importBusybox()
    manager = openNetworkManager({ stateDirectory: `${host.directory}/state`, runDirectory: `${host.directory}/net`, defaultNetwork: 'podman' })
    const child = spawn('unshare', ['-n', '-m', '--propagation', 'private', 'sh', '-c', `mount -t tmpfs tmpfs /tmp; echo; mkdir -p /tmp/w; echo ours > /tmp/w/name; exec busybox httpd -f -p 80 -h /tmp/w`], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    await once(child.stdout, 'data')
    ours.pid = child.pid ?? 0
    reservation = await manager.reserve({ containerId: ours.id, containerName: 'ours', networks: [], ports: [{ hostIp: '', hostPort: OURS_PORT, containerPort: 80, range: 1, protocol: 'tcp' }] })
    heldFds = manager.takePortDescriptors(ours.id)
    await manager.prepare(reservation)
    await manager.attach(reservation, ours.pid)
    ours.ip = reservation.interfaces[0]?.ipv4 ?? ''
    host.podmanOk(['run', '-d', '--name', 'theirs', '-p', `${PODMAN_PORT}:80`, 'localhost/busybox', 'sh', '-c', WEB, 'theirs'])
    podmanIp = host.podmanOk(['inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'theirs'])
  })
  after(async () => {
    for (const fd of heldFds) closeSync(fd)
    await manager?.release(ours.id)
    for (const child of children) child.kill('SIGKILL')
    host?.dispose()
  })

  it('has subnets apart', () => {
    assert.match(ours.ip, /^10\.87\./)
    assert.match(podmanIp, /^10\.88\./)
  })
  it('lets both kinds of container reach each other directly', () => {
    assert.equal(fromOurs(podmanIp, 80), 'theirs')
    assert.equal(fromPodman(ours.ip, 80), 'ours')
  })
  it('lets everybody reach every published port', () => {
    for (const [port, name] of [[OURS_PORT, 'ours'], [PODMAN_PORT, 'theirs']] as const) {
      assert.equal(fromHost('127.0.0.1', port), name)
      assert.equal(fromHost('198.51.100.1', port), name)
      assert.equal(fromOurs('198.51.100.1', port), name)
      // netavark 1.4 sets no hairpin mode: beside br_netfilter a container of podman's does not reach its own published port.
      if (name === 'ours') assert.equal(fromPodman('198.51.100.1', port), name)
    }
  })
  it('does not share a port with podman, either way', async () => {
    await assert.rejects(manager.reserve({ containerId: 'e'.repeat(64), containerName: 'late', networks: [], ports: [{ hostIp: '', hostPort: PODMAN_PORT, containerPort: 80, range: 1, protocol: 'tcp' }] }), { code: 'PORT_IN_USE' })
    const refused = host.podman(['run', '--rm', '-p', `${OURS_PORT}:80`, 'localhost/busybox', 'true'])
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /address already in use/)
  })
  it('leaves iptables readable, and ours works on when podman\'s container goes', () => {
    assert.doesNotMatch(run('iptables-save 2>&1'), /incompatible|unknown/i)
    host.podmanOk(['rm', '-f', '-t', '0', 'theirs'])
    assert.equal(fromHost('127.0.0.1', OURS_PORT), 'ours')
  })
  it('takes its rules with it', async () => {
    await manager.release(ours.id)
    assert.doesNotMatch(run('iptables-save 2>&1'), /tpod/i)
    assert.doesNotMatch(run('nft list ruleset 2>/dev/null'), /elements/)
  })
})

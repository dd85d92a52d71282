/**
 * Bridge networks in a network namespace of the test's own: this thread leaves the host's namespace at once, so nothing
 * here touches the machine. "Containers" are sleeping processes in namespaces of their own.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { closeSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { after, afterEach, before, describe, it } from 'node:test'
import { native } from '../../src/host/native/native.ts'
import { openNetworkManager } from '../../src/network/network-manager.ts'
import type { NetworkManager, NetworkReservation, PortMapping } from '../../src/network/types.ts'

const isRoot = process.getuid?.() === 0
const CLONE_NEWNET = 0x40000000
const HOST_IP = '198.51.100.1'
const OUTSIDE_IP = '198.51.100.2'

const directory = mkdtempSync(`${tmpdir()}/tpod-network-`)
const children: ChildProcess[] = []
let manager: NetworkManager
let outside = 0
let counter = 0

function open(name = 'one'): NetworkManager {
  return openNetworkManager({ stateDirectory: `${directory}/${name}/state`, runDirectory: `${directory}/${name}/run`, defaultNetwork: 'podman', defaultSubnet: '10.88.0.0/16' })
}

function run(command: string): string {
  return execFileSync('sh', ['-ec', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function ruleset(): string {
  return run('nft list ruleset')
}

/** A process asleep in a network namespace of its own. */
async function sleeper(): Promise<number> {
  const child = spawn('unshare', ['-n', 'sh', '-c', 'echo ready; exec sleep 300'], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await once(child.stdout, 'data')
  return child.pid ?? 0
}

/** Answers each TCP connection or UDP datagram on these ports with the peer's address, from inside a namespace. */
async function serve(pid: number, ports: readonly number[], protocol: 'tcp' | 'udp' = 'tcp'): Promise<void> {
  const program =
    protocol === 'tcp'
      ? `let n=0;const p=${JSON.stringify(ports)};for(const q of p)require('net').createServer(s=>s.end(s.remoteAddress+' '+q)).listen(q,'0.0.0.0',()=>++n===p.length&&console.log('ready'))`
      : `const s=require('dgram').createSocket('udp4');s.on('message',(m,r)=>s.send(r.address+' '+m,r.port,r.address));s.bind(${ports[0]},()=>console.log('ready'))`
  const child = spawn('nsenter', ['-t', String(pid), '-n', process.execPath, '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await once(child.stdout, 'data')
}

/** What a client in a namespace (0: this one) hears from address:port. */
async function ask(pid: number, address: string, port: number): Promise<string> {
  if (pid === 0) return await askHere(address, port)
  const program = `const s=require('net').connect(${port},'${address}');s.setTimeout(3000,()=>s.destroy());s.on('data',d=>process.stdout.write(d));s.on('error',e=>process.stdout.write(e.code))`
  return run(`nsenter -t ${pid} -n ${process.execPath} -e "${program}"`)
}

async function askHere(address: string, port: number): Promise<string> {
  return await new Promise((resolve) => {
    let text = ''
    const socket = net.connect(port, address)
    socket.setTimeout(3000, () => { socket.destroy() })
    socket.on('data', (chunk) => { text += chunk.toString() })
    socket.on('error', (error: NodeJS.ErrnoException) => { text += error.code })
    socket.on('close', () => { resolve(text) })
  })
}

async function askUdp(address: string, port: number): Promise<string> {
  const socket = dgram.createSocket('udp4')
  try {
    socket.send('hello', port, address)
    const timer = AbortSignal.timeout(3000)
    const [message] = (await once(socket, 'message', { signal: timer })) as [Buffer]
    return message.toString()
  } finally {
    socket.close()
  }
}

function port(text: Partial<PortMapping>): PortMapping {
  return { hostIp: '', hostPort: 0, containerPort: 80, range: 1, protocol: 'tcp', ...text }
}

function nextId(): string {
  counter++
  return counter.toString(16).padStart(11, '0').padEnd(64, 'c')
}

async function start(ports: readonly PortMapping[] = [], owner = manager): Promise<{ id: string; pid: number; ip: string; reservation: NetworkReservation }> {
  const id = nextId()
  const reservation = await owner.reserve({ containerId: id, containerName: `name-${counter}`, networks: [], ports })
  const [, pid] = await Promise.all([owner.prepare(reservation), sleeper()])
  await owner.attach(reservation, pid)
  return { id, pid, ip: reservation.interfaces[0]?.ipv4 ?? '', reservation }
}

describe('bridge network', { skip: isRoot ? false : 'needs root', concurrency: false }, () => {
  before(async () => {
    native.unshare(CLONE_NEWNET)
    outside = await sleeper()
    run(`ip link set lo up
      ip link add out0 type veth peer name eth0 netns ${outside}
      ip addr add ${HOST_IP}/24 dev out0 && ip link set out0 up
      nsenter -t ${outside} -n ip addr add ${OUTSIDE_IP}/24 dev eth0
      nsenter -t ${outside} -n ip link set eth0 up && nsenter -t ${outside} -n ip link set lo up`)
    await serve(outside, [7000])
    manager = open()
  })
  afterEach(async () => {
    await manager.reconcile(() => false)
    const rules = ruleset()
    assert.doesNotMatch(rules, /elements/, 'a released container leaves no published port')
    assert.doesNotMatch(rules, /TPOD/, 'nor anything in the tables of others')
    assert.deepEqual(readdirSync(`${directory}/one/run/claims`), [])
    assert.deepEqual(readdirSync(`${directory}/one/run/containers`), [])
  })
  after(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  it('reaches the outside under the host address', async () => {
    const { pid } = await start()
    assert.equal(await ask(pid, OUTSIDE_IP, 7000), `${HOST_IP} 7000`)
  })

  it('lets containers reach each other under their own addresses', async () => {
    const one = await start()
    const two = await start()
    await serve(one.pid, [80])
    assert.equal(await ask(two.pid, one.ip, 80), `${two.ip} 80`)
  })

  it('publishes a port to the outside, the host, localhost, other containers and the container itself', async () => {
    const web = await start([port({ hostPort: 18080 })])
    const other = await start()
    await serve(web.pid, [80])
    assert.equal(await ask(outside, HOST_IP, 18080), `${OUTSIDE_IP} 80`, 'the client address is kept')
    assert.match(await ask(0, HOST_IP, 18080), / 80$/)
    assert.match(await ask(0, '127.0.0.1', 18080), / 80$/)
    assert.match(await ask(other.pid, HOST_IP, 18080), / 80$/)
    assert.match(await ask(web.pid, HOST_IP, 18080), / 80$/)
    await manager.release(web.id)
    assert.equal(await ask(outside, HOST_IP, 18080), 'ECONNREFUSED')
  })

  it('publishes ranges, UDP and single host addresses', async () => {
    const web = await start([port({ hostPort: 19000, containerPort: 9000, range: 3 }), port({ hostIp: '127.0.0.1', hostPort: 19080 }), port({ hostPort: 19053, containerPort: 53, protocol: 'udp' })])
    await serve(web.pid, [80, 9000, 9001, 9002])
    await serve(web.pid, [53], 'udp')
    assert.match(await ask(outside, HOST_IP, 19002), / 9002$/)
    assert.match(await ask(0, '127.0.0.1', 19080), / 80$/)
    assert.equal(await ask(outside, HOST_IP, 19080), 'ECONNREFUSED', 'published on localhost only')
    assert.match(await askUdp('127.0.0.1', 19053), / hello$/)
    assert.match(await askUdp(HOST_IP, 19053), / hello$/)
  })

  it('leads a UDP client to the next container when the port moves', async () => {
    const client = dgram.createSocket('udp4')
    client.bind(40111)
    await once(client, 'listening')
    for (let round = 0; round < 2; round++) {
      const server = await start([port({ hostPort: 19054, containerPort: 53, protocol: 'udp' })])
      await serve(server.pid, [53], 'udp')
      client.send(`round ${round}`, 19054, HOST_IP)
      const [message] = (await once(client, 'message', { signal: AbortSignal.timeout(3000) })) as [Buffer]
      assert.match(message.toString(), new RegExp(`round ${round}$`))
      await manager.release(server.id)
    }
    client.close()
  })

  it('does not let a container reach the host\'s loopback services', async () => {
    const { pid } = await start()
    const server = net.createServer((socket) => socket.end('secret')).listen(19099, '127.0.0.1')
    await once(server, 'listening')
    run(`nsenter -t ${pid} -n sh -c 'ip link set lo down; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; ip route add 127.0.0.0/8 via 10.87.0.1 dev eth0'`)
    const answer = spawn('nsenter', ['-t', String(pid), '-n', process.execPath, '-e', `const s=require('net').connect(19099,'127.0.0.1');s.setTimeout(800,()=>process.exit());s.on('data',d=>console.log(''+d));s.on('error',()=>{})`])
    let text = ''
    answer.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
    await once(answer, 'close')
    server.close()
    assert.equal(text, '')
  })

  it('says who has a port: another container, or a process of the host', async () => {
    const web = await start([port({ hostPort: 18081 })])
    const request = { containerId: nextId(), containerName: 'late', networks: [] }
    await assert.rejects(manager.reserve({ ...request, ports: [port({ hostIp: '127.0.0.1', hostPort: 18081 })] }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'PORT_IN_USE')
      assert.match(error.message, /127\.0\.0\.1:18081\/tcp: container name-\d+ has the port/)
      return true
    })
    await manager.release(web.id)
    const server = net.createServer().listen(18082, '127.0.0.1')
    await once(server, 'listening')
    await assert.rejects(manager.reserve({ ...request, ports: [port({ hostPort: 18080, range: 5 })] }), { code: 'PORT_IN_USE', message: 'publish 0.0.0.0:18082/tcp: a process on this host uses the port' })
    server.close()
    await assert.rejects(manager.reserve({ ...request, ports: [port({ hostIp: '192.0.2.77', hostPort: 18080 })] }), { code: 'PORT_ADDRESS' })
    assert.equal(manager.read(request.containerId), undefined, 'a refused reservation leaves nothing')
  })

  it('keeps published ports from other processes while somebody holds the descriptors', async () => {
    const web = await start([port({ hostPort: 0 }), port({ hostPort: 0, protocol: 'udp' })])
    const [tcp] = web.reservation.ports
    assert.ok(tcp && tcp.hostPort > 0)
    const descriptors = manager.takePortDescriptors(web.id)
    assert.equal(descriptors.length, 2)
    const server = net.createServer()
    server.listen(tcp.hostPort, '0.0.0.0')
    const [error] = (await once(server, 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'EADDRINUSE')
    for (const fd of descriptors) closeSync(fd)
  })

  it('waits a moment for the monitor of the last run to let go of the port', async () => {
    const server = net.createServer().listen(18083, '0.0.0.0')
    await once(server, 'listening')
    setTimeout(() => { server.close() }, 100)
    const web = await start([port({ hostPort: 18083 })])
    assert.equal(web.reservation.ports[0]?.hostPort, 18083)
  })

  it('gives ten parallel reservations ten addresses', async () => {
    const reservations = await Promise.all(Array.from({ length: 10 }, () => open().reserve({ containerId: nextId(), containerName: 'p', networks: [{ name: 'bridge' }], ports: [port({})] })))
    assert.equal(new Set(reservations.map((entry) => entry.interfaces[0]?.ipv4)).size, 10)
    assert.equal(new Set(reservations.map((entry) => entry.ports[0]?.hostPort)).size, 10)
  })

  it('cleans up after a process that was killed between reserve and attach', async () => {
    const id = nextId()
    const program = `
      const { openNetworkManager } = await import('${new URL('../../src/network/network-manager.ts', import.meta.url).pathname}')
      const manager = openNetworkManager({ stateDirectory: '${directory}/one/state', runDirectory: '${directory}/one/run', defaultNetwork: 'podman' })
      const reservation = await manager.reserve({ containerId: '${id}', containerName: 'killed', networks: [], ports: [{ hostIp: '', hostPort: 18090, containerPort: 80, range: 1, protocol: 'tcp' }] })
      await manager.prepare(reservation)
      process.kill(process.pid, 'SIGKILL')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
    await once(child, 'close')
    assert.match(ruleset(), /18090/)
    assert.deepEqual(await manager.reconcile((other) => other !== id), [id])
    assert.doesNotMatch(ruleset(), /18090/)
  })

  it('removes the rules of a container whose record was lost', async () => {
    const lost = await start([port({ hostPort: 18091 })])
    const kept = await start([port({ hostPort: 18092 })])
    rmSync(`${directory}/one/run/containers/${lost.id}.json`)
    await manager.release(lost.id)
    const rules = ruleset()
    assert.doesNotMatch(rules, /18091/)
    assert.match(rules, /18092/)
    assert.ok(manager.read(kept.id))
  })

  it('puts all rules back after somebody flushed them', async () => {
    const web = await start([port({ hostPort: 18093 })])
    await serve(web.pid, [80])
    run('nft flush ruleset')
    await start()
    assert.match(await ask(outside, HOST_IP, 18093), / 80$/)
  })

  it('can start again with the same id, and gives a requested address', async () => {
    const id = nextId()
    const request = { containerId: id, containerName: 'again', networks: [{ name: 'podman', ip: '10.87.9.9', mac: '0A:11:22:33:44:55' }], ports: [port({ hostPort: 18094 })] }
    for (let round = 0; round < 2; round++) {
      const reservation = await manager.reserve(request)
      const pid = await sleeper()
      await manager.prepare(reservation)
      await manager.attach(reservation, pid)
      assert.match(run(`nsenter -t ${pid} -n ip addr show eth0`), /0a:11:22:33:44:55[^]*10\.87\.9\.9\/16/)
    }
    await assert.rejects(manager.reserve({ ...request, containerId: nextId(), ports: [] }), { code: 'IP_IN_USE' })
  })

  it('undoes a failed attach', async () => {
    const reservation = await manager.reserve({ containerId: nextId(), containerName: 'gone', networks: [], ports: [] })
    await manager.prepare(reservation)
    await assert.rejects(manager.attach(reservation, 2 ** 22 + 1), { code: 'NETWORK_ATTACH' })
    assert.doesNotMatch(run('ip link'), new RegExp(`tp0-${reservation.containerId.slice(0, 11)}`))
  })

  it('gives a second store on the same host a bridge and a subnet of its own', async () => {
    await start()
    const second = open('two')
    const { id, pid, reservation } = await start([], second)
    assert.equal(reservation.interfaces[0]?.bridge, 'tpod1')
    assert.doesNotMatch(reservation.interfaces[0]?.ipv4 ?? '', /^10\.87\./)
    assert.equal(await ask(pid, OUTSIDE_IP, 7000), `${HOST_IP} 7000`)
    await second.release(id)
    run('ip link delete tpod1')
  })

  it('works beside docker\'s FORWARD policy, and leaves its chains as they were', { skip: hasIptables() ? false : 'iptables is not installed' }, async () => {
    // As dockerd writes them at start.
    run(`iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER
      iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`)
    const former = run('iptables-save -t filter | grep -v "^[#:]"')
    const web = await start([port({ hostPort: 18095 })])
    await serve(web.pid, [80, 81])
    assert.equal(await ask(web.pid, OUTSIDE_IP, 7000), `${HOST_IP} 7000`)
    assert.match(await ask(outside, HOST_IP, 18095), / 80$/)
    run(`nsenter -t ${outside} -n ip route add 10.87.0.0/16 via ${HOST_IP}`)
    assert.equal(await ask(outside, web.ip, 81), '', 'what is not published stays out of reach')
    const during = run('iptables -S FORWARD')
    assert.match(during, /-A FORWARD -j TPOD-tpod0/)
    await start()
    assert.equal(run('iptables -S FORWARD'), during, 'a second container adds no second jump')
    run('iptables -F FORWARD')
    const again = await start()
    assert.equal(await ask(again.pid, OUTSIDE_IP, 7000), `${HOST_IP} 7000`, 'after a flush the next container repairs it')
    await manager.reconcile(() => false)
    run('iptables -I FORWARD -j DOCKER-USER; iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT')
    assert.equal(run('iptables-save -t filter | grep -v "^[#:]"'), former)
    run('iptables -F; iptables -X; iptables -P FORWARD ACCEPT')
  })
})

function hasIptables(): boolean {
  try {
    execFileSync('iptables', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

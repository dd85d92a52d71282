// The default bridge: containers reach each other and out, published ports work from the host, and nothing stays behind.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePort, TestHost } from '../support/host.ts'

const host = new TestHost()
const image = 'localhost/busybox:latest'

before(() => host.importBusybox(image))
after(() => host.dispose())

const serve = (text: string): string => `while :; do echo ${text} | nc -l -p 80; done`

function ask(port: number, address = '127.0.0.1', timeoutMs = 5000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address)
    let text = ''
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer from ${address}:${port}`)))
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(text.trim()))
  })
}

/** nc serves one client at a time: a few tries. */
async function askUntil(port: number, expected: string, address?: string): Promise<void> {
  let last = ''
  for (let attempt = 0; attempt < 20; attempt++) {
    last = await ask(port, address).catch((error: Error) => error.message)
    if (last === expected) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.equal(last, expected)
}

test('a published port answers on localhost and on the host\'s address; ps, port and inspect show it', async () => {
  const port = await freePort()
  host.tpodOk(['run', '-d', '--name', 'web', '-p', `${port}:80`, image, 'sh', '-c', serve('hello')])
  await askUntil(port, 'hello')
  const gateway = host.tpodOk(['inspect', '--format', '{{.NetworkSettings.Gateway}}', 'web'])
  await askUntil(port, 'hello', gateway)
  assert.match(host.tpodOk(['ps', '--format', '{{.Ports}}']), new RegExp(`0\\.0\\.0\\.0:${port}->80/tcp`))
  assert.match(host.tpodOk(['port', 'web']), new RegExp(`80/tcp -> 0\\.0\\.0\\.0:${port}`))
  // hairpin: from inside, through the host
  host.tpodOk(['exec', 'web', 'sh', '-c', 'true'])
  const ip = host.tpodOk(['inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'web'])
  assert.equal(host.tpodOk(['run', '--rm', image, 'sh', '-c', `for i in 1 2 3 4 5; do nc -w 3 ${ip} 80 </dev/null && break; sleep 0.2; done`]), 'hello')
  host.tpodOk(['rm', '-f', '-t', '0', 'web'])
  await assert.rejects(ask(port, '127.0.0.1', 1000))
  assert.doesNotMatch(host.run('nft', ['list', 'ruleset']).stdout, new RegExp(`\\b${port}\\b`))
})

test('a range, and a chosen host address for udp', async () => {
  const base = await freePort()
  // busybox has no udp server to ask; the datagrams' way is tested in network.test.ts
  host.tpodOk(['run', '-d', '--name', 'udp', '-p', `127.0.0.1:${base}:5000/udp`, image, 'sleep', '100'])
  assert.equal(host.tpodOk(['port', 'udp']), `5000/udp -> 127.0.0.1:${base}`)
  assert.match(host.run('nft', ['list', 'ruleset']).stdout, new RegExp(`127\\.0\\.0\\.1 \\. ${base}\\b|udp[^]*${base}`))
  host.tpodOk(['rm', '-f', '-t', '0', 'udp'])
  host.tpodOk(['run', '-d', '--name', 'range', '-p', `${base}-${base + 2}:80-82`, image, 'sh', '-c', 'while :; do echo second | nc -l -p 81; done'])
  await askUntil(base + 1, 'second')
  host.tpodOk(['rm', '-f', '-t', '0', 'range'])
})

test('-P publishes what the image exposes on free ports', () => {
  host.tpodOk(['run', '-d', '--name', 'all', '-P', '--expose', '80', image, 'sleep', '100'])
  assert.match(host.tpodOk(['port', 'all', '80']), /0\.0\.0\.0:\d+/)
  host.tpodOk(['rm', '-f', '-t', '0', 'all'])
})

test('container to container, and outwards to a server on the host', async () => {
  host.tpodOk(['run', '-d', '--name', 'one', image, 'sh', '-c', serve('neighbour')])
  const ip = host.tpodOk(['inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'one'])
  const gateway = host.tpodOk(['inspect', '--format', '{{.NetworkSettings.Gateway}}', 'one'])
  assert.equal(host.tpodOk(['run', '--rm', image, 'sh', '-c', `for i in 1 2 3 4 5; do nc -w 3 ${ip} 80 </dev/null && break; sleep 0.2; done`]), 'neighbour')
  const server = createServer((socket) => socket.end('host\n'))
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const child = host.spawnTpod(['run', '--rm', image, 'nc', '-w', '3', gateway, String(port)])
  child.stdin?.end()
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  server.close()
  assert.equal(output.trim(), 'host')
  host.tpodOk(['rm', '-f', '-t', '0', 'one'])
})

test('twenty started at once get twenty addresses, and all go again', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `many${i}`)
  const results = await Promise.all(
    names.map(
      (name) =>
        new Promise<number>((resolve) => {
          const child = host.spawnTpod(['run', '-d', '--name', name, image, 'sleep', '1000'])
          child.stdin?.end()
          child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(chunk))
          child.on('close', (code) => resolve(code ?? 1))
        }),
    ),
  )
  assert.deepEqual(results, names.map(() => 0))
  const addresses = host.tpodOk(['inspect', '--format', '{{.NetworkSettings.IPAddress}}', ...names]).split('\n')
  assert.equal(new Set(addresses).size, 20)
  host.tpodOk(['rm', '-f', '-t', '0', ...names])
  assert.equal(host.tpodOk(['ps', '-aq']), '')
  // Twenty monitors find in their exit commands that there is nothing left to do.
  const deadline = Date.now() + 20_000
  while (host.leftovers().length > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100))
  assert.deepEqual(host.leftovers(), [])
})

test('a published port stays taken while the container lives, and its processes get nothing of it', async () => {
  const port = await freePort()
  host.tpodOk(['run', '-d', '--name', 'holder', '-p', `127.0.0.1:${port}:80`, image, 'sleep', '100'])
  await assert.rejects(listen(port), { code: 'EADDRINUSE' })
  const pid = host.tpodOk(['inspect', '-f', '{{.State.Pid}}', 'holder'])
  assert.deepEqual(readdirSync(`/proc/${pid}/fd`), ['0', '1', '2'])
  host.tpodOk(['rm', '-f', '-t', '0', 'holder'])
  await listen(port)
})

test('what a dead container left of the network goes with the next command that changes something', () => {
  host.tpodOk(['run', '-d', '--name', 'lives', image, 'sleep', '100'])
  const records = join(host.runRoot, 'tpod/network/containers')
  const [own] = readdirSync(records)
  const stale = `${'0'.repeat(64)}.json`
  writeFileSync(join(records, stale), JSON.stringify({ version: 1, containerId: '0'.repeat(64), containerName: 'gone', interfaces: [], ports: [] }))
  host.tpodOk(['create', '--name', 'other', image, 'true'])
  host.tpodOk(['rm', 'other'])
  assert.deepEqual(readdirSync(records), [own])
  host.tpodOk(['rm', '-f', '-t', '0', 'lives'])
})

function listen(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()))
  })
}

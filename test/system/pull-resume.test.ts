/** Interrupted pulls: the next one goes on from the bytes that came. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { randomFillSync } from 'node:crypto'
import { CountingProxy } from '../support/counting-proxy.ts'
import { spawnTpodResult, TestHost } from '../support/host.ts'
import { pushToRegistry } from '../support/images.ts'
import { assertLayersWhole } from '../support/invariants.ts'

let host: TestHost
let proxy: CountingProxy
let name: string
const layerBytes = 24 * 1024 * 1024

before(async () => {
  host = new TestHost()
  const rootfs = join(host.directory, 'random')
  mkdirSync(rootfs)
  writeFileSync(join(rootfs, 'data'), randomFillSync(Buffer.alloc(layerBytes)))
  const tar = join(host.directory, 'random.tar')
  host.run('tar', ['-C', rootfs, '-cf', tar, '.'])
  host.podmanOk(['import', '-q', tar, 'localhost/random:latest'])
  const registry = await host.startRegistry()
  pushToRegistry(host, 'localhost/random:latest', registry, 'resume:latest')
  host.podmanOk(['rmi', '-f', 'localhost/random:latest'])
  proxy = new CountingProxy(registry)
  const address = await proxy.listen()
  host.registries(`[[registry]]\nlocation = "${address}"\ninsecure = true\n`)
  name = `${address}/resume:latest`
})
after(() => {
  proxy.close()
  host.dispose()
})

const partials = (): string[] => {
  const directory = join(host.graphRoot, 'tpod/partial-blobs')
  return existsSync(directory) ? readdirSync(directory) : []
}

test('a pull cut for good at 70 % moves less than 40 % of the bytes again', async () => {
  proxy.cutAfterBytes = Math.round(layerBytes * 0.7)
  const cut = await spawnTpodResult(host, ['pull', '--retry', '0', name])
  assert.equal(cut.code, 125, cut.stderr)
  assert.equal(partials().length, 1)
  proxy.reset()
  const again = await spawnTpodResult(host, ['pull', '-q', name])
  assert.equal(again.code, 0, again.stderr)
  assert.ok(proxy.sentBytes < layerBytes * 0.4, `${proxy.sentBytes} of ${layerBytes} bytes were fetched again`)
  assert.deepEqual(partials(), [])
  host.podmanOk(['image', 'exists', name])
  assert.equal(host.tpod(['rmi', name]).code, 0)
})

test('a pull that was killed goes on, too', async () => {
  proxy.reset()
  proxy.stallAfterBytes = Math.round(layerBytes * 0.7)
  const child = host.spawnTpod(['pull', '-q', name])
  await proxy.stalled()
  // What the proxy sent may still be on its way.
  await new Promise((resolve) => setTimeout(resolve, 500))
  child.kill('SIGKILL')
  await new Promise((resolve) => child.on('close', resolve))
  proxy.reset()
  const again = await spawnTpodResult(host, ['pull', '-q', name])
  assert.equal(again.code, 0, again.stderr)
  assert.ok(proxy.sentBytes < layerBytes * 0.4, `${proxy.sentBytes} of ${layerBytes} bytes were fetched again`)
  assert.deepEqual(partials(), [])
  assert.equal(host.tpod(['rmi', name]).code, 0)
})

test('kept bytes that are wrong are thrown away and everything is fetched once', async () => {
  proxy.reset()
  proxy.cutAfterBytes = Math.round(layerBytes * 0.5)
  assert.equal((await spawnTpodResult(host, ['pull', '-q', '--retry', '0', name])).code, 125)
  const file = join(host.graphRoot, 'tpod/partial-blobs', partials()[0]!)
  const kept = readFileSync(file)
  kept[kept.length >> 1]! ^= 0xff
  writeFileSync(file, kept)
  proxy.reset()
  const again = await spawnTpodResult(host, ['pull', '-q', name])
  assert.equal(again.code, 0, again.stderr)
  assert.ok(proxy.sentBytes > layerBytes && proxy.sentBytes < layerBytes * 1.6, `${proxy.sentBytes} bytes`)
  assert.deepEqual(partials(), [])
  assert.equal(host.tpod(['rmi', name]).code, 0)
})

test('a longer file than the blob, a link, and two pulls at once do no harm', async () => {
  proxy.reset()
  const digest = (await layerDigest()).slice('sha256:'.length)
  const directory = join(host.graphRoot, 'tpod/partial-blobs')
  writeFileSync(join(directory, digest), Buffer.alloc(layerBytes * 2))
  assert.equal((await spawnTpodResult(host, ['pull', '-q', name])).code, 0)
  assert.equal(host.tpod(['rmi', name]).code, 0)
  const victim = host.writeFile('victim', 'untouched')
  host.run('ln', ['-s', victim, join(directory, digest)])
  assert.equal((await spawnTpodResult(host, ['pull', '-q', name])).code, 0)
  assert.equal(readFileSync(victim, 'utf8'), 'untouched')
  host.run('rm', [join(directory, digest)])
  assert.equal(host.tpod(['rmi', name]).code, 0)
  const both = await Promise.all([1, 2].map(() => spawnTpodResult(host, ['pull', '-q', name])))
  for (const result of both) assert.equal(result.code, 0, result.stderr)
  assert.deepEqual(partials(), [])
})

for (const kind of ['cut short', 'a FIFO', 'a directory']) {
  test(`${kind} in the place of a partial blob: the image is right byte for byte`, async () => {
    proxy.reset()
    host.tpod(['rmi', '-f', name])
    proxy.cutAfterBytes = Math.round(layerBytes * 0.7)
    assert.equal((await spawnTpodResult(host, ['pull', '-q', '--retry', '0', name])).code, 125)
    const file = join(host.graphRoot, 'tpod/partial-blobs', partials()[0]!)
    if (kind === 'cut short') truncateSync(file, Math.round(layerBytes * 0.3))
    else host.run('sh', ['-c', `rm ${file} && ${kind === 'a FIFO' ? 'mkfifo' : 'mkdir'} ${file}`])
    proxy.reset()
    const again = await spawnTpodResult(host, ['pull', '-q', name])
    assert.equal(again.code, 0, again.stderr)
    assert.ok(proxy.sentBytes < layerBytes * 1.2, `${proxy.sentBytes} bytes`)
    await assertLayersWhole(host)
    host.run('rm', ['-rf', file])
    assert.equal(host.tpod(['rmi', name]).code, 0)
  })
}

test('old partial blobs go with the next pull, young ones stay', async () => {
  const directory = join(host.graphRoot, 'tpod/partial-blobs')
  const [old, young] = ['a'.repeat(64), 'b'.repeat(64)]
  for (const file of [old, young]) writeFileSync(join(directory, file), 'bytes')
  const weekAgo = Date.now() / 1000 - 8 * 24 * 3600
  utimesSync(join(directory, old), weekAgo, weekAgo)
  assert.equal((await spawnTpodResult(host, ['pull', '-q', name])).code, 0)
  assert.deepEqual(partials(), [young])
})

async function layerDigest(): Promise<string> {
  const response = await fetch(`http://${name.replace('/resume:latest', '')}/v2/resume/manifests/latest`, { headers: { accept: 'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json' } })
  return ((await response.json()) as { layers: { digest: string }[] }).layers[0]!.digest
}

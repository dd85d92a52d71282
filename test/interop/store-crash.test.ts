// kill -9 at random moments, and several processes at once, on the store alone. TPOD_KILLS sets the number of kills.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { openStore } from '../../src/storage/open-store.ts'
import type { Store } from '../../src/storage/types.ts'
import { TestHost, projectRoot } from '../support/host.ts'
import { buildLayeredImage } from '../support/images.ts'
import { assertNoHalfLayers } from '../support/invariants.ts'
import { exportLayout, importLayout } from '../support/store-images.ts'

const kills = Number(process.env['TPOD_KILLS'] ?? 10)
const host = new TestHost()
let layout = ''
let store: Store

before(async () => {
  buildLayeredImage(host)
  layout = exportLayout(host, 'localhost/layers:latest')
  host.podmanOk(['rmi', '-a', '-f'])
  store = await openStore({ graphRoot: host.graphRoot, runRoot: host.runRoot, driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
})
afterEach(() => assertNoTemporaries())
after(() => host.dispose())

interface Ended { code: number | null; stderr: string; ms: number }

function worker(action: string, rounds = 1, killAfterMs?: number): Promise<Ended> {
  const child = spawn(process.execPath, [join(projectRoot, 'test/fixtures/store-worker.ts'), action, host.graphRoot, host.runRoot, layout, String(rounds)], { stdio: ['ignore', 'ignore', 'pipe'] })
  const start = performance.now()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  return new Promise(resolve => {
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code, stderr, ms: performance.now() - start })
    })
  })
}

function assertNoTemporaries(): void {
  for (const path of ['overlay/tempdirs', 'overlay-layers/tmp']) assert.deepEqual(readdirSync(join(host.graphRoot, path)), [])
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(line => line.includes(`${host.graphRoot}/overlay/`))
  assert.deepEqual(mounts, [])
}

test(`images killed ${kills} times while they are put in and taken out`, async () => {
  const { ms, code, stderr } = await worker('images')
  assert.equal(code, 0, stderr)
  for (let i = 0; i < kills; i++) {
    await worker('images', 5, ms * (0.2 + Math.random()))
    if (i % 2 === 0) host.podmanOk(['images', '-a'])
    await store.recover()
    assertNoHalfLayers(host)
    assert.deepEqual(await store.checkLayers(), [])
    host.podmanOk(['images', '-a'])
  }
  const id = await importLayout(store, layout, 'localhost/after:1')
  assert.equal(host.podmanOk(['run', '--rm', '--network', 'none', 'localhost/after:1', 'echo', 'whole']), 'whole')
  assert.equal((await store.getImage(id)).names?.at(-1), 'localhost/after:1')
})

for (const action of ['volatile', 'containers']) {
  test(`${action} killed ${kills} times between create and delete`, async () => {
    const { ms } = await worker(action)
    const layers = (await store.listLayers()).length
    for (let i = 0; i < kills; i++) {
      await worker(action, 20, ms * (0.5 + Math.random()))
      await store.recover()
      if (i % 2 === 0) host.podmanOk(['ps', '-a', '--external'])
      // What a killed process leaves is whole: it can be deleted by us.
      for (const container of await store.listContainers()) await store.deleteContainer(container.id)
      assertNoHalfLayers(host)
      assert.equal((await store.listLayers()).length, layers)
    }
  })
}

test('several processes, podman among them, use one store at a time', async () => {
  const podman = async () => {
    for (let i = 0; i < 4; i++) {
      await new Promise<void>((resolve, reject) => {
        const child = spawn('podman', [...host.storeFlags(), '--tmpdir', join(host.directory, 'podman-tmp'), 'run', '--rm', '--network', 'none', 'localhost/after:1', 'true'], { env: host.env, stdio: ['ignore', 'ignore', 'pipe'] })
        let stderr = ''
        child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
        child.on('close', code => (code === 0 ? resolve() : reject(new Error(stderr))))
      })
    }
  }
  const [one, two, three] = await Promise.all([worker('images', 6), worker('images', 6), worker('containers', 10), podman()])
  for (const ended of [one, two, three]) assert.equal(ended.code, 0, ended.stderr)
  await store.recover()
  assertNoHalfLayers(host)
  assert.deepEqual(await store.checkLayers(), [])
})

test('one process with many operations at a time', async () => {
  const image = await store.getImage('localhost/after:1')
  const ids = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const { id } = await store.createContainer({ names: [`p${i}`], imageId: image.id, metadata: '{}', volatile: i % 2 === 0 })
      await store.mountContainer(id)
      return id
    }),
  )
  assert.equal((await store.listContainers()).length, 20)
  await Promise.all(ids.map(id => store.deleteContainer(id)))
  assert.equal((await store.listContainers()).length, 0)
})

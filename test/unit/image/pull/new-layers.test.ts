import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { markNewLayer, pruneOrphanLayers } from '../../../../src/image/pull/new-layers.ts'
import { openStore } from '../../../../src/storage/open-store.ts'
import type { Store } from '../../../../src/storage/types.ts'

let directory: string
let store: Store
before(async () => {
  directory = mkdtempSync('/var/tmp/tpod-test-')
  store = await openStore({ graphRoot: join(directory, 'root'), runRoot: join(directory, 'run'), driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
})
after(() => rmSync(directory, { recursive: true, force: true }))

async function addLayer(parent: string | undefined, fill: string): Promise<string> {
  // A tar with nothing in it is two blocks of zeros; more of them make another layer.
  const staged = await store.stageLayer((async function* () { yield new Uint8Array(1024 + 512 * fill.length) })())
  return (await store.commitLayer(staged, parent)).id
}

const markers = (): string[] => readdirSync(join(store.ownDirectory, 'new-layers')).toSorted()

function age(id: string): void {
  const twoDaysAgo = Date.now() / 1000 - 48 * 3600
  utimesSync(join(store.ownDirectory, 'new-layers', id), twoDaysAgo, twoDaysAgo)
}

test('only old layers of our own pulls that nothing uses go', async () => {
  const bottom = await addLayer(undefined, 'a')
  const middle = await addLayer(bottom, 'bb')
  const top = await addLayer(middle, 'ccc')
  const foreign = await addLayer(undefined, 'dddd')
  const used = await addLayer(undefined, 'eeeee')
  const id = '1'.repeat(64)
  await store.putImage({ id, digest: `sha256:${id}`, names: ['localhost/x:1'], layer: used, bigData: new Map() })
  for (const each of [bottom, middle, top, used]) markNewLayer(store, each)
  assert.deepEqual(await pruneOrphanLayers(store), [], 'all are young')
  assert.equal(markers().length, 4)
  for (const each of [middle, top, used]) age(each)
  assert.deepEqual((await pruneOrphanLayers(store)).toSorted(), [middle, top].toSorted())
  assert.deepEqual((await store.listLayers()).map((layer) => layer.id).toSorted(), [bottom, foreign, used].toSorted())
  assert.deepEqual(markers(), [bottom])
})

test('a layer that another one stands on stays', async () => {
  const parent = await addLayer(undefined, 'ffffff')
  const child = await addLayer(parent, 'a')
  markNewLayer(store, parent)
  age(parent)
  assert.deepEqual(await pruneOrphanLayers(store), [])
  assert.ok(await store.findLayer(child))
  assert.ok(await store.findLayer(parent))
})

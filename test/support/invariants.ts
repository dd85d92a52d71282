/** What must hold after any crash: both tools list the same, every layer still has its digest, nothing half-made is visible. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../../src/storage/open-store.ts'
import type { TestHost } from './host.ts'

interface ListedImage {
  Id: string
  Names?: string[]
}

/** Asserts that podman and tpod list the same images, and that every image can be read out whole by skopeo. */
export function assertStoreHealthy(host: TestHost): void {
  const ours = (JSON.parse(host.tpodOk(['images', '-a', '--no-trunc', '--format', 'json'])) as ListedImage[]).map((image) => image.Id.replace('sha256:', '')).sort()
  const theirs = (JSON.parse(host.podmanOk(['images', '-a', '--no-trunc', '--format', 'json'])) as ListedImage[]).map((image) => image.Id).sort()
  assert.deepEqual([...new Set(ours)], [...new Set(theirs)])
  assertNoHalfLayers(host)
}

/** Every layer record has its directory and its link; every directory and link has its record; no staging is left. */
export function assertNoHalfLayers(host: TestHost): void {
  const overlay = join(host.graphRoot, 'overlay')
  if (!existsSync(overlay)) return
  const records = ['layers.json', 'volatile-layers.json'].flatMap((name) => {
    const path = join(host.graphRoot, 'overlay-layers', name)
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    return text === '' ? [] : (JSON.parse(text) as { id: string; flags?: { incomplete?: boolean } }[])
  })
  assert.deepEqual(records.filter((record) => record.flags?.incomplete === true), [])
  const ids = records.map((record) => record.id).sort()
  const directories = readdirSync(overlay).filter((name) => /^[0-9a-f]{64}$/.test(name)).sort()
  assert.deepEqual(directories, ids)
  const links = readdirSync(join(overlay, 'l'))
  assert.equal(links.length, ids.length)
  const staging = join(overlay, 'staging')
  assert.deepEqual(existsSync(staging) ? readdirSync(staging) : [], [])
}

/** Reads every layer back and compares it with its recorded digest. */
export async function assertLayersWhole(host: TestHost): Promise<void> {
  const store = await openStore({ graphRoot: host.graphRoot, runRoot: host.runRoot, driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
  assert.ok((await store.listLayers()).length > 0, 'there are layers to check')
  assert.deepEqual(await store.checkLayers(), [])
}

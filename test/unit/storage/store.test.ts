// The store without mounts: records, directories and rules of deletion. Needs no privileges.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { openStore } from '../../../src/storage/open-store.ts'
import { bigDataFileName } from '../../../src/storage/store-paths.ts'
import type { Store } from '../../../src/storage/types.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-store-'))
after(() => rmSync(directory, { recursive: true, force: true }))
let store: Store
let root = ''
let count = 0

beforeEach(async () => {
  root = join(directory, String(count++))
  store = await openStore({ graphRoot: `${root}/g`, runRoot: `${root}/r`, driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
})

const hex = (text: string) => createHash('sha256').update(text).digest('hex')
function newImage(seed: string, names: string[] = []) {
  const manifest = Buffer.from(`{"seed":"${seed}"}`)
  const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`
  return { id: hex(seed), digest, names, bigData: new Map([[`manifest-${digest}`, manifest], ['manifest', manifest]]) }
}

test('reading a store that does not exist finds nothing and creates nothing', async () => {
  assert.deepEqual([await store.listImages(), await store.listContainers(), await store.listLayers()], [[], [], []])
  assert.equal(await store.findImage('x'), undefined)
  await store.recover()
  assert.equal(existsSync(root), false)
})

test('a name moves to the image that gets it last; the former one keeps it in its history', async () => {
  await store.putImage(newImage('one', ['localhost/x:1', 'localhost/y:1']))
  await store.putImage(newImage('two', ['localhost/x:1']))
  assert.equal((await store.getImage('localhost/x:1')).id, hex('two'))
  const one = await store.getImage(hex('one'))
  assert.deepEqual(one.names, ['localhost/y:1'])
  assert.ok(one['names-history']?.includes('localhost/x:1'))
  await store.changeImageNames(hex('one'), 'set', [])
  assert.equal((await store.getImage(hex('one'))).names, undefined)
})

test('images are found by id, prefix, digest and name@digest, never by a wrong repository', async () => {
  const wanted = newImage('one', ['localhost:5000/a/b:1'])
  await store.putImage(wanted)
  for (const key of [wanted.id, wanted.id.slice(0, 1), `sha256:${wanted.id}`, wanted.digest, `localhost:5000/a/b@${wanted.digest}`]) {
    assert.equal((await store.findImage(key))?.id, wanted.id, key)
  }
  for (const key of [`localhost:5000/a/c@${wanted.digest}`, 'a/b:1', 'zz']) assert.equal(await store.findImage(key), undefined, key)
  await assert.rejects(store.getImage('localhost/none'), { code: 'NO_SUCH_IMAGE' })
  for (let i = 0; i < 20; i++) await store.putImage(newImage(`more${i}`))
  const ids = (await store.listImages()).map(image => image.id[0])
  const doubled = ids.find((digit, i) => ids.indexOf(digit) !== i)!
  await assert.rejects(store.findImage(doubled), { code: 'AMBIGUOUS_ID' })
})

test('image data is written under the names that the Go tools expect', async () => {
  const wanted = newImage('one')
  const image = await store.putImage(wanted)
  assert.deepEqual(readdirSync(`${root}/g/overlay-images/${image.id}`).sort(), [bigDataFileName(`manifest-${wanted.digest}`), 'manifest'].sort())
  assert.equal(bigDataFileName('sha256:247d85'), '=c2hhMjU2OjI0N2Q4NQ==')
  assert.deepEqual(image['big-data-digests'], { [`manifest-${wanted.digest}`]: wanted.digest, manifest: wanted.digest })
  await assert.rejects(store.readImageData(image.id, 'nothing'), { code: 'NO_SUCH_IMAGE_DATA' })
})

test('records that would make the file unreadable for others are refused', async () => {
  await assert.rejects(store.putImage({ ...newImage('x'), digest: 'sha256:short' }), { code: 'BAD_IMAGE' })
  await assert.rejects(store.putImage({ ...newImage('x'), id: 'X' }), { code: 'BAD_IMAGE' })
  await assert.rejects(store.putImage({ ...newImage('x'), created: 'yesterday' }), { code: 'BAD_IMAGE' })
  await assert.rejects(store.putImage({ ...newImage('x'), layer: hex('gone') }), { code: 'LAYER_PARENT_GONE' })
})

test('a volatile container is recorded in the volatile files, unless an old podman uses the store', async () => {
  const image = await store.putImage(newImage('one'))
  const one = await store.createContainer({ names: ['one'], imageId: image.id, metadata: '{}', volatile: true })
  const file = (name: string) => JSON.parse(readFileSync(`${root}/g/overlay-${name}`, 'utf8')) as { id: string }[]
  assert.deepEqual(file('containers/volatile-containers.json').map(record => record.id), [one.id])
  assert.deepEqual(file('layers/volatile-layers.json').map(record => record.id), [one.layer])
  await assert.rejects(store.deleteImage(image.id), { code: 'IMAGE_IN_USE', message: /image is in use by a container/, remedy: /\(one\)/, exitCode: 2 })
  mkdirSync(`${root}/g/libpod`)
  writeFileSync(`${root}/g/libpod/bolt_state.db`, '')
  const two = await store.createContainer({ names: ['two'], imageId: image.id, metadata: '{}', volatile: true })
  assert.deepEqual(file('containers/containers.json').map(record => record.id), [two.id])
  assert.equal(two.flags?.['Volatile'], true)
})

test('names of containers are unique in both files, also for parallel creators', async () => {
  const image = await store.putImage(newImage('one'))
  const create = (volatile: boolean) => store.createContainer({ names: ['same'], imageId: image.id, metadata: '{}', volatile })
  const results = await Promise.allSettled([create(true), create(false), create(true), create(false)])
  const failures = results.filter(result => result.status === 'rejected')
  assert.equal(failures.length, 3)
  for (const failure of failures) assert.equal((failure.reason as { code: string }).code, 'CONTAINER_NAME_IN_USE')
  assert.equal((await store.listLayers()).length, 1, 'the losers left no layers')
  assert.equal((await store.findContainer('same'))?.names?.[0], 'same')
})

test('a container leaves nothing behind', async () => {
  const image = await store.putImage(newImage('one'))
  const container = await store.createContainer({ names: ['c'], imageId: image.id, metadata: '{"name":"c"}', volatile: false })
  writeFileSync(join(store.containerDirectory(container.id), 'ctr.log'), 'log')
  store.containerRunDirectory(container.id)
  await store.renameContainer(container.id, ['d'])
  assert.deepEqual(JSON.parse((await store.findContainer('d'))?.metadata ?? ''), { name: 'd' })
  await store.deleteContainer(container.id)
  await store.deleteImage(image.id)
  for (const path of ['g/overlay/l', 'g/overlay/tempdirs', 'g/overlay-images', 'g/overlay-containers', 'r/overlay-containers']) {
    assert.deepEqual(readdirSync(join(root, path)).filter(name => !/\.(json|lock)$/.test(name)), [], path)
  }
})

test('what a crash left incomplete is removed, with the container that stands on it', async () => {
  const image = await store.putImage(newImage('one'))
  const container = await store.createContainer({ names: ['c'], imageId: image.id, metadata: '{}', volatile: false })
  const path = `${root}/g/overlay-layers/layers.json`
  const layers = JSON.parse(readFileSync(path, 'utf8')) as { flags?: object }[]
  writeFileSync(path, JSON.stringify(layers.map(layer => ({ ...layer, flags: { incomplete: true } }))))
  rmSync(`${root}/g/overlay/${container.layer}/link`)
  mkdirSync(`${root}/g/overlay/tempdirs/temp-dir-dead/0-x`, { recursive: true })
  await new Promise(resolve => setTimeout(resolve, 2))
  await store.recover()
  assert.deepEqual(await store.listContainers(), [])
  assert.equal(readFileSync(path, 'utf8'), '[]')
  assert.deepEqual(readdirSync(`${root}/g/overlay/l`), [])
  assert.deepEqual(readdirSync(`${root}/g/overlay/tempdirs`), [])
})

test('paths that mount options cannot carry are refused', async () => {
  await assert.rejects(openStore({ ...store.options, graphRoot: '/a,b' }), { code: 'BAD_STORE_PATH' })
  await assert.rejects(openStore({ ...store.options, graphRoot: 'relative' }), { code: 'BAD_STORE_PATH' })
})

test('data of an image that has no record goes with the next recovery, of one that has stays', async () => {
  await store.putImage(newImage('kept'))
  const orphan = `${root}/g/overlay-images/${hex('orphan')}`
  mkdirSync(orphan)
  writeFileSync(`${orphan}/manifest`, '{}')
  await store.recover()
  assert.equal(existsSync(orphan), false)
  assert.ok(existsSync(`${root}/g/overlay-images/${hex('kept')}`))
})

test('the first layer that comes sweeps what killed pulls had unpacked', async () => {
  const abandoned = `${root}/g/overlay/tempdirs/temp-dir-dead`
  mkdirSync(`${abandoned}/content`, { recursive: true })
  writeFileSync(`${root}/g/overlay/tempdirs/lock-dead`, '')
  await store.stageLayer((async function* () {})()).then((layer) => layer.discard(), () => undefined)
  for (let wait = 0; existsSync(abandoned) && wait < 100; wait++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(existsSync(abandoned), false)
})

test('a removal goes with a reserve of disk space, which the first image brings', async () => {
  await store.putImage(newImage('one'))
  assert.ok(readFileSync(`${root}/g/tpod/reserve`).length >= 1024 * 1024)
  await store.deleteImage(hex('one'))
  assert.ok(existsSync(`${root}/g/tpod/reserve`))
})

test('a layer that a killed removal of its image left goes with the next removal, unless another image has it by now', async () => {
  await store.putImage(newImage('first'))
  const [left, taken] = [hex('left'), hex('taken')]
  for (const id of [left, taken]) mkdirSync(`${root}/g/overlay/${id}/diff`, { recursive: true })
  writeFileSync(`${root}/g/overlay-layers/layers.json`, JSON.stringify([left, taken].map(id => ({ id, created: new Date().toISOString() }))))
  mkdirSync(`${root}/g/tpod/going-layers`, { recursive: true })
  for (const id of [left, taken]) writeFileSync(`${root}/g/tpod/going-layers/${id}`, '')
  await store.putImage({ ...newImage('user'), layer: taken })
  await store.putImage(newImage('other'))
  await store.deleteImage(hex('other'))
  assert.deepEqual((await store.listLayers()).map(({ id }) => id), [taken])
  assert.deepEqual(readdirSync(`${root}/g/tpod/going-layers`), [])
})

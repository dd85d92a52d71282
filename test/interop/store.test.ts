// One store on disk, two implementations: what podman, skopeo and buildah make we read, and the other way round.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openStore } from '../../src/storage/open-store.ts'
import type { Store } from '../../src/storage/types.ts'
import { TestHost, expectOk } from '../support/host.ts'
import { buildLayeredImage } from '../support/images.ts'
import { assertNoHalfLayers } from '../support/invariants.ts'
import { exportLayout, importLayout, storeReference } from '../support/store-images.ts'

const host = new TestHost()
const name = 'localhost/layers:latest'
const ours = 'localhost/ours:1'
let layout = ''
let listing = ''
const list = (image: string) => host.podmanOk(['run', '--rm', '--network', 'none', image, 'sh', '-c', 'ls -lnR --full-time /opt /bin /home; ls -dln --full-time /tmp; stat -c %A /'])

before(() => {
  buildLayeredImage(host)
  layout = exportLayout(host, name)
  listing = list(name)
})
after(() => host.dispose())

function open(additionalImageStores: string[] = []): Promise<Store> {
  return openStore({ graphRoot: host.graphRoot, runRoot: host.runRoot, driver: 'overlay', driverOptions: {}, additionalImageStores, userXattr: false })
}
const metadata = (image: string, container: string) =>
  JSON.stringify({ 'image-name': ours, 'image-id': image, name: container, 'created-at': Math.floor(Date.now() / 1000) })

test('we read what podman built: names, sizes, configuration, layers', async () => {
  const store = await open()
  const theirs = JSON.parse(host.podmanOk(['image', 'inspect', name])) as { Id: string; Size: number; Digest: string }[]
  const image = await store.getImage(name)
  assert.equal(image.id, theirs[0]!.Id)
  assert.equal(image.digest, theirs[0]!.Digest)
  const config = JSON.parse((await store.readImageData(image.id, `sha256:${image.id}`)).toString()) as { config: { Env: string[] } }
  assert.ok(config.config.Env.includes('FOO=bar'))
  assert.equal((await store.findImage(image.id.slice(0, 10)))?.id, image.id)
  assert.equal((await store.findImage(`${name.split(':')[0]}@${image.digest}`))?.id, image.id)
  assert.deepEqual(await store.checkLayers(), [])
})

test('podman and skopeo use the image that we put into the store, byte for byte', async () => {
  host.podmanOk(['rmi', '-a', '-f'])
  assert.deepEqual(readdirSync(join(host.graphRoot, 'overlay/l')), [])
  const store = await open()
  const id = await importLayout(store, layout, ours)
  assert.equal(host.podmanOk(['images', '--no-trunc', '-q']), `sha256:${id}`)
  const copy = join(host.directory, 'copy')
  expectOk(['skopeo copy'], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', storeReference(host, ours), `dir:${copy}`]))
  const manifest = readFileSync(join(copy, 'manifest.json'))
  const recorded = JSON.parse((await store.readImageData(id, 'manifest')).toString()) as { config: { digest: string } }
  assert.equal((JSON.parse(manifest.toString()) as { config: { digest: string } }).config.digest, recorded.config.digest)
  assert.ok(listing.includes('12345'))
  assert.equal(list(ours), listing)
  assert.deepEqual(await store.checkLayers(), [])
  assertNoHalfLayers(host)
})

test('a layer that is there already is not stored twice', async () => {
  const store = await open()
  const before = await store.listLayers()
  await importLayout(store, layout, 'localhost/again:1')
  assert.deepEqual(await store.listLayers(), before)
  const image = await store.getImage('localhost/again:1')
  assert.deepEqual(image.names, [ours, 'localhost/again:1'])
  await store.changeImageNames(image.id, 'remove', ['localhost/again:1'])
  assert.equal(host.podman(['image', 'exists', 'localhost/again:1']).code, 1)
})

test('our container is mounted, seen by podman, keeps its image and goes without a trace', async () => {
  const store = await open()
  const image = await store.getImage(ours)
  const container = await store.createContainer({ names: ['mine'], imageId: image.id, metadata: metadata(image.id, 'mine'), volatile: false })
  assert.match(host.podmanOk(['ps', '-a', '--external', '--format', '{{.ID}} {{.Names}}']), new RegExp(`${container.id.slice(0, 12)} mine`))
  const merged = await store.mountContainer(container.id)
  writeFileSync(join(merged, 'written'), '12345')
  assert.equal(readFileSync(join(merged, 'opt/tree/sub/ünï'), 'utf8'), 'unicode\n')
  assert.equal(await store.containerSizeBytes(container.id), 5)
  host.podmanOk(['images'])
  assert.equal(await store.containerMountpoint(container.id), merged, 'a podman command leaves the mount alone')
  assert.equal(await store.mountContainer(container.id), merged)
  assert.equal(await store.unmountContainer(container.id), false)
  assert.notEqual(host.podman(['rmi', ours]).code, 0)
  await assert.rejects(store.deleteImage(image.id), { code: 'IMAGE_IN_USE', remedy: /mine/ })
  await assert.rejects(store.createContainer({ names: ['mine'], imageId: image.id, metadata: '{}', volatile: false }), { code: 'CONTAINER_NAME_IN_USE' })
  await store.deleteContainer(container.id)
  await store.deleteContainer(container.id)
  assert.equal(existsSync(merged), false)
  assert.equal(host.podmanOk(['ps', '-a', '--external', '-q']), '')
  assertNoHalfLayers(host)
})

test("podman removes our container, and we see and keep off buildah's", async () => {
  const store = await open()
  const image = await store.getImage(ours)
  const container = await store.createContainer({ names: ['yours'], imageId: image.id, metadata: metadata(image.id, 'yours'), volatile: false })
  host.podmanOk(['rm', '-f', 'yours'])
  assert.equal(await store.findContainer(container.id), undefined)
  const flags = ['--root', host.graphRoot, '--runroot', host.runRoot]
  const working = expectOk(['buildah'], host.run('buildah', [...flags, 'from', '--pull-never', ours]))
  assert.equal((await store.findContainer(working))?.image, image.id)
  await assert.rejects(store.deleteImage(image.id), { code: 'IMAGE_IN_USE', remedy: /buildah/ })
  expectOk(['buildah'], host.run('buildah', [...flags, 'rm', working]))
})

test('a volatile container survives podman commands, and protects its image from us', async () => {
  const store = await open()
  const image = await store.getImage(ours)
  const container = await store.createContainer({ names: ['fleeting'], imageId: image.id, metadata: metadata(image.id, 'fleeting'), volatile: true })
  const merged = await store.mountContainer(container.id)
  host.podmanOk(['images'])
  host.podmanOk(['ps', '-a'])
  assert.equal(await store.containerMountpoint(container.id), merged)
  await assert.rejects(store.deleteImage(image.id), { code: 'IMAGE_IN_USE' })
  assert.notEqual(host.podman(['rmi', ours]).code, 0)
  await store.unmountContainer(container.id)
  await store.deleteContainer(container.id)
  host.podmanOk(['images'])
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(`${host.graphRoot}/overlay`), 'podman could unmount its home: no count is left')
})

test('an image is mounted read-only', async () => {
  const store = await open()
  const image = await store.getImage(ours)
  const merged = await store.mountImage(image.id)
  assert.ok(existsSync(join(merged, 'opt/gone/new')))
  assert.throws(() => writeFileSync(join(merged, 'x'), ''), { code: 'EROFS' })
  assert.equal(await store.unmountImage(image.id), true)
})

test('overwritten, truncated and missing files are found by the check', async () => {
  const store = await open()
  const image = await store.getImage(ours)
  const layers = (await store.listLayers()).map(layer => layer.id)
  const passwd = layers.map(id => join(host.graphRoot, 'overlay', id, 'diff/etc/passwd')).find(path => existsSync(path))!
  const original = readFileSync(passwd)
  writeFileSync(passwd, original.toString().replace('root', 'r00t'))
  const problems = await store.checkLayers()
  assert.equal(problems.length, 1)
  assert.match(problems[0]!.problem, /etc\/passwd/)
  writeFileSync(passwd, original)
  assert.deepEqual(await store.checkLayers(), [])
  const hash = createHash('sha256')
  for await (const bytes of store.readLayerTar(image.layer!)) hash.update(bytes)
  assert.equal(`sha256:${hash.digest('hex')}`, (await store.findLayer(image.layer!))?.['diff-digest'])
})

test('names that are not UTF-8 come in, are checked, read back and removed', async () => {
  const store = await open()
  const tree = join(host.directory, 'odd')
  mkdirSync(tree)
  for (const bytes of [[0xff, 0x41], [0xc3, 0x28, 0x42]]) writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(bytes)]), `content ${bytes.join(' ')}`)
  expectOk(['tar'], host.run('tar', ['-C', tree, '-cf', join(host.directory, 'odd.tar'), '.']))
  const staged = await store.stageLayer(createReadStream(join(host.directory, 'odd.tar')))
  const layer = await store.commitLayer(staged, undefined)
  assert.deepEqual(await store.checkLayers([layer.id]), [])
  const manifest = Buffer.from('{}')
  const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`
  await store.putImage({ id: 'f'.repeat(64), digest, names: [], layer: layer.id, bigData: new Map([['manifest', manifest]]) })
  assert.deepEqual((await store.deleteImage('f'.repeat(64))).removedLayers, [layer.id])
  assertNoHalfLayers(host)
  assert.deepEqual(readdirSync(join(host.graphRoot, 'overlay/tempdirs')), [])
})

test('a container on layers of a read-only store', async () => {
  const other = new TestHost()
  try {
    const store = await openStore({ graphRoot: other.graphRoot, runRoot: other.runRoot, driver: 'overlay', driverOptions: {}, additionalImageStores: [host.graphRoot], userXattr: false })
    const image = await store.getImage(ours)
    const container = await store.createContainer({ names: ['c'], imageId: image.id, metadata: '{}', volatile: false })
    const merged = await store.mountContainer(container.id)
    assert.ok(existsSync(join(merged, 'opt/gone/new')))
    await store.deleteContainer(container.id)
    await assert.rejects(store.deleteImage(image.id), { code: 'IMAGE_READ_ONLY' })
    await store.changeImageNames(image.id, 'add', ['localhost/copied:up'])
    assert.equal((await store.getImage('localhost/copied:up')).layer, image.layer)
  } finally {
    other.dispose()
  }
})

test('we delete what podman committed, down to the shared layers', async () => {
  const store = await open()
  host.podmanOk(['run', '--name', 'work', '--network', 'none', ours, 'touch', '/new-file'])
  host.podmanOk(['commit', '-q', 'work', 'localhost/committed:1'])
  host.podmanOk(['rm', 'work'])
  const committed = await store.getImage('localhost/committed:1')
  const base = await store.getImage(ours)
  const deleted = await store.deleteImage(committed.id)
  assert.deepEqual(deleted.removedLayers, [committed.layer])
  assert.equal(host.podmanOk(['run', '--rm', '--network', 'none', ours, 'echo', 'whole']), 'whole')
  await store.deleteImage(base.id)
  assert.equal(host.podmanOk(['images', '-a', '-q']), '')
  assert.deepEqual(await store.listLayers(), [])
  assertNoHalfLayers(host)
})

test('a half-written images.json stops us with the name of the file', async () => {
  const store = await open()
  await importLayout(store, layout, ours)
  const path = join(host.graphRoot, 'overlay-images/images.json')
  const text = readFileSync(path, 'utf8')
  for (const bad of ['', text.slice(0, text.length / 2), '{}']) {
    writeFileSync(path, bad)
    await assert.rejects(store.listImages(), (error: { code: string; message: string; remedy: string }) => {
      assert.equal(error.code, 'STORE_CORRUPT')
      assert.ok(error.message.includes(path) && !error.message.includes('\n') && error.remedy.includes(path))
      return true
    })
    await assert.rejects(store.changeImageNames('a'.repeat(64), 'set', []), { code: 'STORE_CORRUPT' })
    assert.equal(readFileSync(path, 'utf8'), bad)
  }
  rmSync(path)
  assert.deepEqual(await store.listImages(), [])
})

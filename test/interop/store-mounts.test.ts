// Mounts at the edges: option strings longer than a page, lost short links, lost mount counts, a user namespace.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openStore } from '../../src/storage/open-store.ts'
import type { Store } from '../../src/storage/types.ts'
import { TestHost, expectOk, projectRoot } from '../support/host.ts'
import { buildLayeredImage } from '../support/images.ts'
import { exportLayout, importLayout } from '../support/store-images.ts'

const host = new TestHost()
let layout = ''

before(() => {
  buildLayeredImage(host)
  layout = exportLayout(host, 'localhost/layers:latest')
})
after(() => host.dispose())

function open(graphRoot: string, driverOptions: Record<string, string> = {}): Promise<Store> {
  return openStore({ graphRoot, runRoot: `${graphRoot}-run`, driver: 'overlay', driverOptions, additionalImageStores: [], userXattr: false })
}

function unmountAll(root: string): void {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n').reverse()) {
    const path = line.split(' ')[4] ?? ''
    if (path.startsWith(`${root}/`)) host.run('umount', ['-l', path])
  }
}

test('a stack whose options exceed one page is mounted with relative names', async () => {
  const root = join(host.directory, ...Array.from({ length: 8 }, (_, i) => `${i}`.repeat(120)), 'root')
  const store = await open(root, { mountopt: 'nodev' })
  try {
    const id = await importLayout(store, layout, 'localhost/deep:1')
    const container = await store.createContainer({ names: ['c'], imageId: id, metadata: '{}', volatile: true })
    const merged = await store.mountContainer(container.id)
    assert.ok(existsSync(join(merged, 'opt/gone/new')))
    writeFileSync(join(merged, 'x'), 'y')
    const line = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').find(each => each.includes(merged))!
    assert.match(line, /lowerdir=l\/[A-Z2-7]{26}:l\//)
    assert.match(line, / rw,nodev/)
    await store.deleteContainer(container.id)
    assert.equal(existsSync(merged), false)
  } finally {
    unmountAll(root)
  }
})

test('lost short links and link files are restored by the mount that needs them', async () => {
  const root = join(host.directory, 'links')
  const store = await open(root)
  try {
    const id = await importLayout(store, layout, 'localhost/links:1')
    const container = await store.createContainer({ names: ['c'], imageId: id, metadata: '{}', volatile: false })
    for (const name of readdirSync(`${root}/overlay/l`)) rmSync(`${root}/overlay/l/${name}`)
    const merged = await store.mountContainer(container.id)
    assert.ok(existsSync(join(merged, 'opt/gone/new')))
    await store.deleteContainer(container.id)
  } finally {
    unmountAll(root)
  }
})

test("a mount whose count was lost is found, used and undone; a stale count doesn't keep a mount", async () => {
  const root = join(host.directory, 'counts')
  const store = await open(root)
  try {
    const id = await importLayout(store, layout, 'localhost/counts:1')
    const container = await store.createContainer({ names: ['c'], imageId: id, metadata: '{}', volatile: false })
    const merged = await store.mountContainer(container.id)
    const counts = `${root}-run/overlay-layers/mountpoints.json`
    writeFileSync(counts, '[]')
    assert.equal(await store.mountContainer(container.id), merged)
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').split(merged).length, 2, 'mounted once')
    assert.equal(await store.unmountContainer(container.id, { force: true }), true)
    assert.equal(await store.containerMountpoint(container.id), undefined)
    writeFileSync(counts, JSON.stringify([{ id: container.layer, path: merged, count: 7 }, { id: 'foreign', path: '/x', count: 1 }]))
    await store.mountContainer(container.id)
    assert.equal(await store.unmountContainer(container.id), true)
    assert.deepEqual(JSON.parse(readFileSync(counts, 'utf8')), [{ id: 'foreign', path: '/x', count: 1 }])
    await store.deleteContainer(container.id)
  } finally {
    unmountAll(root)
  }
})

test('a store written through a mount program is not mounted by the kernel', async () => {
  const root = join(host.directory, 'program')
  const store = await open(root)
  const id = await importLayout(store, layout, 'localhost/program:1')
  const container = await store.createContainer({ names: ['c'], imageId: id, metadata: '{}', volatile: false })
  writeFileSync(`${root}/overlay/.has-mount-program`, 'true')
  try {
    await assert.rejects(store.mountContainer(container.id), { code: 'MOUNT_PROGRAM_NEEDED' })
    assert.equal(await store.containerMountpoint(container.id), undefined)
  } finally {
    unmountAll(root)
  }
})

test('root of a user namespace unpacks, mounts with user.* attributes and deletes', () => {
  const root = join(host.directory, 'rootless')
  mkdirSync(root)
  const script = join(projectRoot, 'test/fixtures/store-rootless.ts')
  const result = host.run('unshare', ['--user', '--map-users', 'all', '--map-groups', 'all', '--setuid', '0', '--setgid', '0', '--mount', process.execPath, script, root, layout])
  // Older unshare knows no "all".
  const fallback = result.code === 0 ? result : host.run('unshare', ['--user', '--map-root-user', '--mount', process.execPath, script, root, layout])
  const output = expectOk(['unshare'], fallback)
  assert.match(output, /mounted new/)
  assert.match(output, /left 0/)
})

import assert from 'node:assert/strict'
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, beforeEach, test } from 'node:test'
import { fillVolume } from '../../../../src/libpod/volume/fill-volume.ts'
import { createVolume, findVolume, getVolume, listVolumes, removeVolume, volumePaths } from '../../../../src/libpod/volume/volume-store.ts'

const work = mkdtempSync(`${tmpdir()}/tpod-volume-`)
const paths = volumePaths(`${work}/root`, `${work}/root/tpod`)
const rootfs = `${work}/rootfs`
after(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(`${work}/root`, { recursive: true, force: true })
  rmSync(rootfs, { recursive: true, force: true })
  mkdirSync(`${rootfs}/data/deep`, { recursive: true })
  writeFileSync(`${rootfs}/data/file`, 'image\n', { mode: 0o640 })
  symlinkSync('/etc/passwd', `${rootfs}/data/link`)
  chmodSync(`${rootfs}/data/deep`, 0o1770)
  chmodSync(`${rootfs}/data`, 0o750)
})
const nobody = async (): Promise<string[]> => []

test('create, find by prefix, list, refuse a second of the name', async () => {
  const volume = await createVolume(paths, { name: 'web-data', labels: { a: 'b' } })
  assert.equal(volume.mountpoint, `${work}/root/volumes/web-data/_data`)
  assert.ok(statSync(volume.mountpoint).isDirectory())
  assert.equal(getVolume(paths, 'web').labels['a'], 'b')
  await createVolume(paths, { name: 'web-other' })
  assert.throws(() => getVolume(paths, 'web'), /more than one result/)
  await assert.rejects(createVolume(paths, { name: 'web-data' }), /volume with name web-data already exists/)
  assert.equal((await createVolume(paths, { name: 'web-data' }, true)).created, volume.created)
  assert.deepEqual(listVolumes(paths).map(({ name }) => name), ['web-data', 'web-other'])
  assert.match((await createVolume(paths, {})).name, /^[0-9a-f]{64}$/)
})

test('names that walk are refused everywhere', async () => {
  for (const name of ['..', '../x', 'a/b', '-x', '', 'a\0b', '.hidden']) {
    await assert.rejects(createVolume(paths, { name }), /names must match/, JSON.stringify(name))
    assert.equal(findVolume(paths, name), undefined)
  }
  await assert.rejects(createVolume(paths, { name: 'x', options: { foo: '1' } }), /invalid mount option foo/)
})

test('removal: in use, missing, and with its data', async () => {
  await createVolume(paths, { name: 'keep' })
  await assert.rejects(removeVolume(paths, 'keep', async () => ['abc123']), /being used by the following container\(s\): abc123/)
  await assert.rejects(removeVolume(paths, 'none', nobody), /no such volume/)
  await removeVolume(paths, 'keep', nobody)
  assert.deepEqual(readdirSync(paths.dataDirectory), [])
})

test('copy-up takes content, modes and the directory itself, once', async () => {
  const { mountpoint } = await createVolume(paths, { name: 'v' })
  await fillVolume(paths, 'v', rootfs, '/data')
  assert.equal(readFileSync(`${mountpoint}/file`, 'utf8'), 'image\n')
  assert.deepEqual([statSync(`${mountpoint}/file`).mode & 0o7777, statSync(mountpoint).mode & 0o7777, statSync(`${mountpoint}/deep`).mode & 0o7777], [0o640, 0o750, 0o1770])
  assert.deepEqual(readdirSync(mountpoint).toSorted(), ['deep', 'file', 'link'])
  rmSync(`${mountpoint}/file`)
  await fillVolume(paths, 'v', rootfs, '/data')
  assert.ok(!existsSync(`${mountpoint}/file`), 'what the user deleted stays deleted')
})

test('data that is there already is never mixed with the image', async () => {
  mkdirSync(`${work}/root/volumes/podmans/_data`, { recursive: true })
  writeFileSync(`${work}/root/volumes/podmans/_data/mine`, '1')
  const { mountpoint } = await createVolume(paths, { name: 'podmans' }, true)
  await fillVolume(paths, 'podmans', rootfs, '/data')
  assert.deepEqual(readdirSync(mountpoint), ['mine'])
})

test('a copy that a crash broke off is completed', async () => {
  const { mountpoint } = await createVolume(paths, { name: 'v' })
  const record = `${paths.recordDirectory}/v.json`
  writeFileSync(record, JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')) as object, isFilling: true }))
  writeFileSync(`${mountpoint}/.tpod-copy`, 'half')
  mkdirSync(`${mountpoint}/deep`)
  await fillVolume(paths, 'v', rootfs, '/data')
  assert.deepEqual(readdirSync(mountpoint).toSorted(), ['deep', 'file', 'link'])
  assert.equal((JSON.parse(readFileSync(record, 'utf8')) as { isFilled: boolean }).isFilled, true)
})

test('a symlink in the image does not make the host the source', async () => {
  rmSync(`${rootfs}/data`, { recursive: true })
  symlinkSync('/../../../../../../../../etc', `${rootfs}/data`)
  mkdirSync(`${rootfs}/etc`)
  writeFileSync(`${rootfs}/etc/from-image`, '')
  const { mountpoint } = await createVolume(paths, { name: 'v' })
  await fillVolume(paths, 'v', rootfs, '/data')
  assert.deepEqual(readdirSync(mountpoint), ['from-image'])
})

test('a new volume where the image has nothing belongs to the user', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async () => {
  const { mountpoint } = await createVolume(paths, { name: 'v' })
  await fillVolume(paths, 'v', rootfs, '/nothing/here', '1000:1001')
  assert.deepEqual([statSync(mountpoint).uid, statSync(mountpoint).gid], [1000, 1001])
})

test('hard links stay one file', async () => {
  linkSync(`${rootfs}/data/file`, `${rootfs}/data/deep/second`)
  const { mountpoint } = await createVolume(paths, { name: 'v' })
  await fillVolume(paths, 'v', rootfs, '/data')
  assert.equal(statSync(`${mountpoint}/file`).ino, statSync(`${mountpoint}/deep/second`).ino)
  assert.equal(statSync(`${mountpoint}/file`).nlink, 2)
})

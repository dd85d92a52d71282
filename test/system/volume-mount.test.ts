/** Volumes that are mounts of their own. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { mountVolume, unmountVolume } from '../../src/libpod/volume/mount-volume.ts'
import { createVolume, findVolume, removeVolume, volumePaths } from '../../src/libpod/volume/volume-store.ts'

function mountLine(mountpoint: string): string {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(` ${mountpoint} `)).join('|')
}

describe('local driver options', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  const work = mkdtempSync('/var/tmp/tpod-volume-')
  const paths = volumePaths(work, `${work}/tpod`)
  after(() => rmSync(work, { recursive: true, force: true }))

  test('tmpfs with a size, mounted once, gone with the volume', async () => {
    const volume = await createVolume(paths, { name: 't', options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,nodev,mode=0700' } })
    mountVolume(volume)
    mountVolume(volume)
    assert.match(mountLine(volume.mountpoint), /nodev.* - tmpfs tmpfs rw,size=1024k,mode=700/)
    assert.ok(!mountLine(volume.mountpoint).includes('|'), 'not twice')
    await removeVolume(paths, 't', async () => [])
    assert.equal(mountLine(volume.mountpoint), '')
    assert.equal(findVolume(paths, 't'), undefined)
  })

  test('a read-only bind: what is behind it survives the removal of the volume', async () => {
    mkdirSync(`${work}/behind`)
    writeFileSync(`${work}/behind/data`, 'x')
    const volume = await createVolume(paths, { name: 'b', options: { type: 'none', device: `${work}/behind`, o: 'bind,ro' } })
    mountVolume(volume)
    assert.throws(() => writeFileSync(`${volume.mountpoint}/new`, ''), { code: 'EROFS' })
    await removeVolume(paths, 'b', async () => [])
    assert.ok(existsSync(`${work}/behind/data`))
  })

  test('owner only; and what cannot be mounted is named', async () => {
    const owned = await createVolume(paths, { name: 'o', options: { o: 'uid=1000,gid=1001' } })
    mountVolume(owned)
    assert.deepEqual([statSync(owned.mountpoint).uid, statSync(owned.mountpoint).gid], [1000, 1001])
    const nfs = await createVolume(paths, { name: 'n', options: { type: 'nfs', device: 'x:/y' } })
    assert.throws(() => mountVolume(nfs), /mount volume n: type nfs needs its own mount program/)
    await assert.rejects(createVolume(paths, { name: 'm', options: { type: 'none', device: '/no/such', o: 'bind' } }), /\/no\/such/)
    const directory = `${work}/soon-gone`
    mkdirSync(directory)
    const missing = await createVolume(paths, { name: 'm', options: { type: 'none', device: directory, o: 'bind' } })
    rmdirSync(directory)
    assert.throws(() => mountVolume(missing), /mount volume m: .*ENOENT/)
    unmountVolume(missing.mountpoint)
  })
})

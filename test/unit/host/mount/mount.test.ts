import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { test } from 'node:test'
import { isMountPoint, parseMountInfoLine, readMountInfo } from '../../../../src/host/mount/mountinfo.ts'
import { parseMountOptions } from '../../../../src/host/mount/mount-options.ts'
import { Mount } from '../../../../src/host/native/constants.ts'
import { native } from '../../../../src/host/native/native.ts'

test('a line of mountinfo, with escapes and optional fields', () => {
  const line = '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root\\011x rw,errors=continue'
  assert.deepEqual(parseMountInfoLine(line), {
    id: 36,
    parentId: 35,
    major: 98,
    minor: 0,
    root: '/mnt1',
    mountPoint: '/mnt 2',
    options: 'rw,noatime',
    propagation: ['shared:1', 'master:2'],
    fstype: 'ext3',
    source: '/dev/root\tx',
    superOptions: 'rw,errors=continue',
  })
  assert.deepEqual(parseMountInfoLine('1 2 0:5 / / rw - tmpfs none rw')?.propagation, [])
  assert.equal(parseMountInfoLine(''), undefined)
})

test('isMountPoint agrees with the mount table', () => {
  assert.ok(isMountPoint('/'))
  const table = new Set(readMountInfo().map((entry) => entry.mountPoint))
  for (const path of ['/proc', '/sys', '/dev', '/dev/pts', '/run', '/tmp', '/usr', '/etc/ssl']) {
    assert.equal(isMountPoint(path), table.has(path), path)
    assert.equal(isMountPoint(`${path}/`), table.has(path), `${path}/`)
  }
  assert.equal(isMountPoint('/proc/self'), false)
  assert.equal(isMountPoint('/no/such/thing'), false)
  assert.equal(isMountPoint('/etc/passwd/x'), false)
})

test('a bind mount of the same file system counts, a link to it does not', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  const directory = mkdtempSync('/var/tmp/tpod-mount-')
  native.mount(directory, directory, null, Mount.MS_BIND, null)
  try {
    symlinkSync(directory, `${directory}-link`)
    assert.equal(isMountPoint(directory), true)
    assert.equal(isMountPoint(`${directory}-link`), false)
    assert.ok(readMountInfo().some((entry) => entry.mountPoint === directory))
  } finally {
    native.umount2(directory, Mount.MNT_DETACH)
    rmSync(`${directory}-link`)
    assert.equal(isMountPoint(directory), false)
    rmSync(directory, { recursive: true })
  }
})

test('mount options: the last word wins, the rest is data', () => {
  const parsed = parseMountOptions(['rbind', 'ro', 'nosuid', 'suid', 'rprivate', 'size=64k', 'mode=755', 'defaults', ''])
  assert.equal(parsed.flags, Mount.MS_BIND | Mount.MS_REC | Mount.MS_RDONLY)
  assert.equal(parsed.clearedFlags, Mount.MS_NOSUID)
  assert.deepEqual(parsed.propagation, [Mount.MS_PRIVATE | Mount.MS_REC])
  assert.equal(parsed.data, 'size=64k,mode=755')
  assert.equal(parseMountOptions(['ro', 'rw']).flags, 0)
})

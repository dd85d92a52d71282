import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, beforeEach, test } from 'node:test'
import { lookupUser } from '../../../../src/host/user/lookup-user.ts'

const root = mkdtempSync(`${tmpdir()}/tpod-user-`)
after(() => rmSync(root, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(`${root}/etc`, { recursive: true, force: true })
  mkdirSync(`${root}/etc`)
  writeFileSync(`${root}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\n# comment\nbroken\nbob:x:1000:100::/home/bob:\n42:x:7:7::/seven:\n')
  writeFileSync(`${root}/etc/group`, 'root:x:0:\nusers:x:100:\nwheel:x:10:bob,root\ndocker:x:99:bob\n')
})

test('names, numbers, groups and memberships', () => {
  assert.deepEqual(lookupUser(root, 'bob'), { uid: 1000, gid: 100, name: 'bob', home: '/home/bob', additionalGids: [100, 10, 99], isInPasswd: true, isInGroup: true })
  assert.deepEqual(lookupUser(root, '1000').name, 'bob')
  assert.deepEqual(lookupUser(root, ''), { uid: 0, gid: 0, name: 'root', home: '/root', additionalGids: [10], isInPasswd: true, isInGroup: true })
  assert.deepEqual(lookupUser(root, 'bob:docker'), { uid: 1000, gid: 99, name: 'bob', home: '/home/bob', additionalGids: [99], isInPasswd: true, isInGroup: true })
  assert.deepEqual(lookupUser(root, '5000:6000'), { uid: 5000, gid: 6000, name: '', home: '/', additionalGids: [6000], isInPasswd: false, isInGroup: false })
  assert.equal(lookupUser(root, '42').uid, 7, 'a user named 42 wins over the number')
  assert.deepEqual(lookupUser(root, 'bob', ['555', 'wheel']).additionalGids, [100, 10, 99, 555])
})

test('podman says it in these words', () => {
  assert.throws(() => lookupUser(root, 'zork'), /unable to find user zork: no matching entries in passwd file/)
  assert.throws(() => lookupUser(root, 'bob:zork'), /unable to find group zork: no matching entries in group file/)
  assert.throws(() => lookupUser(root, '9999999999'), /must be in range/)
})

test('without databases numbers still work', () => {
  rmSync(`${root}/etc/passwd`)
  rmSync(`${root}/etc/group`)
  assert.equal(lookupUser(root, '12:13').gid, 13)
  assert.equal(lookupUser(root, '').home, '/')
})

test('a FIFO, a directory, or a symlink out of the root does not lead anywhere', () => {
  rmSync(`${root}/etc/passwd`)
  execFileSync('mkfifo', [`${root}/etc/passwd`])
  assert.throws(() => lookupUser(root, 'bob'), /not a regular file/)
  rmSync(`${root}/etc/passwd`)
  symlinkSync('/../../../../../etc/hostname', `${root}/etc/passwd`)
  assert.throws(() => lookupUser(root, 'bob'), /no matching entries/)
  rmSync(`${root}/etc/passwd`)
  symlinkSync('/proc/self/environ', `${root}/etc/passwd`)
  assert.throws(() => lookupUser(root, 'bob'), /no matching entries/)
})

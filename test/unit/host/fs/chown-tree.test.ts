import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { chownTree } from '../../../../src/host/fs/chown-tree.ts'
import { native } from '../../../../src/host/native/native.ts'

const skip = process.getuid?.() === 0 ? false : 'needs root'
const owner = { uid: 1234, gid: 2345 }

function withTree(use: (tree: string, outside: string) => void): void {
  const base = mkdtempSync('/var/tmp/tpod-test-chown-')
  const [tree, outside] = [join(base, 'tree'), join(base, 'outside')]
  mkdirSync(join(tree, 'a/b'), { recursive: true })
  mkdirSync(outside)
  writeFileSync(join(outside, 'canary'), '')
  writeFileSync(join(tree, 'a/b/file'), '')
  try {
    use(tree, outside)
    assert.deepEqual([statSync(outside).uid, statSync(join(outside, 'canary')).uid], [0, 0])
  } finally {
    rmSync(base, { recursive: true })
  }
}

test('everything below, links themselves, nothing behind them', { skip }, () => {
  withTree((tree, outside) => {
    symlinkSync(outside, join(tree, 'link'))
    execFileSync('mkfifo', [join(tree, 'a/pipe')])
    const odd = Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.from([0xff, 0xfe])])
    writeFileSync(odd, '')
    chownTree(tree, owner)
    for (const name of ['.', 'a', 'a/b', 'a/b/file', 'a/pipe', 'link']) {
      const { uid, gid } = lstatSync(join(tree, name))
      assert.deepEqual({ uid, gid }, owner, name)
    }
    assert.equal(lstatSync(odd).uid, owner.uid)
    chownTree(join(tree, 'a/b/file'), { uid: 0, gid: 0 })
    assert.equal(statSync(join(tree, 'a/b/file')).uid, 0)
  })
})

test('a directory that becomes a symlink while we walk leads nowhere', { skip }, () => {
  withTree((tree, outside) => {
    const { openat2 } = native
    native.openat2 = (...args) => {
      if (String(args[1]) === 'b') {
        renameSync(join(tree, 'a/b'), join(tree, 'a/moved'))
        symlinkSync(outside, join(tree, 'a/b'))
      }
      return openat2(...args)
    }
    try {
      assert.throws(() => chownTree(tree, owner), (error: NodeJS.ErrnoException) => error.code === 'ENOTDIR' || error.code === 'ELOOP')
    } finally {
      native.openat2 = openat2
    }
  })
})

test('setuid programs of the owner keep their bit', { skip }, () => {
  withTree((tree) => {
    writeFileSync(join(tree, 'program'), '')
    execFileSync('sh', ['-c', `chown ${owner.uid}:${owner.gid} program; chmod 4755 program`], { cwd: tree })
    chownTree(tree, owner)
    assert.equal(statSync(join(tree, 'program')).mode & 0o7777, 0o4755)
  })
})

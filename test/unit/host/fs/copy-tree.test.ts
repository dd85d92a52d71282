import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, lstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { copyTree } from '../../../../src/host/fs/copy-tree.ts'
import { native } from '../../../../src/host/native/native.ts'

const skip = process.getuid?.() === 0 ? false : 'needs root'

async function withTrees(use: (source: string, target: string, outside: string) => Promise<void>): Promise<void> {
  const base = mkdtempSync('/var/tmp/tpod-test-copy-')
  const [source, target, outside] = ['source', 'target', 'outside'].map((name) => join(base, name)) as [string, string, string]
  for (const directory of [source, target, outside]) mkdirSync(directory)
  writeFileSync(join(outside, 'canary'), 'untouched', { mode: 0o600 })
  try {
    await use(source, target, outside)
    assert.deepEqual(readdirSync(outside), ['canary'])
    assert.equal(readFileSync(join(outside, 'canary'), 'utf8'), 'untouched')
    assert.equal(statSync(join(outside, 'canary')).mode & 0o7777, 0o600)
  } finally {
    rmSync(base, { recursive: true })
  }
}

async function copy(source: string, target: string): Promise<void> {
  const fd = openSync(source, 'r')
  try {
    await copyTree(fd, target)
  } finally {
    closeSync(fd)
  }
}

test('every kind keeps mode and owner, whatever the umask', { skip }, async () => {
  await withTrees(async (source, target) => {
    execFileSync('sh', ['-c', 'mkfifo f; chmod 0666 f; mknod d c 1 3; chmod 0622 d; ln -s /etc/passwd l; mkdir s; echo x > s/setuid; chown 7:8 s/setuid; chmod 4711 s/setuid'], { cwd: source })
    await copy(source, target)
    const mode = (name: string): number => lstatSync(join(target, name)).mode & 0o7777
    assert.deepEqual([mode('f'), mode('d'), mode('s/setuid')], [0o666, 0o622, 0o4711])
    assert.deepEqual([lstatSync(join(target, 's/setuid')).uid, readlinkSync(join(target, 'l'))], [7, '/etc/passwd'])
  })
})

test('links that a process sharing the target puts in the way lead nowhere', { skip }, async () => {
  await withTrees(async (source, target, outside) => {
    mkdirSync(join(source, 'data'))
    writeFileSync(join(source, 'data/canary'), 'gotcha')
    symlinkSync(outside, join(target, 'data'))
    await assert.rejects(copy(source, target), { code: 'ENOTDIR' })
  })
  await withTrees(async (source, target, outside) => {
    execFileSync('mkfifo', ['-m', '0777', join(source, 'pipe')])
    const { mknodat } = native
    native.mknodat = (...args) => {
      mknodat(...args)
      unlinkSync(join(target, 'pipe'))
      symlinkSync(join(outside, 'canary'), join(target, 'pipe'))
    }
    try {
      await assert.rejects(copy(source, target), { code: 'EOPNOTSUPP' })
    } finally {
      native.mknodat = mknodat
    }
  })
})

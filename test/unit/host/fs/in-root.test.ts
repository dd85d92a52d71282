import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, beforeEach, test } from 'node:test'
import { appendFileInRoot, makeDirectoryInRoot, readFileInRoot, statInRoot, symlinkInRoot } from '../../../../src/host/fs/in-root.ts'

const work = mkdtempSync(`${tmpdir()}/tpod-root-`)
const root = `${work}/root`
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
after(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => {
  for (const path of [root, `${work}/outside`]) {
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path)
  }
  writeFileSync(`${work}/outside/secret`, 'host')
  symlinkSync(`${work}/outside`, `${root}/absolute`)
  symlinkSync('../outside', `${root}/relative`)
  symlinkSync('/../../..//proc/self/cwd', `${root}/magic`)
  symlinkSync('loop', `${root}/loop`)
})

test('no symlink of the image reaches the host', () => {
  for (const path of ['/absolute/secret', '/relative/secret', '/../outside/secret', 'relative/../../outside/secret', '/magic/secret']) {
    assert.equal(readFileInRoot(root, path, 100), undefined, path)
    assert.equal(statInRoot(root, path), undefined, path)
  }
  assert.throws(() => statInRoot(root, '/loop'), { code: 'ELOOP' })
})

test('an absolute link means the container root', () => {
  mkdirSync(`${root}/etc`)
  writeFileSync(`${root}/etc/real`, 'inside')
  symlinkSync('/etc/real', `${root}/etc/link`)
  assert.equal(readFileInRoot(root, '/etc/link', 100)?.toString(), 'inside')
})

test('directories are made inside, whatever the links say', () => {
  mkdirSync(`${root}/srv`)
  symlinkSync('/srv', `${root}/www`)
  makeDirectoryInRoot(root, '/www/a/../b/c', owner)
  assert.ok(statSync(`${root}/srv/b/c`).isDirectory())
  assert.throws(() => makeDirectoryInRoot(root, '/relative/x', owner), /a symlink that leads nowhere/)
  assert.ok(!existsSync(`${work}/outside/x`))
  writeFileSync(`${root}/file`, '')
  assert.throws(() => makeDirectoryInRoot(root, '/file/x', owner), /not a directory/)
})

test('files that are no files, and too large ones', () => {
  execFileSync('mkfifo', [`${root}/fifo`])
  assert.throws(() => readFileInRoot(root, '/fifo', 100), { code: 'NOT_REGULAR' })
  assert.throws(() => appendFileInRoot(root, '/fifo', () => undefined), { code: 'NOT_REGULAR' })
  writeFileSync(`${root}/big`, 'x'.repeat(101))
  assert.throws(() => readFileInRoot(root, '/big', 100), { code: 'TOO_LARGE' })
})

test('appending and linking', () => {
  writeFileSync(`${root}/list`, 'a\n')
  assert.equal(appendFileInRoot(root, '/list', (fd) => appendFileSync(fd, 'b\n')), true)
  assert.equal(readFileSync(`${root}/list`, 'utf8'), 'a\nb\n')
  assert.equal(appendFileInRoot(root, '/none', () => assert.fail('called')), false)
  mkdirSync(`${root}/etc`)
  assert.equal(symlinkInRoot(root, '/proc/mounts', '/etc', 'mtab'), true)
  assert.equal(symlinkInRoot(root, '/elsewhere', '/etc', 'mtab'), false)
  assert.equal(symlinkInRoot(root, '/x', '/relative', 'evil'), false)
  assert.ok(!existsSync(`${work}/outside/evil`))
})

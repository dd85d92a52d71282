import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readFileIfExists, readJsonIfExists } from '../../../../src/host/fs/read-optional.ts'
import { removeTree } from '../../../../src/host/fs/remove-tree.ts'
import { writeFileAtomic, writeFileAtomicSync } from '../../../../src/host/fs/write-file-atomic.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-fs-'))
after(() => rmSync(directory, { recursive: true, force: true }))

test('a written file has its content and its mode, whatever the umask, and nothing beside it', async () => {
  const path = join(directory, 'written/state.json')
  mkdirSync(join(directory, 'written'))
  const mask = process.umask(0o077)
  await writeFileAtomic(path, 'one', { mode: 0o644 })
  writeFileAtomicSync(path, Buffer.from('two'), { mode: 0o644, sync: false })
  process.umask(mask)
  assert.equal(readFileSync(path, 'utf8'), 'two')
  assert.equal(statSync(path).mode & 0o777, 0o644)
  assert.deepEqual(readdirSync(join(directory, 'written')), ['state.json'])
})

test('a failed write leaves the old content and no temporary file', async () => {
  const parent = join(directory, 'failed')
  mkdirSync(join(parent, 'target/full'), { recursive: true })
  await assert.rejects(writeFileAtomic(join(parent, 'target'), 'x'), { code: 'EISDIR' })
  assert.deepEqual(readdirSync(parent), ['target'])
  await assert.rejects(writeFileAtomic(join(parent, 'missing/x'), 'x'), { code: 'ENOENT' })
})

test('readers see one whole version or the other, never a mixture', async () => {
  const path = join(directory, 'contended')
  const versions = Array.from({ length: 30 }, (_, i) => String(i % 10).repeat(50_000))
  await writeFileAtomic(path, versions[0]!)
  let done = false
  const writing = (async () => {
    for (const version of versions) await writeFileAtomic(path, version)
    done = true
  })()
  while (!done) {
    const text = readFileSync(path, 'utf8')
    assert.equal(text.length, 50_000)
    assert.equal(new Set(text).size, 1)
    await new Promise(resolve => setImmediate(resolve))
  }
  await writing
})

test('a tree is removed without following links, locked directories included', async () => {
  const tree = join(directory, 'tree')
  mkdirSync(join(tree, 'a/b/locked'), { recursive: true })
  mkdirSync(join(directory, 'outside'))
  writeFileSync(join(directory, 'outside/kept'), '')
  symlinkSync(join(directory, 'outside'), join(tree, 'a/link'))
  symlinkSync('/nowhere', join(tree, 'dangling'))
  for (let i = 0; i < 2500; i++) writeFileSync(join(tree, `a/${i}`), '')
  writeFileSync(join(tree, 'a/b/locked/file'), '')
  chmodSync(join(tree, 'a/b/locked'), 0)
  const odd = Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.from([0xff, 0xfe])])
  mkdirSync(odd)
  writeFileSync(Buffer.concat([odd, Buffer.from('/x'), Buffer.from([0xc3])]), '')
  writeFileSync(join(tree, 'a/\ufffd'), '')
  await Promise.all([removeTree(tree), removeTree(tree)])
  assert.ok(!existsSync(tree))
  assert.ok(existsSync(join(directory, 'outside/kept')))
  await removeTree(tree)
})

test('a missing file reads as undefined, a broken one is an error that names it', () => {
  assert.equal(readFileIfExists(join(directory, 'no/such')), undefined)
  assert.equal(readJsonIfExists(join(directory, 'no')), undefined)
  const path = join(directory, 'broken.json')
  writeFileSync(path, '{"a":')
  assert.throws(() => readJsonIfExists(path), (error: { code: string; message: string }) => error.code === 'FILE_CORRUPT' && error.message.includes(path))
  assert.throws(() => readFileIfExists(directory), { code: 'EISDIR' })
})

test('under a lock, the next write takes over what a killed one left', async () => {
  const place = join(directory, 'locked')
  mkdirSync(place)
  writeFileSync(join(place, '.tmp-table.json'), 'half of something much longer')
  await writeFileAtomic(join(place, 'table.json'), 'whole', { isLocked: true })
  assert.equal(readFileSync(join(place, 'table.json'), 'utf8'), 'whole')
  assert.deepEqual(readdirSync(place), ['table.json'])
})

/** Layers as one tree, against overlayfs itself where it can be mounted. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { native } from '../../../src/host/native/native.ts'
import { LayerStack } from '../../../src/storage/overlay/layer-stack.ts'
import type { StackDirectory } from '../../../src/storage/overlay/layer-stack.ts'

const directory = mkdtempSync('/var/tmp/tpod-stack-')
after(() => rmSync(directory, { recursive: true, force: true }))
const isRoot = process.getuid?.() === 0

const file = (path: string, text = 'x'): void => {
  mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
  writeFileSync(path, text)
}
const whiteout = (path: string): void => native.mknodat(-100, path, 0o020600, 0, 0)
const opaque = (path: string): void => native.setxattr(path, 'trusted.overlay.opaque', Buffer.from('y'))

function listAll(stack: LayerStack): string[] {
  const names: string[] = []
  const walk = (at: StackDirectory): void => {
    for (const [, entry] of [...stack.list(at)].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (entry.directory !== undefined) walk(entry.directory)
    }
    for (const name of stack.list(at).keys()) names.push(`${at.path}/${name}`)
  }
  walk(stack.root())
  return names.toSorted()
}

test('whiteouts, replaced directories and files over directories show what overlayfs shows', { skip: isRoot ? false : 'whiteouts take root' }, () => {
  const [low, middle, top] = ['low', 'middle', 'top'].map((name) => `${directory}/${name}`) as [string, string, string]
  for (const path of ['/a/1', '/a/2', '/b/deep/x', '/c', '/d/e/f', '/g/h', '/i/j']) file(low + path)
  for (const path of ['/a/3', '/d/e2', '/g2/x']) file(middle + path)
  whiteout(`${middle}/a/1`)
  whiteout(`${middle}/b`)
  mkdirSync(`${middle}/i`)
  opaque(`${middle}/i`)
  file(`${top}/b/new`)
  opaque(`${top}/b`)
  file(`${top}/d/e`, 'a file where a directory was')
  file(`${top}/i/k`)
  whiteout(`${top}/g`)
  whiteout(`${top}/never-there`)
  const stack = LayerStack.open([{ id: 't', path: top }, { id: 'm', path: middle }, { id: 'l', path: low }])
  const seen = listAll(stack)
  stack.close()
  const merged = `${directory}/merged`
  mkdirSync(merged)
  native.mount('overlay', merged, 'overlay', 1, `lowerdir=${top}:${middle}:${low}`)
  const shown = (readdirSync(merged, { recursive: true }) as string[]).map((name) => `/${name}`).toSorted()
  native.umount2(merged, 2)
  assert.deepEqual(seen, shown)
})

test('names that are no UTF-8, and links that lead out, are names only', () => {
  const layer = `${directory}/odd`
  mkdirSync(layer)
  writeFileSync(Buffer.concat([Buffer.from(`${layer}/`), Buffer.from([0xff, 0x41])]), '')
  symlinkSync('/etc', `${layer}/etc`)
  const stack = LayerStack.open([{ id: 'odd', path: layer }])
  assert.deepEqual([...stack.list(stack.root()).keys()].toSorted(), ['etc', '\xffA'])
  assert.equal(stack.list(stack.root()).get('etc')?.directory, undefined)
  assert.deepEqual(stack.list({ path: '/etc', layers: [0] }), new Map(), 'a link is not entered, whoever put it there meanwhile')
  assert.throws(() => stack.list({ path: '/../..', layers: [0] }), { code: 'EXDEV' })
  stack.close()
})

test('a layer without directory is an error, and leaves no descriptor', () => {
  const before = readdirSync('/proc/self/fd').length
  assert.throws(() => LayerStack.open([{ id: 'a', path: directory }, { id: 'b', path: `${directory}/missing` }]), { code: 'ENOENT' })
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

test('a directory that may not be read says so', () => {
  const closed = `${directory}/closed`
  mkdirSync(`${closed}/inner`, { recursive: true })
  chmodSync(`${closed}/inner`, 0)
  const stack = LayerStack.open([{ id: 'c', path: closed }])
  // Root may read everything: as nobody, who has the layer open already.
  if (isRoot) process.seteuid!(65534)
  try {
    assert.throws(() => stack.list({ path: '/inner', layers: [0] }), { code: 'EACCES' })
  } finally {
    if (isRoot) process.seteuid!(0)
    stack.close()
    chmodSync(`${closed}/inner`, 0o700)
  }
})

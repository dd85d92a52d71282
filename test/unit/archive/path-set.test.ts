import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PathSet } from '../../../src/archive/path-set.ts'

test('200,000 paths are new once and known the second time', () => {
  const set = new PathSet()
  const paths = Array.from({ length: 200_000 }, (_, index) => `usr/lib/${index % 977}/file-${index}.so`)
  for (const path of paths) assert.ok(set.add(path), path)
  for (const path of paths) assert.ok(!set.add(path), path)
  assert.ok(set.add(''))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cleanMemberPath } from '../../../src/archive/member-path.ts'
import { TpodError } from '../../../src/errors/tpod-error.ts'

test('names are cleaned as Go cleans them', () => {
  for (const [name, path] of [
    ['a/b', 'a/b'], ['./', ''], ['/', ''], ['.', ''], ['./a/', 'a'], ['/a//b/./c', 'a/b/c'], ['a/../b', 'b'], ['/../a', 'a'],
    ['a/b/../../c', 'c'], ['.hidden/..x', '.hidden/..x'], ['a/...', 'a/...'], ['a\nb', 'a\nb'],
  ] as const) assert.equal(cleanMemberPath(name), path, name)
})

test('a cleaned name has no part that leads up, whatever the name', () => {
  const part = fc.constantFrom('a', '.', '..', '', '...', '.wh.x', ' ', '\xff')
  fc.assert(fc.property(fc.array(part, { maxLength: 8 }).map((parts) => parts.join('/')), (name) => {
    try {
      const path = cleanMemberPath(name)
      assert.ok(!path.startsWith('/') && !path.endsWith('/'))
      assert.ok(path === '' || path.split('/').every((piece) => piece !== '' && piece !== '.' && piece !== '..'))
      assert.equal(cleanMemberPath(path), path)
    } catch (error) {
      assert.ok(error instanceof TpodError && error.code === 'ARCHIVE_ESCAPE')
    }
  }))
})

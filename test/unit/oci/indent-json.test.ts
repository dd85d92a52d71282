import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeGoJson } from '../../../src/oci/go-json.ts'
import { indentJson } from '../../../src/oci/indent-json.ts'

test('the layout is that of json.MarshalIndent', () => {
  const value = { a: [], b: {}, c: [1, 'x,{"\\'], d: { e: null, '[': '}' }, 'f\\': ['\\', '\\\\"', '"', ''] }
  assert.equal(indentJson(encodeGoJson(value), '    '), JSON.stringify(value, null, 4))
  assert.equal(indentJson('"<"', '  '), '"<"')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exactMembers, parseStrictJson } from '../../../src/text/strict-json.ts'

test('a key twice in one object is refused, however it is written; the same key in different objects is not', () => {
  assert.throws(() => parseStrictJson('{"a":1,"a":2}'), /Duplicate key "a"/)
  assert.throws(() => parseStrictJson('{"x":{"a":1,"\\u0061" : 2}}'), /Duplicate key "a"/)
  assert.throws(() => parseStrictJson('{"__proto__":1,"__proto__":2}'), /Duplicate/)
  assert.deepEqual(parseStrictJson('{"a":{"a":"a"},"b":["a","a",{"a":1}],"c":"{\\"a\\":1,\\"a\\":2}"}'), { a: { a: 'a' }, b: ['a', 'a', { a: 1 }], c: '{"a":1,"a":2}' })
})

test('bytes must be UTF-8 without a mark, and nothing may follow', () => {
  assert.throws(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22])), /UTF-8/)
  assert.throws(() => parseStrictJson(Buffer.from('\ufeff{}')), /JSON/)
  assert.throws(() => parseStrictJson('{} {}'), /JSON/)
})

test('members are exactly those that are known', () => {
  assert.throws(() => exactMembers({ a: 1, b: 2 }, ['a']), /Unknown key "b"/)
  assert.throws(() => exactMembers({}, ['a']), /Key "a" missing/)
  assert.throws(() => exactMembers([], ['a']), /object expected, got an array/)
  assert.throws(() => exactMembers({}, ['toString']), /missing/)
  assert.deepEqual(exactMembers({ a: 1, b: 2 }, ['a'], ['b', 'c']), { a: 1, b: 2 })
})

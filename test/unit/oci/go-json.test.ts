import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeGoJson, formatGoTime, RawJson, sortedMap, splitJsonObject } from '../../../src/oci/go-json.ts'

test('text is escaped as encoding/json escapes it', () => {
  assert.equal(encodeGoJson({ a: '<b>&"\\/\b\f\n\r\t\u0001\u2028\u2029é' }), String.raw`{"a":"\u003cb\u003e\u0026\"\\/\u0008\u000c\n\r\t\u0001\u2028\u2029é"}`)
  assert.equal(encodeGoJson('\ud800'), '"\ufffd"')
})

test('members keep their order, maps too, and what is undefined is left out', () => {
  assert.equal(encodeGoJson({ b: 1, a: undefined, c: [null, true] }), '{"b":1,"c":[null,true]}')
  assert.equal(encodeGoJson(sortedMap(Object.entries({ z: 1, 10: 2, 9: 3, ä: 4, Z: 5 }))), '{"10":2,"9":3,"Z":5,"z":1,"ä":4}')
  assert.equal(encodeGoJson(sortedMap([['__proto__', 1]])), '{"__proto__":1}')
})

test('raw members keep their numbers and lose their white space', () => {
  const members = splitJsonObject('{ "big" : 12345678901234567890 , "nested": { "a" : [ 1.50 , "x , } <y>" ] }, "e\\u0022": "\\\\", "big":\t1e400}')
  assert.deepEqual([...members].map(([key, value]) => [key, value.text]), [
    ['big', '1e400'], ['nested', String.raw`{"a":[1.50,"x , } \u003cy\u003e"]}`], ['e"', String.raw`"\\"`],
  ])
  assert.equal(encodeGoJson({ a: new RawJson('1.0') }), '{"a":1.0}')
  assert.deepEqual([...splitJsonObject(' {} ')], [])
})

test('times are written as time.Time writes them', () => {
  assert.equal(formatGoTime('2024-01-02T03:04:05.120000000Z'), '2024-01-02T03:04:05.12Z')
  assert.equal(formatGoTime('2024-01-02T03:04:05.000+00:00'), '2024-01-02T03:04:05Z')
  assert.equal(formatGoTime('2024-01-02T03:04:05.1234567891+02:00'), '2024-01-02T03:04:05.123456789+02:00')
  for (const wrong of ['', '2024-01-02', '2024-13-02T03:04:05Z', '2024-01-02 03:04:05Z']) assert.equal(formatGoTime(wrong), undefined)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DetachMatcher, parseDetachKeys } from '../../../../src/host/terminal/detach-keys.ts'

test('key sequences', () => {
  assert.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17])
  assert.deepEqual([...parseDetachKeys('ctrl-@,a,ctrl-],ctrl-_,Z')], [0, 97, 29, 31, 90])
  assert.equal(parseDetachKeys('').length, 0)
  for (const text of ['ctrl-', 'ctrl-1', 'ab', 'a,,b', 'é']) assert.throws(() => parseDetachKeys(text), { code: 'INVALID_DETACH_KEYS' })
})

test('the sequence is found across pieces, and what precedes it is forwarded', () => {
  const matcher = new DetachMatcher(parseDetachKeys('ctrl-p,ctrl-q'))
  assert.deepEqual(matcher.push(Buffer.from('ls\x10')), { forward: Buffer.from('ls'), isDetached: false })
  assert.deepEqual(matcher.push(Buffer.from('\x11rest')), { forward: Buffer.from(''), isDetached: true })
})

test('a broken sequence is forwarded whole', () => {
  const matcher = new DetachMatcher(parseDetachKeys('ctrl-p,ctrl-q'))
  assert.equal(matcher.push(Buffer.from('\x10')).forward.length, 0)
  assert.equal(matcher.push(Buffer.from('\x10')).forward.toString(), '\x10\x10')
  assert.equal(matcher.push(Buffer.from('\x10x')).forward.toString(), '\x10x')
})

test('input without the sequence passes unchanged, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 8 })), (chunks) => {
      const matcher = new DetachMatcher(Uint8Array.of(16, 17))
      const input = Buffer.concat(chunks)
      fc.pre(!input.includes(Buffer.of(16, 17)))
      const output = Buffer.concat(chunks.map((chunk) => matcher.push(chunk).forward))
      const held = input.length - output.length
      assert.ok(held <= 1)
      assert.deepEqual(output, input.subarray(0, output.length))
    }),
  )
})

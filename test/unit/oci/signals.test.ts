import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findSignal, formatSignal } from '../../../src/oci/signals.ts'

test('signals by any spelling', () => {
  for (const text of ['SIGTERM', 'TERM', 'term', 'SigTerm', '15']) assert.equal(findSignal(text), 15)
  assert.equal(findSignal('RTMIN+3'), 37)
  assert.equal(findSignal('SIGRTMAX-1'), 63)
  assert.equal(formatSignal(9), 'SIGKILL')
  assert.equal(formatSignal(37), 'SIGRTMIN+3')
  assert.equal(formatSignal(33), '33')
  for (const text of ['', '0', '65', 'NOPE', 'RTMIN+40']) assert.equal(findSignal(text), undefined)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GoTime } from '../../../../src/text/go-template/go-time.ts'

test('a time prints and formats as Go\'s', () => {
  const time = GoTime.parse('2026-01-05T15:04:09.120Z') as GoTime
  assert.equal(String(time), '2026-01-05 15:04:09.12 +0000 UTC')
  assert.equal(time.Format('Mon, 02 Jan 2006 03:04:05.000 PM MST'), 'Mon, 05 Jan 2026 03:04:09.120 PM UTC')
  assert.equal(time.Format('Monday _2 January 06 3:4:5pm 1/2 .999999 -07:00'), 'Monday  5 January 26 3:4:9pm 1/5 .12 +00:00')
  assert.equal(time.Unix(), 1_767_625_449)
  assert.equal(time.UnixNano(), 1_767_625_449_120_000_000n)
  assert.equal(JSON.stringify({ time }), '{"time":"2026-01-05T15:04:09.120Z"}')
})

test('other zones, zero, and what is no time', () => {
  const time = GoTime.parse('2026-01-05T01:00:00+02:00') as GoTime
  assert.equal(String(time), '2026-01-05 01:00:00 +0200 +0200')
  assert.equal(String(time.UTC()), '2026-01-04 23:00:00 +0000 UTC')
  assert.equal(GoTime.parse('0001-01-01T00:00:00Z')?.IsZero(), true)
  assert.equal(String(GoTime.parse('0001-01-01T00:00:00Z')), '0001-01-01 00:00:00 +0000 UTC')
  for (const text of ['', 'now', '2026-13-01T00:00:00Z', '2026-01-01']) assert.equal(GoTime.parse(text), undefined, text)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDurationNs, formatHumanDuration, parseDurationMs, parseDurationNs } from '../../../src/text/duration.ts'
import { editDistance, suggestSimilar } from '../../../src/text/levenshtein.ts'
import { generateName } from '../../../src/text/names.ts'
import { formatTable } from '../../../src/text/table.ts'
import { formatSize, formatSizeSpaced, parseDecimalSize, parseMemorySize } from '../../../src/text/units.ts'

test('sizes as podman and docker print them', () => {
  assert.equal(formatSize(0), '0B')
  assert.equal(formatSize(7_748_000), '7.75MB')
  assert.equal(formatSizeSpaced(1_234_567), '1.23 MB')
  assert.equal(formatSizeSpaced(214_000_000), '214 MB')
  assert.equal(formatSize(999_999), '1MB')
  assert.equal(formatSize(1_500, 4), '1.5kB')
})

test('sizes as users write them', () => {
  const sizes: [string, number][] = [
    ['512m', 512 << 20], ['1g', 1 << 30], ['1.5GiB', 1.5 * 2 ** 30], ['64kb', 65536], ['1024', 1024], ['100 MB', 100 << 20], ['0', 0], ['10b', 10], ['2K', 2048],
  ]
  for (const [text, bytes] of sizes) assert.equal(parseMemorySize(text), bytes, text)
  assert.equal(parseDecimalSize('1.5kB'), 1500)
  for (const text of ['', 'm', '-1', '1x', '1.2.3m', '5ib', '1e3', '99999999p']) assert.throws(() => parseMemorySize(text), { code: 'INVALID_SIZE' }, text)
})

test('durations of Go, both ways', () => {
  const durations: [string, number][] = [
    ['0s', 0], ['1h2m3.5s', 3723.5e9], ['1.5ms', 1.5e6], ['30s', 30e9], ['1m0s', 60e9], ['-2m0s', -120e9], ['100ns', 100], ['2.05µs', 2050], ['24h0m0s', 86400e9],
  ]
  for (const [text, nanoseconds] of durations) {
    assert.equal(parseDurationNs(text), nanoseconds, text)
    assert.equal(formatDurationNs(nanoseconds), text)
  }
  assert.equal(parseDurationMs('1h30m'), 5_400_000)
  assert.equal(parseDurationNs('0'), 0)
  for (const text of ['', '5', 's', '1d', '1h-3m', '1 s']) assert.throws(() => parseDurationNs(text), { code: 'INVALID_DURATION' }, text)
  fc.assert(fc.property(fc.integer({ min: 0, max: 9e15 }), (value) => parseDurationNs(formatDurationNs(value)) === value))
})

test('ages in words', () => {
  const second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour
  const ages: [number, string][] = [
    [-5, 'Less than a second'], [400, 'Less than a second'], [1900, '1 second'], [3 * second, '3 seconds'], [minute, 'About a minute'], [2 * minute, '2 minutes'],
    [59 * minute, '59 minutes'], [61 * minute, 'About an hour'], [2 * hour, '2 hours'], [47 * hour, '47 hours'], [3 * day, '3 days'], [15 * day, '2 weeks'],
    [70 * day, '2 months'], [800 * day, '2 years'],
  ]
  for (const [age, words] of ages) assert.equal(formatHumanDuration(age), words)
  assert.equal(formatHumanDuration(2026 * 365 * 86_400_000), '292 years', 'an image without a date, as podman shows it')
})

test('columns as tabwriter sets them', () => {
  const rows = [['CONTAINER ID', 'IMAGE', 'NAMES'], ['0123456789ab', 'localhost/starter:latest', 'x']]
  assert.deepEqual(formatTable(rows), ['CONTAINER ID  IMAGE                     NAMES', '0123456789ab  localhost/starter:latest  x'])
  assert.deepEqual(formatTable([['A', 'B'], ['1', '2']]), ['A           B', '1           2'])
  assert.deepEqual(formatTable([['ä\u{1f600}', 'B'], ['123', '2']], { minColumnWidth: 0 }), ['ä\u{1f600}   B', '123  2'])
  assert.deepEqual(formatTable([]), [])
  assert.deepEqual(formatTable([['a\tb\u001b[31m', 'c']], { minColumnWidth: 0 }), ['a?b?[31m  c'])
  for (const line of formatTable(rows, { maxWidth: 30 })) assert.ok([...line].length <= 30, line)
})

test('names are free, and readable', () => {
  assert.match(generateName(), /^[a-z]+_[a-z]+$/)
  const taken = new Set<string>()
  for (let round = 0; round < 20000; round++) {
    const name = generateName((candidate) => taken.has(candidate))
    assert.ok(!taken.has(name))
    assert.match(name, /^[a-z]+_[a-z]+\d*$/)
    taken.add(name)
  }
})

test('did you mean', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3)
  assert.deepEqual(suggestSimilar('iamges', ['images', 'image', 'inspect', 'ps']), ['images'])
  assert.deepEqual(suggestSimilar('imags', ['images', 'image', 'inspect', 'ps']), ['image', 'images'])
  assert.deepEqual(suggestSimilar('xyz', ['ps', 'run', 'rm']), [])
  assert.deepEqual(suggestSimilar('rn', ['ps', 'run', 'rm', 'rmi']), ['rm', 'run'])
})

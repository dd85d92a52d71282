import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatAgo, formatDurationNs, formatHumanDuration, parseDurationMs, parseDurationNs } from '../../../src/text/duration.ts'
import { formatGoTime, formatRfc3339Nano, goTimeFromMs, goTimeNow, goTimeToMs, isZeroTime, parseGoTime, zeroTimeText } from '../../../src/text/go-time.ts'
import { editDistance, suggestSimilar } from '../../../src/text/levenshtein.ts'
import { generateName } from '../../../src/text/names.ts'
import { quoteShellWords, splitShellWords } from '../../../src/text/shell-quote.ts'
import { formatTable } from '../../../src/text/table.ts'
import { formatBinarySize, formatSize, formatSizeSpaced, parseDecimalSize, parseMemorySize } from '../../../src/text/units.ts'

test('sizes as podman and docker print them', () => {
  assert.equal(formatSize(0), '0B')
  assert.equal(formatSize(7_748_000), '7.75MB')
  assert.equal(formatSizeSpaced(1_234_567), '1.23 MB')
  assert.equal(formatSizeSpaced(214_000_000), '214 MB')
  assert.equal(formatSize(999_999), '1MB')
  assert.equal(formatSize(1_500, 4), '1.5kB')
  assert.equal(formatBinarySize(7_750_000), '7.391MiB')
  assert.equal(formatBinarySize(8 * 1024 ** 3), '8GiB')
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
  assert.equal(formatAgo(0, 2 * minute), '2 minutes ago')
})

test('times keep their nine digits and their zone', () => {
  const text = '2023-11-05T10:20:30.123456789+01:30'
  const time = parseGoTime(text)
  assert.equal(formatRfc3339Nano(time), text)
  assert.equal(formatGoTime(time), '2023-11-05 10:20:30.123456789 +0130 +0130')
  assert.equal(goTimeToMs(time), Date.parse('2023-11-05T08:50:30.123Z') + 0.456789)
  assert.equal(formatGoTime(parseGoTime('2023-11-05T10:20:30.5Z')), '2023-11-05 10:20:30.5 +0000 UTC')
  assert.ok(isZeroTime(parseGoTime(zeroTimeText)))
  assert.equal(formatRfc3339Nano(parseGoTime(zeroTimeText)), zeroTimeText)
  assert.equal(formatRfc3339Nano(goTimeFromMs(-1)), '1969-12-31T23:59:59.999Z')
  const [before, now, later] = [Date.now(), goTimeToMs(goTimeNow()), Date.now()]
  // The two clocks may differ by some milliseconds.
  assert.ok(now > before - 10 && now < later + 10, `${before} ${now} ${later}`)
  for (const bad of ['', '2023-13-01T00:00:00Z', '2023-02-30T00:00:00Z', '2023-01-01', '2023-01-01T25:00:00Z']) {
    assert.throws(() => parseGoTime(bad), { code: 'INVALID_TIME' }, bad)
  }
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

test('shell words survive a shell and our own splitter', () => {
  const words = ['plain', '', "it's", 'a b', '$HOME', '`x`', '"', '\\', 'é\n', '*', '-v=a:b']
  const echoed = execFileSync('sh', ['-c', `for word in ${quoteShellWords(words)}; do printf '%s\\0' "$word"; done`]).toString()
  assert.deepEqual(echoed.split('\0').slice(0, -1), words)
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' })), (list) => assert.deepEqual(splitShellWords(quoteShellWords(list)), list)))
  assert.deepEqual(splitShellWords(` sh -c "echo \\"a\\" 'b'"  x\\ y `), ['sh', '-c', `echo "a" 'b'`, 'x y'])
  assert.throws(() => splitShellWords(`sh -c 'x`), { code: 'UNBALANCED_QUOTES' })
})

test('did you mean', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3)
  assert.deepEqual(suggestSimilar('iamges', ['images', 'image', 'inspect', 'ps']), ['images'])
  assert.deepEqual(suggestSimilar('imags', ['images', 'image', 'inspect', 'ps']), ['image', 'images'])
  assert.deepEqual(suggestSimilar('xyz', ['ps', 'run', 'rm']), [])
  assert.deepEqual(suggestSimilar('rn', ['ps', 'run', 'rm', 'rmi']), ['rm', 'run'])
})

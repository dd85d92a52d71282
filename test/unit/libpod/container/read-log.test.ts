import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseLogLine, readLog, type ReadLogOptions } from '../../../../src/libpod/container/read-log.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-log-'))
after(() => rmSync(directory, { recursive: true }))

function line(second: number, text: string, tag = 'F'): string {
  return `2026-01-01T00:00:${String(second).padStart(2, '0')}.5+00:00 stdout ${tag} ${text}\n`
}

async function texts(path: string, options: ReadLogOptions = {}): Promise<string[]> {
  const found: string[] = []
  for await (const record of readLog(path, options)) found.push(record.text + (record.isPartial ? '…' : ''))
  return found
}

test('one record: streams, parts, empty lines, foreign text', () => {
  assert.deepEqual(parseLogLine('T stderr P a  b'), { time: 'T', stream: 'stderr', text: 'a  b', isPartial: true })
  assert.equal(parseLogLine('T stdout F ')?.text, '')
  assert.equal(parseLogLine('T stdout F')?.text, '')
  assert.equal(parseLogLine('something else'), undefined)
})

test('a missing log is empty', async () => {
  assert.deepEqual(await texts(join(directory, 'none')), [])
})

test('tail counts lines, not the parts of one', async () => {
  const path = join(directory, 'tail')
  writeFileSync(path, line(1, 'one') + line(2, 'tw', 'P') + line(2, 'o') + line(3, 'three'))
  assert.deepEqual(await texts(path, { tail: 2 }), ['tw…', 'o', 'three'])
  assert.deepEqual(await texts(path, { tail: 1 }), ['three'])
  assert.deepEqual(await texts(path, { tail: 0 }), [])
  assert.deepEqual(await texts(path, { tail: 9 }), ['one', 'tw…', 'o', 'three'])
})

test('tail over several chunks of the file', async () => {
  const path = join(directory, 'long')
  writeFileSync(path, Array.from({ length: 5000 }, (_none, index) => line(1, `number ${index} ${'x'.repeat(50)}`)).join(''))
  const found = await texts(path, { tail: 2000 })
  assert.equal(found.length, 2000)
  assert.match(found[0] ?? '', /^number 3000 /)
})

test('since and until', async () => {
  const path = join(directory, 'times')
  writeFileSync(path, [1, 2, 3, 4].map((second) => line(second, String(second))).join(''))
  assert.deepEqual(await texts(path, { sinceMs: Date.parse('2026-01-01T00:00:02Z'), untilMs: Date.parse('2026-01-01T00:00:03.9Z') }), ['2', '3'])
})

test('following ends with the writer, drained to the last byte, over a rotation', async () => {
  const path = join(directory, 'follow')
  writeFileSync(path, line(1, 'one'))
  const writer = (async () => {
    await sleep(50)
    appendFileSync(path, line(2, 'two').slice(0, 20))
    await sleep(50)
    appendFileSync(path, line(2, 'two').slice(20))
    await sleep(300)
    renameSync(path, `${path}.1`)
    writeFileSync(path, line(3, 'three'))
    await sleep(300)
    appendFileSync(path, line(4, 'last', 'P'))
  })()
  assert.deepEqual(await texts(path, { follow: writer }), ['one', 'two', 'three', 'last…'])
})

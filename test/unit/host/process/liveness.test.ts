import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAlive, parseProcessStat, processStartTime } from '../../../../src/host/process/liveness.ts'

test('a command name with spaces and parentheses does not shift the fields', () => {
  const rest = Array.from({ length: 30 }, (_none, index) => String(index + 100))
  assert.deepEqual(parseProcessStat(`7 (a) b (c)) S ${rest.join(' ')}`), { state: 'S', parentPid: 100, startTime: '118' })
})

test('this process lives; with another start time it is another process', () => {
  const start = processStartTime(process.pid)
  assert.equal(isAlive(process.pid, start), true)
  assert.equal(isAlive(process.pid, `${start}1`), false)
  assert.equal(isAlive(process.pid, ''), false)
  assert.equal(isAlive(0, '1'), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createdState, deriveState, zeroTime, type StateFacts } from '../../../../src/libpod/state/derive-state.ts'
import type { ContainerState } from '../../../../src/libpod/types.ts'

const running: ContainerState = {
  ...createdState('boot'), status: 'running', pid: 10, pidStartTime: '5', conmonPid: 9, conmonStartTime: '4', startedAt: '2026-01-01T00:00:00Z',
}
const facts: StateFacts = { bootId: 'boot', isAlive: false, isConmonAlive: false, now: '2026-01-02T00:00:00.000Z' }

test('a live process runs on', () => {
  assert.equal(deriveState(running, { ...facts, isAlive: true }).status, 'running')
})

test('the exit file tells code and time', () => {
  const state = deriveState(running, { ...facts, exit: { code: 3, time: '2026-01-01T10:00:00.000Z' } })
  assert.deepEqual([state.status, state.exitCode, state.finishedAt, state.pid, state.exitCodeUnknown], ['exited', 3, '2026-01-01T10:00:00.000Z', 0, undefined])
})

test('the end is not known before conmon, still alive, has written it', () => {
  assert.equal(deriveState(running, { ...facts, isConmonAlive: true }).status, 'stopping')
})

test('without conmon the code is unknown, never 0', () => {
  const state = deriveState(running, facts)
  assert.deepEqual([state.status, state.exitCode, state.exitCodeUnknown], ['exited', 255, true])
  assert.match(state.error, /monitor/)
})

test('after a reboot a live pid and an old exit file mean nothing', () => {
  const state = deriveState(running, { ...facts, bootId: 'next', isAlive: true, exit: { code: 0, time: facts.now } })
  assert.deepEqual([state.status, state.exitCode], ['exited', 255])
  assert.match(state.error, /rebooted/)
})

test('a start that came to nothing falls back to what was before', () => {
  assert.equal(deriveState({ ...running, status: 'initialized', startedAt: zeroTime }, facts).status, 'created')
  assert.equal(deriveState({ ...running, status: 'initialized', finishedAt: '2026-01-01T00:00:00Z' }, facts).status, 'exited')
  assert.equal(deriveState(createdState('old'), facts).status, 'created')
})

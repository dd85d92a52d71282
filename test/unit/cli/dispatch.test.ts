import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dispatch, nearestPath } from '../../../src/cli/dispatch.ts'
import { commandTable } from '../../../src/commands/table.ts'

function commandOf(...argv: string[]) {
  const found = dispatch(argv, commandTable)
  assert.equal(found.kind, 'command')
  return found as Extract<typeof found, { kind: 'command' }>
}

test('all spellings of a command lead to one entry', () => {
  const entry = commandOf('ps').entry
  for (const spelling of ['container ls', 'container list', 'container ps']) {
    assert.equal(commandOf(...spelling.split(' ')).entry, entry)
  }
})

test('global flags are taken before the command, and between group and command', () => {
  const found = commandOf('--root', '/r', 'container', '--runroot=/rr', 'ls', '-a')
  assert.deepEqual(found.globalArgv, ['--root', '/r', '--runroot=/rr'])
  assert.deepEqual(found.argv, ['-a'])
})

test('-v is the version before a command, and the command\'s own after it', () => {
  assert.equal(dispatch(['-v'], commandTable).kind, 'version')
  assert.deepEqual(commandOf('run', '-v', 'a:/b', 'x').argv, ['-v', 'a:/b', 'x'])
})

test('groups without a command ask for help', () => {
  assert.deepEqual(dispatch([], commandTable), { kind: 'group', group: undefined, help: false })
  const found = dispatch(['volume', '--help'], commandTable)
  assert.ok(found.kind === 'group' && found.help && found.group?.path === 'volume')
})

test('an unknown command is named with a near one', () => {
  assert.throws(() => dispatch(['imges'], commandTable), (error: Error & { remedy?: string }) => {
    assert.match(error.message, /unrecognized command `tpod imges`/)
    assert.match(error.remedy ?? '', /did you mean 'tpod images'/)
    return true
  })
  assert.equal(nearestPath('volume lss', commandTable), 'volume ls')
  assert.equal(nearestPath('frobnicate', commandTable), undefined)
})

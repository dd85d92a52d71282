import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logrusLine } from '../../../../src/cli/skopeo/logrus.ts'

const now = new Date('2026-11-22T13:04:25.123Z')

test('a line of the log has time, level, message and sorted fields, quoted where needed', (t) => {
  if (process.stderr.isTTY) return t.skip('standard error is a terminal')
  assert.equal(logrusLine('fatal', 'no "such" image\nat all', {}, now), 'time="2026-11-22T13:04:25Z" level=fatal msg="no \\"such\\" image\\nat all"\n')
  assert.equal(
    logrusLine('info', 'Copying', { to: 'dir:/x', from: 'plain/word_1.0', empty: '' }, now),
    'time="2026-11-22T13:04:25Z" level=info msg=Copying empty="" from=plain/word_1.0 to="dir:/x"\n',
  )
})

test('control characters of a registry do not reach the terminal', () => {
  assert.doesNotMatch(logrusLine('error', 'a\x1b[31mb', { x: '\x07' }, now).slice(0, -1), /\p{Cc}/u)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanMessage, runtimeError } from '../../../src/ociruntime/runtime-error.ts'

test('exit codes as podman gives them, for the words of both runtimes', () => {
  const code = (message: string): number | undefined => runtimeError('start', 'runtime', message).exitCode
  assert.equal(code('executable file `nope` not found in $PATH: No such file or directory'), 127)
  assert.equal(code('open executable: Operation not permitted'), 126)
  assert.equal(code('runc create failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory'), 127)
  assert.equal(code('runc create failed: unable to start container process: exec: "/etc": permission denied'), 126)
  assert.equal(code('exec /x: exec format error'), 126)
  assert.equal(code('the cgroup is broken'), 125)
})

test('one line, without what a log adds', () => {
  assert.equal(cleanMessage('{"msg":"first","level":"error"}\n{"msg":"first","level":"error"}\n'), 'first')
  assert.equal(cleanMessage('time="2026" level=error msg="say \\"hi\\""\n'), 'say "hi"')
  assert.equal(cleanMessage('2026-11-22T10:00:00.123456Z: open executable: Operation not permitted\n'), 'open executable: Operation not permitted')
  assert.equal(cleanMessage(''), '')
})

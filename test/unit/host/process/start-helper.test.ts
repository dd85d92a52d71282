import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { native } from '../../../../src/host/native/native.ts'
import { readToEnd, startHelper } from '../../../../src/host/process/start-helper.ts'

async function output(script: string, extra: readonly number[] = []): Promise<string> {
  const [read, write] = native.pipe()
  const helper = startHelper('/bin/sh', ['-c', script], { env: { PATH: '/usr/bin:/bin', ABSENT: undefined, GIVEN: 'a=b' }, fds: [-1, write, -1, ...extra] })
  closeSync(write)
  const text = await readToEnd(read)
  assert.equal(await helper.ended, 0)
  return text.trim()
}

const listDescriptors = 'for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && printf $n; done; true'

test('a helper has the descriptors it was given and no other', async () => {
  const left = openSync('/etc/passwd', 'r')
  native.setCloexec(left, false)
  try {
    assert.equal(await output(listDescriptors), '012')
    assert.equal(await output(listDescriptors, [left, left]), '01234')
  } finally {
    closeSync(left)
  }
})

test('a helper has its own environment, a session if wanted, and default signals', async () => {
  assert.equal(await output('echo "$GIVEN ${ABSENT-none} ${HOME-none}"'), 'a=b none none')
  // The runtimes ignore SIGPIPE; yes would go on for ever.
  assert.equal(await output('yes | head -n 1'), 'y')
  const ignored = await output("sed -n 's/^SigIgn:.//p; s/^SigBlk:.//p' /proc/self/status")
  assert.match(ignored, /^0{16}\n0{16}$/)
})

test('status, signal, and what cannot be started', async () => {
  const options = { env: {}, fds: [-1, -1, -1] }
  assert.equal(await startHelper('/bin/sh', ['-c', 'exit 7'], options).ended, 7)
  assert.equal(await startHelper('/bin/sh', ['-c', 'kill -9 $$'], { ...options, newSession: true }).ended, -9)
  assert.throws(() => startHelper('/no/such/program', [], options), { code: 'ENOENT' })
  assert.throws(() => startHelper('/etc/passwd', [], options), { code: 'EACCES' })
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { native } from '../../../../src/host/native/native.ts'
import { findExecutable } from '../../../../src/host/process/find-executable.ts'
import { bootId, isAlive, processStartTime, readProcessStat } from '../../../../src/host/process/liveness.ts'
import { runCommand } from '../../../../src/host/process/run.ts'
import { selfCommand } from '../../../../src/host/process/self.ts'

test('runCommand collects output, status and signal', async () => {
  const result = await runCommand('sh', ['-c', 'cat; echo problem >&2; exit 3'], { input: 'hello' })
  assert.equal(result.stdout.toString(), 'hello')
  assert.equal(result.stderr.toString(), 'problem\n')
  assert.equal(result.exitCode, 3)
  assert.equal((await runCommand('sh', ['-c', 'kill -TERM $$'])).signal, 'SIGTERM')
})

test('runCommand gives environment, directory and extra descriptors', async () => {
  const [readEnd, writeEnd] = native.pipe()
  const result = await runCommand('/bin/sh', ['-c', 'echo $A $HOME; pwd; echo extra >&3'], { env: { A: 'b' }, cwd: '/usr', extraFds: [writeEnd] })
  closeSync(writeEnd)
  assert.equal(result.stdout.toString(), 'b\n/usr\n')
  assert.equal(readFileSync(readEnd, 'utf8'), 'extra\n')
  closeSync(readEnd)
})

test('input that nobody reads, and much output, do no harm', async () => {
  assert.equal((await runCommand('true', [], { input: Buffer.alloc(1 << 20) })).exitCode, 0)
  assert.equal((await runCommand('head', ['-c', '3000000', '/dev/zero'])).stdout.length, 3_000_000)
})

test('a missing program names the package; a missing directory does not', async () => {
  await assert.rejects(runCommand('/usr/bin/nft-not-here/nft', []), { code: 'HELPER_MISSING', remedy: 'install the package nftables' })
  await assert.rejects(runCommand('/no/ip', []), { remedy: 'install the package iproute2 (Debian, Ubuntu) or iproute (Fedora)' })
  await assert.rejects(runCommand('true', [], { cwd: '/no/such' }), { code: 'HELPER_FAILED', message: 'run true in /no/such: no such directory' })
  await assert.rejects(runCommand('/no/ip', [], { cwd: '/' }), { code: 'HELPER_MISSING' })
})

test('time limit and abort end the child', async () => {
  await assert.rejects(runCommand('sleep', ['30'], { timeoutMs: 50 }), { code: 'HELPER_TIMEOUT', message: 'run sleep: no end after 0.05 s, killed' })
  const reason = new Error('enough')
  await assert.rejects(runCommand('sleep', ['30'], { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 30)
  await assert.rejects(runCommand('sleep', ['30'], { signal: controller.signal }), reason)
})

test('a process is known by pid and start time; zombies and strangers are not it', async () => {
  const startTime = processStartTime(process.pid)
  assert.match(startTime, /^\d+$/)
  assert.equal(isAlive(process.pid, startTime), true)
  assert.equal(isAlive(process.pid, '1'), false)
  assert.equal(isAlive(0, startTime), false)
  assert.equal(readProcessStat(4_000_000_000), undefined)
  // A name with blanks and parentheses does not shift the fields.
  const child = spawn('bash', ['-c', 'echo "a) Z (b" >/proc/self/comm; echo ready; read line'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  assert.equal(readProcessStat(child.pid ?? 0)?.parentPid, process.pid)
  child.stdin.end('\n')
  await new Promise((resolve) => child.once('exit', resolve))
  assert.equal(isAlive(child.pid ?? 0, startTime), false)
})

test('boot id, own command line, executables', () => {
  assert.match(bootId(), /^[0-9a-f-]{36}$/)
  const [runtime, main] = selfCommand()
  assert.equal(runtime, process.execPath)
  assert.match(main ?? '', /\/src\/main\.ts$/)
  assert.equal(findExecutable('sh', ['/nonexistent', '/bin']), '/bin/sh')
  assert.equal(findExecutable('/etc/passwd', []), undefined)
  assert.equal(findExecutable('etc', ['/']), undefined)
  assert.ok(existsSync(process.execPath))
})

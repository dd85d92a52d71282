import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { LockFile, peekToken, withFileLock } from '../../../../src/host/lock/lock-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-lock-'))
after(() => rmSync(directory, { recursive: true, force: true }))
let count = 0
const newPath = () => join(directory, `sub/${count++}.lock`)
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

test('writers of one process exclude each other, readers do not', async () => {
  const path = newPath()
  let inside = 0
  let most = 0
  const enter = async () => {
    most = Math.max(most, ++inside)
    await sleep(5)
    inside--
  }
  await Promise.all(Array.from({ length: 8 }, () => withFileLock(path, 'write', enter)))
  assert.equal(most, 1)
  await Promise.all(Array.from({ length: 4 }, () => withFileLock(path, 'read', enter)))
  assert.ok(most > 1)
  assert.equal(statSync(path).mode & 0o777, 0o644)
})

test('a failing function releases the lock', async () => {
  const path = newPath()
  await assert.rejects(withFileLock(path, 'write', () => Promise.reject(new Error('inside'))), /inside/)
  LockFile.tryAcquire(path, 'write')!.release()
})

test('the POSIX lock of another process keeps us out; the timeout names that process', async () => {
  const path = newPath()
  await withFileLock(path, 'write', () => undefined)
  const holder = spawn('python3', ['-c', `import fcntl,sys\nf=open(${JSON.stringify(path)},'r+')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\nsys.stdin.read()`], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise(resolve => holder.stdout.once('data', resolve))
  assert.equal(LockFile.tryAcquire(path, 'read'), undefined)
  await assert.rejects(LockFile.acquire(path, 'write', { timeoutMs: 50 }), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'LOCK_TIMEOUT')
    assert.ok(error.message.includes(`process ${holder.pid} (python3)`) && error.message.includes(path), error.message)
    return true
  })
  const waiting = LockFile.acquire(path, 'write')
  holder.stdin.end()
  const lock = await waiting
  lock.release()
  lock.release()
})

test('the holder of a lock like ours is found too', async () => {
  const path = newPath()
  const lock = await LockFile.acquire(path, 'write')
  await assert.rejects(LockFile.acquire(path, 'read', { timeoutMs: 20 }), { code: 'LOCK_TIMEOUT', message: new RegExp(`process ${process.pid} `) })
  lock.release()
})

test('an abandoned wait ends at once and does not keep the lock later', async () => {
  const path = newPath()
  const lock = await LockFile.acquire(path, 'write')
  const controller = new AbortController()
  const waiting = LockFile.acquire(path, 'write', { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('stop')), 20)
  await assert.rejects(waiting, /stop/)
  lock.release()
  const next = await LockFile.acquire(path, 'write', { timeoutMs: 2000 })
  next.release()
})

test('tokens are 64 bytes, never the same, and read without the lock', async () => {
  const path = newPath()
  assert.equal(peekToken(path), '')
  const tokens = new Set<string>()
  for (let i = 0; i < 100; i++) {
    const token = await withFileLock(path, 'write', lock => lock.writeToken())
    assert.equal(token.length, 128)
    assert.equal(peekToken(path), token)
    tokens.add(token)
  }
  assert.equal(tokens.size, 100)
  assert.equal(readFileSync(path).length, 64)
})

test('a read-only store is locked without being written', async () => {
  const path = newPath()
  await assert.rejects(LockFile.acquire(path, 'read', { readOnly: true }), { code: 'ENOENT' })
})

test('a stopped holder is named as stopped', async () => {
  const path = newPath()
  await withFileLock(path, 'write', () => undefined)
  const holder = spawn('python3', ['-c', `import fcntl,os,sys,time\nf=open(${JSON.stringify(path)},'r+')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\ntime.sleep(60)`], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => holder.stdout.once('data', resolve))
  holder.kill('SIGSTOP')
  await assert.rejects(LockFile.acquire(path, 'write', { timeoutMs: 50 }), (error: { message: string; remedy: string }) => {
    assert.match(error.message, new RegExp(`process ${holder.pid} .*is stopped`))
    assert.match(error.remedy, new RegExp(`kill -CONT ${holder.pid}`))
    return true
  })
  holder.kill('SIGKILL')
})

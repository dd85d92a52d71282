// SIGINT and SIGTERM to commands that move images: 130 and 143, soon, one line, and nothing left.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestHost, tpodPath } from '../support/host.ts'
import { buildRandomImage } from '../support/images.ts'

const host = new TestHost()
const image = 'localhost/moved:latest'
const archive = join(host.directory, 'moved.tar')
const work = join(host.directory, 'work')
const temporary = join(host.directory, 'temporary')
/** Accepts connections and never answers. */
const silent = createServer((socket) => socket.on('error', () => undefined))
let silentAddress: string

before(async () => {
  mkdirSync(temporary)
  host.env['TMPDIR'] = temporary
  buildRandomImage(host, image, 2, 8 * 1024 * 1024)
  host.tpodOk(['save', '-q', '-o', archive, image])
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  silentAddress = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  host.registries(`[[registry]]\nlocation = "${silentAddress}"\ninsecure = true\n`)
})
after(() => {
  silent.close()
  host.dispose()
})

interface Ending { code: number | null; signal: string | null; stderr: string; tookMs: number }

/** Sends the signal `afterMs` later; standard input stays open, standard output is not read. */
function interrupted(args: readonly string[], signal: 'SIGINT' | 'SIGTERM', afterMs: number, input?: Buffer): Promise<Ending> {
  return new Promise((resolve) => {
    const child = spawn(tpodPath, [...host.storeFlags(), ...args], { env: host.env, stdio: ['pipe', 'pipe', 'pipe'] })
    let stderr = ''
    let sentAt = Number.NaN
    child.stdin.on('error', () => undefined)
    if (input !== undefined) child.stdin.write(input)
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const timer = setTimeout(() => {
      sentAt = performance.now()
      child.kill(signal)
    }, afterMs)
    child.on('exit', (code, by) => {
      clearTimeout(timer)
      child.stdin.destroy()
      child.stdout.destroy()
      resolve({ code, signal: by, stderr, tookMs: performance.now() - sentAt })
    })
  })
}

function assertNothingLeft(): void {
  const inside = (path: string): string[] => {
    try {
      return readdirSync(path, { recursive: true, encoding: 'utf8' })
    } catch {
      return []
    }
  }
  assert.deepEqual(inside(temporary).filter((name) => !name.startsWith('.bun-')), [])
  assert.deepEqual(inside(work).filter((name) => name.includes('.tmp-')), [])
  for (const path of ['overlay/tempdirs', 'overlay-layers/tmp']) assert.deepEqual(inside(join(host.graphRoot, path)), [])
}

const half = (): Buffer => readFileSync(archive).subarray(0, 3_000_000)
const waiting: [string, () => string[], (() => Buffer)?][] = [
  ['load, nothing comes', () => ['load']],
  ['load, half an archive comes', () => ['load'], half],
  ['import, half an archive comes', () => ['import', '-'], half],
  ['pull from a registry that says nothing', () => ['pull', `${silentAddress}/x`]],
  ['push to a registry that says nothing', () => ['push', image, `${silentAddress}/x`]],
  ['copy from a registry that says nothing', () => ['image', 'copy', `docker://${silentAddress}/x`, `dir:${work}/x`]],
  ['login at a registry that says nothing', () => ['login', '-u', 'me', '-p', 'secret', silentAddress]],
  ['login that waits for a password', () => ['login', '-u', 'me', '--password-stdin', silentAddress]],
  ['login that waits for a name', () => ['login', silentAddress]],
]
for (const [name, args, input] of waiting) {
  test(`${name}: it ends at once`, async () => {
    for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
      const ending = await interrupted(args(), signal, 500, input?.())
      // Where the thread waits for a person or a pipe, the signal itself ends it: the same status for a shell.
      assert.ok(ending.code === status || ending.signal === signal, JSON.stringify(ending))
      assert.ok(ending.tookMs < 3000, JSON.stringify(ending))
      assert.doesNotMatch(ending.stderr, /^ +at |Unhandled/m)
      assertNothingLeft()
    }
  })
}

test('save into a pipe that nobody reads: it ends some seconds later', async () => {
  const ending = await interrupted(['save', image], 'SIGTERM', 500)
  assert.ok(ending.code === 143 || ending.signal === 'SIGTERM', JSON.stringify(ending))
  assert.ok(ending.tookMs < 12_000)
  assertNothingLeft()
})

const working: [string, () => string[]][] = [
  ['load', () => ['load', '-q', '-i', archive]],
  ['save', () => ['save', '-q', '--format', 'oci-archive', '-o', join(work, 'archive'), image]],
  ['copy to oci:', () => ['image', 'copy', '-q', `containers-storage:${image}`, `oci:${work}/layout:x`]],
  ['copy to dir:', () => ['image', 'copy', '-q', `containers-storage:${image}`, `dir:${work}/dir`]],
]
for (const [name, args] of working) {
  test(`${name} at any moment: its end, or 130 or 143 and nothing left`, async () => {
    for (const [signal, status, afterMs] of [['SIGINT', 130, 60], ['SIGTERM', 143, 100], ['SIGINT', 130, 160], ['SIGTERM', 143, 240]] as const) {
      rmSync(work, { recursive: true, force: true })
      mkdirSync(work)
      const ending = await interrupted(args(), signal, afterMs)
      assert.ok(ending.code === status || ending.code === 0 || ending.signal === signal, JSON.stringify(ending))
      assert.doesNotMatch(ending.stderr, /^ +at |Unhandled/m)
      assertNothingLeft()
    }
  })
}

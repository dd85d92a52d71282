import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { TarSplitFormatter, readTarSplit } from '../../../src/archive/tar-split.ts'
import type { TarSplitEntry } from '../../../src/archive/tar-split.ts'
import { TpodError } from '../../../src/errors/tpod-error.ts'

async function read(file: Buffer): Promise<TarSplitEntry[]> {
  const directory = mkdtempSync(join(tmpdir(), 'tpod-split-'))
  try {
    writeFileSync(join(directory, 's'), file)
    const entries: TarSplitEntry[] = []
    for await (const entry of readTarSplit(join(directory, 's'))) entries.push(entry)
    return entries
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('the lines are those of Go, names of any bytes, and read back', async () => {
  const formatter = new TarSplitFormatter()
  formatter.addRaw(Buffer.from('head'))
  formatter.addRaw(Buffer.from('er'))
  formatter.addFile('a "b"', 3, Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]))
  formatter.addFile('\xc3\xbc/', 0, undefined)
  formatter.addFile('bad\xff', 0, undefined)
  formatter.addRaw(Buffer.alloc(3))
  formatter.flush()
  const lines = Buffer.from(formatter.takeLines())
  assert.deepEqual(lines.toString().trim().split('\n'), [
    '{"type":2,"payload":"aGVhZGVy","position":0}',
    '{"type":1,"name":"a \\"b\\"","size":3,"payload":"AQIDBAUGBwg=","position":1}',
    '{"type":1,"name":"ü/","payload":null,"position":2}',
    '{"type":1,"name_raw":"YmFk/w==","payload":null,"position":3}',
    '{"type":2,"payload":"AAAA","position":4}',
  ])
  // Several gzip members, cut inside a line.
  const entries = await read(Buffer.concat([gzipSync(lines.subarray(0, 70)), gzipSync(lines.subarray(70))]))
  assert.deepEqual(entries.map((entry) => (entry.kind === 'file' ? entry.name : entry.bytes.length)), [6, 'a "b"', '\xc3\xbc/', 'bad\xff', 3])
})

const isInvalid = (error: unknown) => error instanceof TpodError && error.code === 'TAR_SPLIT_INVALID'

test('a damaged file is TAR_SPLIT_INVALID', async () => {
  const whole = gzipSync('{"type":2,"payload":"AAAA","position":0}\n')
  for (const file of [Buffer.from('no gzip'), whole.subarray(0, 20), gzipSync('{"type":2'), gzipSync('{"type":9,"position":0}\n')]) {
    await assert.rejects(read(file), isInvalid)
  }
})

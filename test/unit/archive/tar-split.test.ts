import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { TarSplitFormatter } from '../../../src/archive/tar-split.ts'
import { readTarSplit } from '../../support/read-tar-split.ts'
import type { TarSplitEntry } from '../../support/read-tar-split.ts'

function read(file: Buffer): TarSplitEntry[] {
  const directory = mkdtempSync(join(tmpdir(), 'tpod-split-'))
  try {
    writeFileSync(join(directory, 's'), file)
    return readTarSplit(join(directory, 's'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('the lines are those of Go, names of any bytes, and read back', () => {
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
  const entries = read(gzipSync(lines))
  assert.deepEqual(entries.map((entry) => (entry.kind === 'file' ? entry.name : entry.bytes.length)), [6, 'a "b"', '\xc3\xbc/', 'bad\xff', 3])
})

import assert from 'node:assert/strict'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createHash, randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { decompress } from '../../../src/archive/compression.ts'
import { freeChunk } from '../../../src/archive/free-chunk.ts'

test('a chunk with a buffer of its own is freed, a slice of the pool and a view into a buffer are not', () => {
  const own = new Uint8Array(100_000)
  freeChunk(own)
  assert.equal(own.buffer.byteLength, 0)

  const pooled = Buffer.from('pooled')
  freeChunk(pooled)
  assert.equal(pooled.toString(), 'pooled')

  const view = new Uint8Array(new ArrayBuffer(100_000), 0, 50_000)
  freeChunk(view)
  assert.equal(view.length, 50_000)
})

for (const name of ['gzip', 'zstd'] as const) {
  test(`what ${name} gives is whole though its chunks are freed on the way, and the source's too`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tpod-free-chunk-'))
    try {
      // Text that compresses, and noise that does not: chunks of all lengths.
      const content = Buffer.concat([Buffer.alloc(3_000_000, 'tpod '), randomBytes(1_500_000), Buffer.alloc(700_001)])
      const path = join(directory, 'blob')
      writeFileSync(path, name === 'gzip' ? gzipSync(content) : zstdCompressSync(content))
      async function* source(): AsyncGenerator<Uint8Array> {
        for await (const chunk of createReadStream(path, { highWaterMark: 100_000 }) as AsyncIterable<Buffer>) {
          yield chunk
          freeChunk(chunk)
        }
      }
      const hash = createHash('sha256')
      for await (const chunk of decompress(name, source())) hash.update(chunk)
      assert.equal(hash.digest('hex'), createHash('sha256').update(content).digest('hex'))
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
}

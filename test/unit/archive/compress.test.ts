import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { gunzipSync, gzipSync, zstdDecompressSync } from 'node:zlib'
import { compress } from '../../../src/archive/compress.ts'
import type { LayerCompressor } from '../../../src/archive/compress.ts'

/** Chunks whose memory is spoiled once the next is asked for, as the contract allows. */
async function* inChunks(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) {
    const chunk = Uint8Array.from(data.subarray(at, at + size))
    yield chunk
    chunk.fill(0xaa)
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** Bytes like software's: words from a small vocabulary, numbers, some noise. */
function softwareLike(length: number, seed = 1): Buffer {
  let state = seed
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
  const words = Array.from({ length: 400 }, (_, index) => createHash('sha256').update(String(index)).digest('base64').slice(0, 3 + (index % 12)))
  const parts: string[] = []
  for (let size = 0; size < length;) {
    const part = random(10) === 0 ? String(random(1e9)) : words[Math.min(random(400), random(400))]! + ' '
    parts.push(part)
    size += part.length
  }
  return Buffer.from(parts.join('').slice(0, length))
}

const noise = (length: number): Buffer => {
  const blocks: Buffer[] = []
  for (let index = 0; index * 32 < length; index++) blocks.push(createHash('sha256').update(`noise ${index}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

const inputs: readonly [name: string, data: Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('x')],
  ['seven bytes', Buffer.from('aaaaaaa')],
  ['zeros', Buffer.alloc(5_000_000)],
  ['software', softwareLike(5_000_000)],
  ['exactly two pieces', softwareLike(2 * 1024 * 1024)],
  ['noise', noise(3_000_000)],
  ['noise among zeros', Buffer.concat([noise(70_000), Buffer.alloc(200_000), noise(1_000_000), softwareLike(300_000), Buffer.alloc(1)])],
]

describe('compress', () => {
  for (const [name, data] of inputs) {
    for (const format of ['gzip', 'zstd'] as LayerCompressor[]) {
      test(`${format} of ${name} is read back, whatever the chunks`, async () => {
        const compressed = await collect(compress(format, inChunks(data, 65_536)))
        const back = format === 'gzip' ? gunzipSync(compressed) : zstdDecompressSync(compressed)
        assert.ok(back.equals(data))
        assert.ok((await collect(compress(format, inChunks(data, 1_000_003)))).equals(compressed), 'the output depends on the chunks')
      })
    }
    test(`the gzip program reads ${name}`, async () => {
      const result = spawnSync('gzip', ['-dc'], { input: await collect(compress('gzip', inChunks(data, 100_000))), maxBuffer: 1e8 })
      assert.equal(result.stderr.toString(), '')
      assert.ok(result.stdout.equals(data))
    })
  }

  test('sizes are near those of zlib', async () => {
    const data = softwareLike(8_000_000)
    const own = (await collect(compress('gzip', inChunks(data, 65_536)))).length
    assert.ok(own < gzipSync(data, { level: 4 }).length * 1.15, `${own} bytes`)
    const best = (await collect(compress('gzip', inChunks(data, 65_536), { level: 9 }))).length
    assert.ok(best < own && best < gzipSync(data, { level: 9 }).length * 1.01, `${best} bytes at level 9`)
  })

  test('what does not compress grows by less than one part in a thousand', async () => {
    const data = noise(3_000_000)
    assert.ok((await collect(compress('gzip', inChunks(data, 65_536)))).length < data.length * 1.001)
  })

  test('levels beyond the range are refused in the words of containers/image', async () => {
    await assert.rejects(collect(compress('gzip', inChunks(noise(10), 10), { level: 10 })), { code: 'BAD_COMPRESSION_LEVEL', message: 'gzip: invalid compression level: 10' })
    await assert.rejects(collect(compress('zstd', inChunks(noise(10), 10), { level: 23 })), { code: 'BAD_COMPRESSION_LEVEL' })
  })

  for (const format of ['gzip', 'zstd'] as LayerCompressor[]) {
    test(`${format}: a failing source ends it with the source's error`, async () => {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield softwareLike(3_000_000)
        throw new Error('the source broke')
      }
      await assert.rejects(collect(compress(format, failing())), /the source broke/)
    })

    test(`${format}: a reader that stops early ends the source`, async () => {
      let hasEnded = false
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield noise(100_000)
        } finally {
          hasEnded = true
        }
      }
      let chunks = 0
      for await (const _ of compress(format, endless())) if (++chunks === 3) break
      for (let wait = 0; wait < 100 && !hasEnded; wait++) await new Promise((resolve) => setTimeout(resolve, 10))
      assert.ok(hasEnded)
    })
  }
})

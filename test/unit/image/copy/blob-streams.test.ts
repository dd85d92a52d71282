import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { detected } from '../../../../src/archive/detect-compression.ts'
import { measured, verified } from '../../../../src/image/copy/blob-streams.ts'
import { digestOf } from '../../../../src/oci/digest.ts'

async function* chunks(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield Uint8Array.from(data.subarray(at, at + size))
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of stream) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}

const content = Buffer.from('content '.repeat(50_000))

test('a compressed stream passes while it is measured, whatever follows it', async () => {
  for (const data of [gzipSync(content), Buffer.concat([gzipSync(content), gzipSync(content)]), Buffer.concat([gzipSync(content), Buffer.alloc(300_000)])]) {
    let digest = ''
    assert.ok((await collect(measured(chunks(data, 100), 'gzip', (value) => (digest = value)))).equals(data))
    assert.ok([digestOf(content), digestOf(Buffer.concat([content, content]))].includes(digest), digest)
  }
})

test('one that is damaged fails, one whose reader stops ends', { timeout: 5000 }, async () => {
  const damaged = gzipSync(content)
  damaged.fill(0xff, 20, 60)
  await assert.rejects(collect(measured(chunks(damaged, 100), 'gzip', () => undefined)), { code: 'ARCHIVE_INVALID' })
  await assert.rejects(collect(measured(chunks(gzipSync(content).subarray(0, 500), 100), 'gzip', () => undefined)), { code: 'ARCHIVE_TRUNCATED' })
  for await (const _ of measured(chunks(gzipSync(content), 100), 'gzip', () => undefined)) break
})

test('the compression is seen in chunks of any size, and nothing is lost', async () => {
  for (const data of [gzipSync(content), content, Buffer.from('x'), Buffer.alloc(0)]) {
    for (const size of [1, 3, 1000]) {
      const { compression, bytes } = await detected(chunks(data, size))
      assert.equal(compression, data[0] === 0x1f ? 'gzip' : 'none')
      assert.ok((await collect(bytes)).equals(data))
    }
  }
})

test('a blob is refused at its end, and at once when it is too long', async () => {
  const expected = { digest: digestOf(content), sizeBytes: content.length, what: 'copy x' }
  assert.ok((await collect(verified(chunks(content, 1000), expected))).equals(content))
  await assert.rejects(collect(verified(chunks(content.subarray(1), 1000), expected)), { code: 'DIGEST_MISMATCH' })
  let read = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      read++
      yield Uint8Array.from(content)
    }
  }
  await assert.rejects(collect(verified(endless(), expected)), /more than the 400000 bytes/)
  assert.equal(read, 2)
})

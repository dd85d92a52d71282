import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PieceWriter } from '../../../src/archive/piece-writer.ts'

const mebibyte = 1024 * 1024

describe('PieceWriter', () => {
  test('gives chunks of any size on in order, though their memory is used again', async () => {
    const pieces: Buffer[] = []
    const writer = new PieceWriter(async (piece) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      pieces.push(Buffer.from(piece))
    })
    const expected: Buffer[] = []
    for (const [index, size] of [1, 700_000, 700_000, 3_500_000, 0, 17].entries()) {
      const chunk = Buffer.alloc(size, index + 1)
      expected.push(Buffer.from(chunk))
      await writer.write(chunk)
      chunk.fill(0)
    }
    await writer.end()
    assert.ok(Buffer.concat(pieces).equals(Buffer.concat(expected)))
    assert.equal(writer.written, Buffer.concat(expected).length)
    assert.ok(pieces.every(({ length }, index) => length === mebibyte || index === pieces.length - 1))
  })

  test('after a failed piece nothing more is written and nothing succeeds: there would be a hole', async () => {
    let calls = 0
    const writer = new PieceWriter(async () => {
      if (++calls === 1) throw new Error('the disk is full')
    })
    // The failure is met by the next piece at the latest.
    await writer.write(Buffer.alloc(mebibyte))
    for (let again = 0; again < 3; again++) await assert.rejects(writer.write(Buffer.alloc(mebibyte)), /the disk is full/)
    await assert.rejects(writer.end(), /the disk is full/)
    assert.equal(calls, 1)
  })

  test('given up, it waits for the write at work and starts no other', async () => {
    const calls: string[] = []
    const writer = new PieceWriter(async () => {
      calls.push('begun')
      await new Promise((resolve) => setTimeout(resolve, 30))
      calls.push('ended')
      throw new Error('nobody hears of it')
    })
    await writer.write(Buffer.alloc(mebibyte + 1))
    assert.deepEqual(calls, ['begun'])
    await writer.abandon()
    assert.deepEqual(calls, ['begun', 'ended'])
  })
})

/** The compressor that all pushed layers go through: whatever goes in comes out of the runtime's zlib again. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { native } from '../../../src/host/native/native.ts'

const windowBytes = 32 * 1024
const blockBytes = 64 * 1024

type Random = (below: number) => number

/** xorshift32: the same numbers on every machine. */
function randomFrom(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e37_79b1) | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Compresses what follows the dictionary, checks that nothing was written beyond the bound, and returns a whole stream. */
async function deflate(data: Uint8Array, dictionaryBytes = 0): Promise<Buffer> {
  const bound = native.deflateBound(data.length - dictionaryBytes)
  const memory = Buffer.alloc(bound + 64, 0xa5)
  const written = await native.deflatePiece(data, dictionaryBytes, memory.subarray(0, bound))
  assert.ok(memory.subarray(bound).every((byte) => byte === 0xa5), 'bytes were written beyond the output')
  // An empty stored block, then on a byte boundary.
  assert.equal(memory.toString('hex', written - 4, written), '0000ffff')
  return Buffer.concat([memory.subarray(0, written), Buffer.of(3, 0)])
}

/** Returns the stream's size. */
async function checkRoundTrip(data: Uint8Array, dictionaryBytes: number, what: string): Promise<number> {
  const before = createHash('sha256').update(data).digest('hex')
  const stream = await deflate(data, dictionaryBytes)
  assert.equal(createHash('sha256').update(data).digest('hex'), before, `${what}: the input was changed`)
  const dictionary = data.subarray(Math.max(0, dictionaryBytes - windowBytes), dictionaryBytes)
  const back = inflateRawSync(stream, dictionary.length === 0 ? {} : { dictionary })
  assert.ok(back.equals(data.subarray(dictionaryBytes)), `${what}: other bytes came back`)
  return stream.length
}

function noise(length: number, random: Random, values = 256): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = random(values)
  return bytes
}

/** Repeats itself after `period` bytes. */
function periodic(length: number, period: number, random: Random): Buffer {
  const bytes = noise(length, random)
  for (let at = period; at < length; at++) bytes[at] = bytes[at - period]!
  return bytes
}

/** Each value is half as likely as the one before, which asks for codes of more than 15 bits. */
function halving(length: number, random: Random): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = Math.clz32((random(2 ** 31) << 1) | 1) * 7
  return bytes
}

/** Copies of all lengths from all distances, between bytes that do not compress. */
function copies(length: number, random: Random): Buffer {
  const edges = [1, 2, 3, 4, 7, 8, 256, 257, 258, 259, 512, 513, 24_576, 24_577, 32_766, 32_767, 32_768, 32_769, 65_535, 65_536]
  const bytes = noise(length, random)
  for (let at = 0; at < length;) {
    const distance = random(2) === 0 ? edges[random(edges.length)]! : 1 + random(windowBytes + 10)
    const end = Math.min(length, at + 3 + random(260))
    if (distance <= at) for (; at < end; at++) bytes[at] = bytes[at - distance]!
    at += 1 + random(random(10) === 0 ? 300 : 4)
  }
  return bytes
}

/** Nothing but matches of four bytes, which fill a block's list of matches. */
function fours(length: number, random: Random): Buffer {
  const words = Array.from({ length: 3 + random(60) }, () => noise(4, random))
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 4) words[random(words.length)]!.copy(bytes, at)
  return bytes
}

function sparse(length: number, random: Random): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = random(600); at < length; at += 1 + random(600)) bytes[at] = random(256)
  return bytes
}

function uniform(length: number, random: Random): Buffer {
  return Buffer.alloc(length, random(256))
}

const kinds: Readonly<Record<string, (length: number, random: Random) => Buffer>> = {
  uniform, noise, halving, copies, fours, sparse,
  'few values': (length, random) => noise(length, random, 2 + random(6)),
  'a short period': (length, random) => periodic(length, 1 + random(20), random),
  'a long period': (length, random) => periodic(length, 200 + random(40_000), random),
  mixed: (length, random) => Buffer.concat([noise(length >> 2, random), copies(length >> 2, random), uniform(length >> 2, random), halving(length - 3 * (length >> 2), random)]),
}

/** Around what decides: words of four and eight bytes, the longest match, stored blocks, blocks, two of them. */
const lengths = [0, 1, 3, 4, 7, 8, 9, 257, 258, 259, 300, 1_000, 65_535, 65_536, 65_537, blockBytes + 258, 2 * 65_535, 2 * blockBytes + 300, 200_000]

describe('deflatePiece', () => {
  for (const [kind, make] of Object.entries(kinds)) {
    test(`${kind}: comes back, whatever the lengths of input and dictionary`, async () => {
      for (const [index, length] of lengths.entries()) {
        const random = randomFrom(index)
        for (const dictionaryBytes of new Set([0, random(20), 1 + random(windowBytes), windowBytes, windowBytes + 5])) {
          await checkRoundTrip(make(dictionaryBytes + length, random), dictionaryBytes, `${length} bytes after ${dictionaryBytes}`)
        }
      }
    })
  }

  test('matches of each length, from just within the window', async () => {
    const random = randomFrom(77)
    for (const distance of [windowBytes - 1, windowBytes]) {
      for (let length = 4; length <= 262; length++) {
        const data = noise(windowBytes + 1_000, random)
        const at = windowBytes + 100
        data.copyWithin(at, at - distance, at - distance + length)
        await checkRoundTrip(data, windowBytes, `${length} bytes from ${distance} before`)
      }
    }
  })

  test('what lies exactly one window back is found, what lies beyond is not', async () => {
    const random = randomFrom(78)
    assert.ok((await checkRoundTrip(periodic(400_000, windowBytes, random), windowBytes, 'a window')) < 5_000)
    assert.ok((await checkRoundTrip(periodic(400_000, windowBytes + 1, random), windowBytes, 'a window and one')) > 350_000)
  })

  test('what does not compress grows by little, also in the shortest blocks', async () => {
    const random = randomFrom(79)
    for (const length of [...lengths, 1_048_576]) {
      const size = await checkRoundTrip(noise(length, random), 0, `${length} bytes`)
      assert.ok(size <= length + 11 * (Math.floor(length / blockBytes) + 1) + 8, `${length} bytes became ${size}`)
    }
  })

  test('several at once give what each gives alone, the same on all machines', async () => {
    const pieces = Object.values(kinds).map((make, index) => make(300_000, randomFrom(index)))
    const together = await Promise.all(pieces.map((piece) => deflate(piece, windowBytes)))
    const all = createHash('sha256')
    for (const [index, piece] of pieces.entries()) {
      assert.ok((await deflate(piece, windowBytes)).equals(together[index]!))
      all.update(together[index]!)
    }
    // Pushes that go on where an earlier run stopped need it. Another value is right where the compressor was changed on purpose.
    assert.equal(all.digest('hex'), 'b6f7217841e75889937c6eea1b307d06d56b7d9bedc6386dbb067388f8d0a28b')
  })

  test('arguments that would write beyond the output or read before the input are refused', () => {
    const refused = { code: 'ERR_INVALID_ARG_VALUE' }
    const input = Buffer.alloc(1_000)
    assert.throws(() => native.deflatePiece(input, 0, Buffer.alloc(native.deflateBound(1_000) - 1)), refused)
    assert.throws(() => native.deflatePiece(input, 1_001, Buffer.alloc(5_000)), refused)
    assert.throws(() => native.deflatePiece(input, -1, Buffer.alloc(5_000)), refused)
    assert.throws(() => native.deflatePiece('text' as unknown as Uint8Array, 0, Buffer.alloc(5_000)), { code: 'ERR_INVALID_ARG_TYPE' })
  })
})

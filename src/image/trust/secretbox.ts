/**
 * NaCl's secretbox (XSalsa20 and Poly1305), in which cosign keeps private keys; neither Node nor Bun has it. For inputs
 * of some hundred bytes: written for clearness, not speed, and not free of timing differences, as a key file that is
 * opened on one's own machine needs neither.
 */
import { timingSafeEqual } from 'node:crypto'

const tagBytes = 16

/** The plaintext; undefined where the key is wrong or the box was changed. `key` has 32 bytes, `nonce` 24. */
export function openSecretbox(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (box.length < tagBytes) return undefined
  const ciphertext = box.subarray(tagBytes)
  const { oneTimeKey, stream } = keystream(key, nonce, ciphertext.length)
  if (!timingSafeEqual(poly1305(ciphertext, oneTimeKey), box.subarray(0, tagBytes))) return undefined
  return ciphertext.map((byte, index) => byte ^ (stream[index] ?? 0))
}

/** A nonce must never come twice with one key. */
export function sealSecretbox(plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  const { oneTimeKey, stream } = keystream(key, nonce, plaintext.length)
  const ciphertext = plaintext.map((byte, index) => byte ^ (stream[index] ?? 0))
  return Buffer.concat([poly1305(ciphertext, oneTimeKey), ciphertext])
}

/** XSalsa20's stream: its first 32 bytes authenticate, what follows encrypts. */
function keystream(key: Uint8Array, nonce: Uint8Array, length: number): { oneTimeKey: Uint8Array; stream: Uint8Array } {
  if (key.length !== 32 || nonce.length !== 24) throw new Error('secretbox takes a key of 32 bytes and a nonce of 24')
  const subkey = hsalsa20(key, nonce.subarray(0, 16))
  const blocks: Uint8Array[] = []
  for (let counter = 0; counter * 64 < length + 32; counter++) {
    const input = new Uint8Array(16)
    input.set(nonce.subarray(16))
    new DataView(input.buffer).setUint32(8, counter, true)
    blocks.push(salsa20Block(subkey, input))
  }
  const all = Buffer.concat(blocks)
  return { oneTimeKey: all.subarray(0, 32), stream: all.subarray(32, 32 + length) }
}

function salsa20Block(key: Uint8Array, input: Uint8Array): Uint8Array {
  const start = initialState(key, input)
  const state = rounds(start)
  const out = new DataView(new ArrayBuffer(64))
  for (let index = 0; index < 16; index++) out.setUint32(index * 4, word(state, index) + word(start, index), true)
  return new Uint8Array(out.buffer)
}

function hsalsa20(key: Uint8Array, input: Uint8Array): Uint8Array {
  const state = rounds(initialState(key, input))
  const out = new DataView(new ArrayBuffer(32))
  for (const [place, index] of [0, 5, 10, 15, 6, 7, 8, 9].entries()) out.setUint32(place * 4, word(state, index), true)
  return new Uint8Array(out.buffer)
}

/** "expand 32-byte k" on the diagonal, the key in two halves, the input between. */
function initialState(key: Uint8Array, input: Uint8Array): Uint32Array {
  const [k, n] = [words(key), words(input)]
  const constants = words(Buffer.from('expand 32-byte k'))
  const [c0, c1, c2, c3] = [word(constants, 0), word(constants, 1), word(constants, 2), word(constants, 3)]
  return Uint32Array.from([c0, ...k.subarray(0, 4), c1, ...n, c2, ...k.subarray(4), c3])
}

/** Salsa20's 20 rounds: columns and rows in turn. */
function rounds(start: Uint32Array): Uint32Array {
  const x = Uint32Array.from(start)
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of quarters) {
      x[b] = word(x, b) ^ rotate(word(x, a) + word(x, d), 7)
      x[c] = word(x, c) ^ rotate(word(x, b) + word(x, a), 9)
      x[d] = word(x, d) ^ rotate(word(x, c) + word(x, b), 13)
      x[a] = word(x, a) ^ rotate(word(x, d) + word(x, c), 18)
    }
  }
  return x
}

const quarters: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11],
  [0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14],
]

function rotate(value: number, bits: number): number {
  const wrapped = value >>> 0
  return (wrapped << bits) | (wrapped >>> (32 - bits))
}

function poly1305(message: Uint8Array, key: Uint8Array): Uint8Array {
  const prime = (1n << 130n) - 5n
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  let sum = 0n
  for (let offset = 0; offset < message.length; offset += 16) {
    const block = message.subarray(offset, offset + 16)
    sum = ((sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * r) % prime
  }
  const tag = (sum + littleEndian(key.subarray(16, 32))) & ((1n << 128n) - 1n)
  return Uint8Array.from(Buffer.from(tag.toString(16).padStart(32, '0'), 'hex')).toReversed()
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function words(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true))
}

function word(state: Uint32Array, index: number): number {
  return state[index] ?? 0
}

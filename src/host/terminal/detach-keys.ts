/** The key sequence that leaves an attached container running: `ctrl-p,ctrl-q` unless set otherwise. */
import { TpodError } from '../../errors/tpod-error.ts'

/**
 * The bytes of a key sequence: keys separated by commas, each one character or `ctrl-` and one of a-z @ [ \ ] ^ _.
 * Empty text means no sequence. Throws INVALID_DETACH_KEYS.
 */
export function parseDetachKeys(text: string): Uint8Array {
  if (text === '') return new Uint8Array()
  return Uint8Array.from(text.split(','), (key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1]
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f
    if (key.length === 1 && key.charCodeAt(0) < 0x80) return key.charCodeAt(0)
    throw new TpodError('INVALID_DETACH_KEYS', `invalid detach keys "${text}": unknown key "${key}"`, {
      remedy: 'give keys such as ctrl-p,ctrl-q or a single letter',
    })
  })
}

export interface DetachResult {
  /** What belongs to the container. */
  forward: Buffer
  isDetached: boolean
}

/**
 * Looks for the sequence in a stream of input that comes in pieces of any size. A begun sequence is held back and
 * forwarded whole with the byte that breaks it, as docker does (so ctrl-p twice sends both).
 */
export class DetachMatcher {
  readonly #keys: Uint8Array
  #matched = 0

  constructor(keys: Uint8Array) {
    this.#keys = keys
  }

  /** After `isDetached` the rest of the piece is dropped. */
  push(chunk: Uint8Array): DetachResult {
    if (this.#keys.length === 0) return { forward: Buffer.from(chunk), isDetached: false }
    const forward: number[] = []
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++
        if (this.#matched === this.#keys.length) {
          this.#matched = 0
          return { forward: Buffer.from(forward), isDetached: true }
        }
      } else {
        forward.push(...this.#keys.subarray(0, this.#matched), byte)
        this.#matched = 0
      }
    }
    return { forward: Buffer.from(forward), isDetached: false }
  }
}

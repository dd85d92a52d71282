/** Streams whose compression nobody has told: the first bytes say it, and are given again. */
import { throwIfAborted } from '../errors/tpod-error.ts'
import { checkExpansion, decompress, detectCompression, magicBytes } from './compression.ts'
import type { CompressionName } from './types.ts'

/** What the first bytes say, and the whole stream again. The stream must then be read, or its `return` called. */
export async function detected(bytes: AsyncIterable<Uint8Array>): Promise<{ compression: CompressionName; bytes: AsyncGenerator<Uint8Array, void, undefined> }> {
  const iterator = bytes[Symbol.asyncIterator]()
  let start: Uint8Array = new Uint8Array()
  while (start.length < magicBytes) {
    const { done, value } = await iterator.next()
    if (done === true) break
    // A short first chunk is copied: its memory goes with the next.
    start = start.length === 0 && value.length >= magicBytes ? value : Buffer.concat([start, value])
  }
  async function* all(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (start.length > 0) yield start
      for (;;) {
        const { done, value } = await iterator.next()
        if (done === true) return
        yield value
      }
    } finally {
      await iterator.return?.()
    }
  }
  return { compression: detectCompression(start), bytes: all() }
}

/**
 * The stream without its compression, whatever that is, with an eye on bombs: ARCHIVE_LIMIT. `storedBytes`: of all that
 * `bytes` gives, where known; else what it has given so far counts. A chunk is the caller's until it asks for the next.
 */
export async function* decompressDetected(bytes: AsyncIterable<Uint8Array>, { storedBytes, signal }: { storedBytes?: number; signal?: AbortSignal | undefined } = {}): AsyncGenerator<Uint8Array, void, undefined> {
  let taken = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      taken += chunk.length
      yield chunk
    }
  }
  const { compression, bytes: whole } = await detected(counted())
  let given = 0
  for await (const chunk of decompress(compression, whole, signal)) {
    throwIfAborted(signal)
    given += chunk.length
    checkExpansion(storedBytes ?? taken, given)
    yield chunk
  }
}

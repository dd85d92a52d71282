/** A runtime's compressor or decompressor as an async generator. */
import type { Transform } from 'node:stream'
import { freeChunk } from './free-chunk.ts'

/**
 * What `stream` makes of `bytes`. A chunk of `bytes` is no longer used once the next is asked for; one given out is freed
 * then. Throws what `bytes` throws, and the stream's own errors as `explain` puts them. The stream is destroyed at the end.
 */
export async function* passThrough(stream: Transform, bytes: AsyncIterable<Uint8Array>, explain: (error: unknown) => unknown = (error) => error): AsyncGenerator<Uint8Array, void, undefined> {
  let sourceFailure: { error: unknown } | undefined
  const fed = feed(stream, bytes).catch((error: unknown) => {
    sourceFailure = { error }
    stream.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      yield chunk
      freeChunk(chunk)
    }
    await fed
  } catch (error) {
    throw sourceFailure === undefined ? explain(error) : sourceFailure.error
  } finally {
    stream.destroy()
  }
  if (sourceFailure !== undefined) throw (sourceFailure as { error: unknown }).error
}

/** Waits after each chunk until it was taken in, so that the source may use its memory again. */
async function feed(stream: Transform, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of bytes) {
    await new Promise<void>((resolve) => {
      stream.once('close', resolve)
      stream.write(chunk, () => {
        stream.off('close', resolve)
        resolve()
      })
    })
    if (stream.destroyed) return
  }
  stream.end()
}

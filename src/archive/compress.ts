/** Compression of layer blobs. */
import type { Transform } from 'node:stream'
import { freeChunk } from './free-chunk.ts'

export type LayerCompressor = 'gzip' | 'zstd'

export interface CompressOptions {
  level?: number
}

/**
 * The compressed stream of `bytes`; the same bytes in give the same bytes out. A chunk of `bytes` is no longer used once
 * the next is asked for. Throws what `bytes` throws.
 */
export async function* compress(format: LayerCompressor, bytes: AsyncIterable<Uint8Array>, options: CompressOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const zlib = await import('node:zlib')
  const stream: Transform = format === 'gzip' ? zlib.createGzip({ level: options.level ?? 6 }) : zlib.createZstdCompress({ params: { [zlib.constants.ZSTD_c_compressionLevel]: options.level ?? 3 } })
  let failure: { error: unknown } | undefined
  const fed = (async () => {
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
  })().catch((error: unknown) => {
    failure = { error }
    stream.destroy()
  })
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      yield chunk
      freeChunk(chunk)
    }
    await fed
  } catch (error) {
    throw failure === undefined ? error : failure.error
  } finally {
    stream.destroy()
  }
  if (failure !== undefined) throw (failure as { error: unknown }).error
}

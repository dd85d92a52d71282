/** Stages of a blob on its way: verified, looked at, hashed. Each chunk may be freed once the next is asked for. */
import { createHash } from 'node:crypto'
import { decompress } from '../../archive/compression.ts'
import { freeChunk } from '../../archive/free-chunk.ts'
import type { CompressionName } from '../../archive/types.ts'
import { throwIfAborted, TpodError } from '../../errors/tpod-error.ts'

export interface ExpectedBlob {
  digest: string
  sizeBytes?: number
  /** What it is, for messages. */
  what: string
  signal?: AbortSignal
  onBytes?: (bytes: number) => void
}

/** Passes a blob on, and throws DIGEST_MISMATCH at its end, or as soon as it is too long, if it is another one. */
export async function* verified(bytes: AsyncIterable<Uint8Array>, { digest, sizeBytes, what, signal, onBytes }: ExpectedBlob): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of bytes) {
    throwIfAborted(signal)
    size += chunk.length
    if (sizeBytes !== undefined && size > sizeBytes) throw mismatch(`${what}: more than the ${sizeBytes} bytes that the manifest states`)
    hash.update(chunk)
    onBytes?.(size)
    yield chunk
    freeChunk(chunk)
  }
  const actual = `sha256:${hash.digest('hex')}`
  if (actual !== digest) throw mismatch(`${what}: its ${size} bytes have digest ${actual} instead of ${digest}`)
  if (sizeBytes !== undefined && size !== sizeBytes) throw mismatch(`${what}: ${size} bytes instead of the ${sizeBytes} that the manifest states`)
}

function mismatch(message: string): TpodError {
  return new TpodError('DIGEST_MISMATCH', message, { remedy: 'the source is damaged or hostile: fetch or make the image again' })
}

/** Hashes what passes. */
export async function* hashed(bytes: AsyncIterable<Uint8Array>, onDigest: (digest: string) => void): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  for await (const chunk of bytes) {
    hash.update(chunk)
    yield chunk
  }
  onDigest(`sha256:${hash.digest('hex')}`)
}

/** Passes a compressed layer on as it is and calls `onDigest` with the digest of what is in it, before the stream ends. */
export async function* measured(bytes: AsyncIterable<Uint8Array>, compression: CompressionName, onDigest: (digest: string) => void): AsyncGenerator<Uint8Array, void, undefined> {
  const channel = openChannel()
  const hash = createHash('sha256')
  let failure: { error: unknown } | undefined
  const reading = (async () => {
    for await (const chunk of decompress(compression, channel.bytes)) hash.update(chunk)
  })()
    .catch((error: unknown) => {
      failure = { error }
    })
    // What follows the compressed data is not read.
    .finally(channel.abandon)
  try {
    for await (const chunk of bytes) {
      await channel.push(chunk)
      if (failure !== undefined) throw (failure as { error: unknown }).error
      yield chunk
    }
  } finally {
    channel.end()
    await reading
  }
  if (failure !== undefined) throw (failure as { error: unknown }).error
  onDigest(`sha256:${hash.digest('hex')}`)
}

interface Channel {
  bytes: AsyncIterable<Uint8Array>
  /** Resolves when the reader has done with the chunk. */
  push: (chunk: Uint8Array) => Promise<void>
  end: () => void
  /** Called by a reader that reads no more. */
  abandon: () => void
}

function openChannel(): Channel {
  const state: { offered?: { chunk: Uint8Array; taken: () => void }; wake?: () => void; hasEnded: boolean; isAbandoned: boolean } = { hasEnded: false, isAbandoned: false }
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (state.offered === undefined && !state.hasEnded) await new Promise<void>((resolve) => (state.wake = resolve))
      if (state.offered === undefined) return
      const { chunk, taken } = state.offered
      yield chunk
      delete state.offered
      taken()
    }
  }
  return {
    bytes: read(),
    push: (chunk) =>
      new Promise<void>((resolve) => {
        if (state.isAbandoned) return resolve()
        state.offered = { chunk, taken: resolve }
        state.wake?.()
      }),
    end: () => {
      state.hasEnded = true
      state.wake?.()
    },
    abandon: () => {
      state.isAbandoned = true
      state.offered?.taken()
    },
  }
}

/** Unpacking of one layer: this side reads and decompresses the blob, a confined worker thread does the rest. */
import { createHash } from 'node:crypto'
import { TpodError, throwIfAborted } from '../errors/tpod-error.ts'
import { checkExpansion, decompress } from './compression.ts'
import { detected } from './detect-compression.ts'
import type { StageLayer } from './types.ts'
import { UnpackWorker } from './unpack-worker.ts'
import type { WorkerInput } from './worker-protocol.ts'

/**
 * Unpacks a layer blob into `options.directory` and measures it. Memory stays flat whatever the layer's size. Several
 * layers may be staged at a time; each has a thread of its own.
 *
 * Rejects with ARCHIVE_INVALID, ARCHIVE_TRUNCATED, ARCHIVE_LIMIT, ARCHIVE_ESCAPE, ARCHIVE_DUPLICATE,
 * ARCHIVE_UNSUPPORTED, UNPACK_FAILED, NO_SPACE, CONFINEMENT_FAILED, ID_NOT_MAPPED, DECOMPRESSOR_MISSING, with the
 * reason of `signal`, or with the error of `blob`. The directory and the tar-split file are then incomplete and the
 * caller's to remove. A killed process leaves just these.
 */
export const stageLayer: StageLayer = async (blob, options) => {
  const { directory, tarSplitPath, whiteouts, idMaps, ignoreChownErrors, verifiedDigest, signal } = options
  throwIfAborted(signal)
  const { compression, bytes } = await detected(blob)
  const input: WorkerInput = {
    directory, tarSplitPath, whiteouts,
    ...(idMaps === undefined ? {} : { idMaps }),
    ...(ignoreChownErrors === undefined ? {} : { ignoreChownErrors }),
  }
  const worker = new UnpackWorker(input)
  const onAbort = () => worker.fail(signal?.reason as Error)
  signal?.addEventListener('abort', onAbort)
  const measured = new MeasuredBlob(bytes, verifiedDigest)
  const pumped = pump(decompress(compression, measured, signal), measured, worker)
  try {
    pumped.catch(() => undefined)
    // A source may wait for the network for ever: a failure or an abort does not wait for it.
    await Promise.race([pumped, worker.failed])
    const content = await worker.finish()
    return { ...content, blobDigest: measured.digest(), blobSizeBytes: measured.sizeBytes, compression }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    await worker.close()
  }
}

/** Moves the tar to the worker; ends at its next chunk after a failure. */
async function pump(tar: AsyncIterable<Uint8Array>, measured: MeasuredBlob, worker: UnpackWorker): Promise<void> {
  let tarBytes = 0
  for await (const chunk of tar) {
    tarBytes += chunk.length
    checkExpansion(measured.sizeBytes, tarBytes)
    await worker.write(chunk)
  }
  if (tarBytes > 0 || measured.sizeBytes === 0) return
  throw new TpodError('ARCHIVE_TRUNCATED', 'decompress the layer: the data ends early', { remedy: 'fetch the image again' })
}

/** Passes a blob through, measuring it. */
class MeasuredBlob implements AsyncIterable<Uint8Array> {
  sizeBytes = 0
  private readonly hash = createHash('sha256')
  private readonly blob: AsyncIterable<Uint8Array>
  private readonly verifiedDigest: string | undefined
  private isComplete = false

  constructor(blob: AsyncIterable<Uint8Array>, verifiedDigest: string | undefined) {
    this.blob = blob
    this.verifiedDigest = verifiedDigest
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.blob) {
      if (this.verifiedDigest === undefined) this.hash.update(chunk)
      this.sizeBytes += chunk.length
      yield chunk
    }
    this.isComplete = true
  }

  digest(): string {
    // Its giver compares at the end only, which a decompressor may think it has reached before.
    if (this.verifiedDigest !== undefined && !this.isComplete) throw new TpodError('ARCHIVE_INVALID', 'decompress the layer: data follows the end of the archive')
    if (this.verifiedDigest !== undefined) return this.verifiedDigest
    return `sha256:${this.hash.digest('hex')}`
  }
}

/** Unpacking of one layer: this side reads the blob and hands it to a confined worker thread. */
import type { Worker } from 'node:worker_threads'
import { TpodError, throwIfAborted } from '../errors/tpod-error.ts'
import { checkExpansion, detectCompression, magicBytes } from './compression.ts'
import type { CompressionName, StageLayer, StageLayerOptions, StagedContent } from './types.ts'
import type { FromWorker, ToWorker, WorkerInput } from './worker-protocol.ts'

/** Buffers on their way to the worker: bounds memory, and lets reading and unpacking overlap. */
const bufferBytes = 128 * 1024
const bufferCount = 6

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
  throwIfAborted(options.signal)
  const { start, rest } = await readStart(blob)
  const compression = detectCompression(start)
  if (compression === 'bzip2' || compression === 'xz') return stageExternally(compression, rest, options)
  return stageWithWorker(compression, rest, options)
}

/** For compressions of the host's programs the blob is measured here, and the worker gets a plain tar. */
async function stageExternally(
  compression: 'bzip2' | 'xz',
  blob: AsyncIterable<Uint8Array>,
  options: StageLayerOptions,
): Promise<StagedContent> {
  const [{ createHash }, { decompressExternally }] = await Promise.all([
    import('node:crypto'),
    import('./external-decompressor.ts'),
  ])
  const hash = createHash('sha256')
  let blobSizeBytes = 0
  let tarBytes = 0
  async function* measured(): AsyncGenerator<Uint8Array> {
    for await (const chunk of blob) {
      hash.update(chunk)
      blobSizeBytes += chunk.length
      yield chunk
    }
  }
  async function* bounded(): AsyncGenerator<Uint8Array> {
    for await (const chunk of decompressExternally(compression, measured(), options.signal)) {
      tarBytes += chunk.length
      checkExpansion(blobSizeBytes, tarBytes)
      yield chunk
    }
  }
  const content = await stageWithWorker('none', bounded(), options)
  return { ...content, blobDigest: `sha256:${hash.digest('hex')}`, blobSizeBytes, compression }
}

async function stageWithWorker(
  compression: CompressionName,
  blob: AsyncIterable<Uint8Array>,
  options: StageLayerOptions,
): Promise<StagedContent> {
  const { directory, tarSplitPath, whiteouts, idMaps, ignoreChownErrors } = options
  const input: WorkerInput = {
    compression, directory, tarSplitPath, whiteouts,
    ...(idMaps === undefined ? {} : { idMaps }),
    ...(ignoreChownErrors === undefined ? {} : { ignoreChownErrors }),
  }
  const { Worker } = await import('node:worker_threads')
  const worker = new UnpackWorker(new Worker(workerUrl(), { workerData: input }))
  const onAbort = () => worker.fail(options.signal?.reason as Error)
  options.signal?.addEventListener('abort', onAbort)
  try {
    for await (const chunk of blob) await worker.write(chunk)
    return await worker.finish()
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    await worker.close()
  }
}

/** This side of the worker. Every wait ends at the worker's first failure. */
class UnpackWorker {
  private readonly worker: Worker
  private readonly free: ArrayBuffer[] = []
  private made = 0
  private filling: ArrayBuffer | undefined
  private filled = 0
  private failure: Error | undefined
  private content: StagedContent | undefined
  private wake: (() => void) | undefined
  private hasExited = false
  private readonly exited: Promise<void>

  constructor(worker: Worker) {
    this.worker = worker
    worker.on('message', (message: FromWorker) => this.take(message))
    worker.on('error', (error: Error) => this.fail(new TpodError('UNPACK_FAILED', `unpack the layer: ${error.message}`, { cause: error })))
    this.exited = new Promise((resolve) => {
      worker.on('exit', () => {
        this.hasExited = true
        if (this.content === undefined) this.fail(new TpodError('UNPACK_FAILED', 'unpack the layer: the worker ended early'))
        resolve()
      })
    })
  }

  /** Copies `chunk`; resolves at once while a buffer is free. */
  async write(chunk: Uint8Array): Promise<void> {
    let offset = 0
    while (offset < chunk.length) {
      this.filling ??= await this.takeBuffer()
      const length = Math.min(chunk.length - offset, bufferBytes - this.filled)
      new Uint8Array(this.filling, this.filled, length).set(chunk.subarray(offset, offset + length))
      offset += length
      this.filled += length
      if (this.filled === bufferBytes) this.send()
    }
    if (this.failure !== undefined) throw this.failure
  }

  async finish(): Promise<StagedContent> {
    if (this.filled > 0) this.send()
    this.post({ kind: 'end' })
    while (this.content === undefined) await this.change()
    return this.content
  }

  /** Ends the thread; it closes its files first. Idempotent. */
  async close(): Promise<void> {
    if (this.hasExited) return
    if (this.content === undefined) this.post({ kind: 'abort' })
    const { setTimeout: delay } = await import('node:timers/promises')
    const timer = new AbortController()
    // A thread in one long system call ends after it; no caller should wait for that.
    await Promise.race([this.exited, delay(2_000, undefined, { signal: timer.signal }).catch(() => undefined)])
    timer.abort()
    if (!this.hasExited) await this.worker.terminate()
  }

  fail(error: Error): void {
    this.failure ??= error
    this.wake?.()
  }

  private take(message: FromWorker): void {
    if (message.kind === 'used') this.free.push(message.buffer)
    else if (message.kind === 'done') this.content = message.content
    else if (message.kind === 'failed') {
      const { code, message: text, remedy } = message.error
      this.fail(new TpodError(code ?? 'UNPACK_FAILED', text, remedy === undefined ? {} : { remedy }))
    }
    this.wake?.()
  }

  private send(): void {
    if (this.filling === undefined) return
    this.post({ kind: 'chunk', buffer: this.filling, length: this.filled }, [this.filling])
    this.filling = undefined
    this.filled = 0
  }

  private post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    if (!this.hasExited) this.worker.postMessage(message, transfer)
  }

  private async takeBuffer(): Promise<ArrayBuffer> {
    for (;;) {
      const free = this.free.pop()
      if (free !== undefined) return free
      if (this.made < bufferCount) {
        this.made++
        return new ArrayBuffer(bufferBytes)
      }
      await this.change()
    }
  }

  /** Waits for the next message; throws the failure, if there is one. */
  private async change(): Promise<void> {
    if (this.failure === undefined) {
      await new Promise<void>((resolve) => (this.wake = resolve))
      this.wake = undefined
    }
    if (this.failure !== undefined) throw this.failure
  }
}

/**
 * Where the worker's code is: beside this file, as source or compiled for Node; in the Bun executable under the path
 * that it has below src/, since `bun build --compile src/main.ts src/archive/worker.ts` keeps that.
 */
function workerUrl(): URL {
  const here = import.meta.url
  if (here.includes('/$bunfs/')) return new URL('./archive/worker.js', here)
  return new URL(here.endsWith('.ts') ? './worker.ts' : './worker.js', here)
}

/** Reads until the magic number is there; `rest` is the whole stream, what was read included. */
async function readStart(blob: AsyncIterable<Uint8Array>): Promise<{ start: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = blob[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let length = 0
  let isDone = false
  while (length < magicBytes && !isDone) {
    const next = await iterator.next()
    isDone = next.done === true
    // A copy: the source may use its buffer again for the next chunk.
    if (next.done !== true) {
      chunks.push(Uint8Array.from(next.value))
      length += next.value.length
    }
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks
      while (!isDone) {
        const next = await iterator.next()
        if (next.done === true) isDone = true
        else yield next.value
      }
    } finally {
      if (!isDone) await iterator.return?.()
    }
  }
  return { start: Buffer.concat(chunks).subarray(0, magicBytes), rest: whole() }
}

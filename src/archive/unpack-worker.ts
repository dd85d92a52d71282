/** The main thread's side of the unpacking worker. */
import { Worker } from 'node:worker_threads'
import { TpodError } from '../errors/tpod-error.ts'
import type { UnpackedTar } from './layer-unpacker.ts'
import type { FromWorker, ToWorker, WorkerInput } from './worker-protocol.ts'
import { isCompiledExecutable } from '../host/process/self.ts'

/** Buffers that travel to the worker and back: they bound memory, and let decompression and unpacking overlap. */
const bufferBytes = 128 * 1024
const bufferCount = 6

/**
 * A thread that unpacks one tar into one directory. `write` in order, then `finish`; `close` in any case. Every wait
 * ends at the first failure, the worker's or one given to `fail`.
 */
export class UnpackWorker {
  private readonly worker: Worker
  private readonly free: ArrayBuffer[] = []
  private made = 0
  private filling: ArrayBuffer | undefined
  private filled = 0
  private failure: Error | undefined
  private content: UnpackedTar | undefined
  private wake: (() => void) | undefined
  private hasExited = false
  private readonly exited: Promise<void>
  private rejectFailed: (error: Error) => void = () => undefined
  /** Rejects with the first failure, never resolves. */
  readonly failed: Promise<never> = new Promise((_resolve, reject) => (this.rejectFailed = reject))

  constructor(input: WorkerInput) {
    // Without a listener a failure would end the process.
    this.failed.catch(() => undefined)
    this.worker = new Worker(workerUrl(), { workerData: input })
    this.worker.on('message', (message: FromWorker) => this.take(message))
    this.worker.on('error', (error: Error) => this.fail(new TpodError('UNPACK_FAILED', `unpack the layer: ${error.message}`, { cause: error })))
    this.exited = new Promise((resolve) => {
      this.worker.on('exit', () => {
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
    this.check()
  }

  async finish(): Promise<UnpackedTar> {
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
    this.rejectFailed(this.failure)
    this.wake?.()
  }

  /** Throws the failure, if there was one. */
  check(): void {
    if (this.failure !== undefined) throw this.failure
  }

  private take(message: FromWorker): void {
    if (message.kind === 'failed') {
      const { code, message: text, remedy } = message.error
      this.fail(new TpodError(code ?? 'UNPACK_FAILED', text, remedy === undefined ? {} : { remedy }))
      return
    }
    if (message.kind === 'used') this.free.push(message.buffer)
    else this.content = message.content
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
 * Where the worker's code is: beside this file, as source or compiled for Node. In the Bun executable under the path
 * that it has below src/, since `bun build --compile src/main.ts src/archive/worker.ts` keeps that; `import.meta.url`
 * is of no use there: it names the chunk that this module came into.
 */
function workerUrl(): URL {
  if (isCompiledExecutable()) return new URL('file:///$bunfs/root/archive/worker.js')
  const here = import.meta.url
  return new URL(here.endsWith('.ts') ? './worker.ts' : './worker.js', here)
}

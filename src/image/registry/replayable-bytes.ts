/** A blob's bytes on their way up, which can be sent again from where the registry has lost them. */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { freeChunk } from '../../archive/free-chunk.ts'

export interface ReplayableOptions {
  /** The same bytes from an offset; absent: only the last windowBytes can be had again. */
  reread?: (offset: number) => AsyncIterable<Uint8Array>
  /** Memory for bytes that come once. */
  windowBytes: number
  /** Compute the digest of all bytes. */
  hashes: boolean
  /** Ends the wait for the next bytes. */
  signal?: AbortSignal
}

/** Bytes are numbered from 0 and handed out in order from wherever seek has set. */
export class ReplayableBytes {
  private iterator: AsyncIterator<Uint8Array>
  private readonly options: ReplayableOptions
  private readonly hash: Hash | undefined
  /** Copies of the last chunks, for bytes that come once. */
  private readonly window: Uint8Array[] = []
  private windowBytes = 0
  /** The source's own chunk that was taken last: valid until the next is. */
  private last: Uint8Array = new Uint8Array(0)
  /** Where the source stands; with reread, that of the current pass. */
  private taken = 0
  /** The farthest that any pass has come: hashed until there. */
  private reached = 0
  /** Next byte to hand out, at most `taken`. */
  private position = 0
  private hasEnded = false
  private failed: { error: unknown } | undefined

  constructor(bytes: AsyncIterable<Uint8Array>, options: ReplayableOptions) {
    this.iterator = bytes[Symbol.asyncIterator]()
    this.options = options
    this.hash = options.hashes ? createHash('sha256') : undefined
  }

  get offset(): number {
    return this.position
  }

  /** The source is at its end and all was handed out. */
  get isAtEnd(): boolean {
    return this.hasEnded && this.position === this.taken
  }

  /** What the source threw (or the abort reason), in an object to tell it from nothing. */
  get failure(): { error: unknown } | undefined {
    return this.failed
  }

  /** Of all bytes; once, at the end. */
  digest(): string {
    return `sha256:${this.hash!.digest('hex')}`
  }

  /** Makes `offset` the next byte. False: those bytes are gone, or there are fewer. Throws what the source throws. */
  async seek(offset: number): Promise<boolean> {
    const kept = this.options.reread === undefined ? this.windowBytes : this.last.length
    if (offset <= this.taken && offset >= this.taken - kept) {
      this.position = offset
      return true
    }
    const { reread } = this.options
    if (offset < this.taken || (reread !== undefined && this.hash === undefined)) {
      if (reread === undefined) return false
      this.restart(reread, offset)
      return true
    }
    this.position = this.taken
    while (this.position < offset) {
      if ((await this.next(offset - this.position)) !== undefined) continue
      if (this.failed !== undefined) throw this.failed.error
      return false
    }
    return true
  }

  /** Up to `limit` of the next bytes, valid until the next call; undefined at the end and after a failure, which `failure` then holds. */
  async next(limit = Infinity): Promise<Uint8Array | undefined> {
    const chunk = this.position < this.taken ? this.kept() : await this.take()
    if (chunk === undefined) return undefined
    const part = chunk.length > limit ? chunk.subarray(0, limit) : chunk
    this.position += part.length
    return part
  }

  /** Frees the source. One that does not answer is left to itself. */
  async close(): Promise<void> {
    if (this.hasEnded) return
    const left = Promise.resolve(this.iterator.return?.()).catch(() => {})
    await Promise.race([left, new Promise((resolve) => setTimeout(resolve, 100))])
  }

  private restart(reread: (offset: number) => AsyncIterable<Uint8Array>, offset: number): void {
    void this.close()
    this.iterator = reread(offset)[Symbol.asyncIterator]()
    this.last = new Uint8Array(0)
    this.taken = offset
    this.position = offset
    this.hasEnded = false
  }

  private kept(): Uint8Array | undefined {
    const lastStart = this.taken - this.last.length
    if (this.position >= lastStart) return this.last.subarray(this.position - lastStart)
    let start = this.taken - this.windowBytes
    for (const chunk of this.window) {
      if (this.position < start + chunk.length) return chunk.subarray(this.position - start)
      start += chunk.length
    }
    return undefined
  }

  private async take(): Promise<Uint8Array | undefined> {
    if (this.hasEnded || this.failed !== undefined) return undefined
    // Its memory goes with the next one.
    this.last = new Uint8Array(0)
    try {
      const { value, done } = await this.unlessAborted(() => this.iterator.next())
      this.hasEnded = done === true
      if (done === true) return undefined
      this.keep(value)
      return value
    } catch (error) {
      this.failed = { error }
      return undefined
    }
  }

  private keep(chunk: Uint8Array): void {
    const end = this.taken + chunk.length
    if (end > this.reached) {
      this.hash?.update(chunk.subarray(Math.max(0, this.reached - this.taken)))
      this.reached = end
    }
    this.taken = end
    this.last = chunk
    if (this.options.reread !== undefined || chunk.length === 0) return
    // A copy: slice() of a Buffer would be a view of memory that is freed.
    this.window.push(new Uint8Array(chunk))
    this.windowBytes += chunk.length
    while (this.windowBytes - this.window[0]!.length >= this.options.windowBytes) {
      const oldest = this.window.shift()!
      this.windowBytes -= oldest.length
      // Waiting for the collector, a push would take 50 MB more.
      freeChunk(oldest)
    }
  }

  private async unlessAborted<T>(start: () => Promise<T>): Promise<T> {
    const { signal } = this.options
    if (signal === undefined) return start()
    if (signal.aborted) throw signal.reason
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error)
      signal.addEventListener('abort', abort, { once: true })
      start().then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
    })
  }
}

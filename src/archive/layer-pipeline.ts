/**
 * One pass over a layer blob: digest of the blob, decompression, digest of the tar, parsing, checksum of each file,
 * tar-split, files. Decompression and tar-split's gzip run on the runtime's pool; all else on the calling thread.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import type { Transform } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { Gzip } from 'node:zlib'
import { TpodError, errorCode, errorMessage } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { toDisplay } from './byte-string.ts'
import { checkExpansion, openDecompressor } from './compression.ts'
import { cleanMemberPath } from './member-path.ts'
import { PathSet } from './path-set.ts'
import type { TarEntry } from './tar-entry.ts'
import { TarReader } from './tar-reader.ts'
import type { TarHandler } from './tar-reader.ts'
import { TarSplitFormatter } from './tar-split.ts'
import type { CompressionName, StagedContent } from './types.ts'
import { Unpacker } from './unpacker.ts'
import type { UnpackOptions } from './unpacker.ts'

/** Large enough that few calls cross to the pool, small enough for the cache. */
const decompressedChunkBytes = 128 * 1024
/** Above this much unwritten tar-split text, decompression waits. */
const tarSplitBacklogBytes = 1024 * 1024
const tarSplitBatchBytes = 64 * 1024

export interface PipelineOptions extends UnpackOptions {
  compression: CompressionName
  /** Open for writing; stays the caller's. */
  tarSplitFd: number
}

/** Runs in the confined thread. `write` in order, each awaited; then `finish`, or `abandon` after any failure. */
export class LayerPipeline implements TarHandler {
  private readonly options: PipelineOptions
  private readonly blobHash: Hash = createHash('sha256')
  private readonly tarHash: Hash = createHash('sha256')
  private blobBytes = 0
  private tarBytes = 0
  private readonly reader = new TarReader(this)
  private readonly unpacker: Unpacker
  private readonly formatter = new TarSplitFormatter()
  private readonly gzip: Gzip
  private decompressor: Transform | undefined
  private failure: Error | undefined
  private wake: (() => void) | undefined
  private current: TarEntry | undefined
  private readonly crc = Buffer.alloc(8)
  private readonly paths = new PathSet()

  constructor(options: PipelineOptions) {
    this.options = options
    this.unpacker = new Unpacker(options)
    // Level 1 as containers/storage: written once, read rarely.
    this.gzip = createGzip({ level: 1 })
    this.gzip.on('data', (chunk: Buffer) => this.guard(() => writeAll(options.tarSplitFd, chunk)))
    this.gzip.on('drain', () => this.decompressor?.resume())
    this.gzip.on('error', (error) => this.fail(error))
  }

  async start(): Promise<void> {
    if (this.options.compression === 'none') return
    this.decompressor = await openDecompressor(this.options.compression, decompressedChunkBytes)
    this.decompressor.on('data', (chunk: Buffer) => this.guard(() => this.takeTar(chunk)))
    this.decompressor.on('error', (error) => this.fail(describeDecompression(error, this.options.compression)))
  }

  /** Resolves when the chunk's memory may be used again. */
  async write(chunk: Buffer): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.blobHash.update(chunk)
    this.blobBytes += chunk.length
    const { decompressor } = this
    if (decompressor === undefined) {
      this.guard(() => this.takeTar(chunk))
      if (this.gzip.writableLength > tarSplitBacklogBytes) await this.waitFor((done) => this.gzip.once('drain', done))
    } else {
      await this.waitFor((done) => decompressor.write(chunk, done))
    }
    if (this.failure !== undefined) throw this.failure
  }

  async finish(): Promise<StagedContent> {
    const { decompressor } = this
    if (decompressor !== undefined) {
      await this.waitFor((done) => {
        decompressor.once('end', done)
        decompressor.end()
      })
    }
    if (this.failure !== undefined) throw this.failure
    if (this.tarBytes === 0 && this.blobBytes > 0) {
      throw new TpodError('ARCHIVE_TRUNCATED', `decompress ${this.options.compression}: the data ends early`)
    }
    this.reader.finish()
    this.unpacker.finish()
    await this.waitFor((done) => {
      this.gzip.once('end', done)
      this.gzip.end(this.formatter.takeLines(true))
    })
    if (this.failure !== undefined) throw this.failure
    return {
      diffId: `sha256:${this.tarHash.digest('hex')}`,
      diffSizeBytes: this.tarBytes,
      blobDigest: `sha256:${this.blobHash.digest('hex')}`,
      blobSizeBytes: this.blobBytes,
      compression: this.options.compression,
      ...this.unpacker.owners,
    }
  }

  /** Frees what a failed or aborted run holds. Idempotent. */
  abandon(): void {
    this.fail(new Error('abandoned'))
    this.unpacker.abandon()
  }

  raw(bytes: Buffer): void {
    this.formatter.addRaw(bytes)
  }

  entry(entry: TarEntry): void {
    // Go's tar-split, which reads what we write, refuses a path that occurs twice; a file would be lost on export.
    const path = cleanMemberPath(entry.name)
    if (!this.paths.add(path) && this.unpacker.isThere(path)) {
      throw new TpodError('ARCHIVE_DUPLICATE', `unpack ${toDisplay(entry.name)}: the archive holds this path twice`, {
        remedy: 'rebuild the image; podman and docker refuse such a layer too',
      })
    }
    this.current = entry
    this.crc.fill(0)
    // The pieces of a sparse file go among the raw bytes: its unpacked content is not what the archive holds.
    if (entry.sparse !== undefined) this.formatter.addFile(entry.name, 0, undefined)
    this.unpacker.begin(entry)
  }

  content(bytes: Buffer): void {
    if (this.current?.sparse === undefined) native.crc64Iso(this.crc, bytes)
    else this.formatter.addRaw(bytes)
    this.unpacker.write(bytes)
  }

  entryEnd(): void {
    const entry = this.current
    this.unpacker.end()
    if (entry === undefined || entry.sparse !== undefined) return
    this.formatter.addFile(entry.name, entry.sizeBytes, entry.sizeBytes > 0 ? this.crc : undefined)
  }

  private takeTar(chunk: Buffer): void {
    this.tarBytes += chunk.length
    checkExpansion(this.blobBytes, this.tarBytes)
    this.tarHash.update(chunk)
    this.reader.push(chunk)
    if (this.formatter.pendingLength < tarSplitBatchBytes) return
    this.gzip.write(this.formatter.takeLines(false))
    if (this.gzip.writableLength > tarSplitBacklogBytes) this.decompressor?.pause()
  }

  /** Stream callbacks must not throw: the first failure is kept and ends every wait. */
  private guard(action: () => void): void {
    if (this.failure !== undefined) return
    try {
      action()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  private fail(error: Error): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.wake?.()
    this.decompressor?.destroy()
    this.gzip.destroy()
  }

  /** Waits for an event of a stream or for the first failure. */
  private waitFor(subscribe: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve
      if (this.failure === undefined) subscribe(resolve)
      else resolve()
    })
  }
}

function writeAll(fd: number, chunk: Buffer): void {
  let offset = 0
  while (offset < chunk.length) offset += writeSync(fd, chunk, offset, chunk.length - offset)
}

function describeDecompression(error: Error, compression: CompressionName): TpodError {
  const isShort = errorCode(error) === 'Z_BUF_ERROR'
  const why = isShort ? 'the data ends early' : errorMessage(error)
  return new TpodError(isShort ? 'ARCHIVE_TRUNCATED' : 'ARCHIVE_INVALID', `decompress ${compression}: ${why}`, {
    cause: error,
    remedy: 'fetch the image again',
  })
}

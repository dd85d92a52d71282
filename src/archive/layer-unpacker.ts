/** One pass over a layer's tar, all of it on the calling thread: digest, parsing, checksums, tar-split lines, files. */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { TpodError } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { toDisplay } from './byte-string.ts'
import { cleanMemberPath } from './member-path.ts'
import { PathSet } from './path-set.ts'
import type { TarEntry } from './tar-entry.ts'
import { TarReader } from './tar-reader.ts'
import type { TarHandler } from './tar-reader.ts'
import { TarSplitFormatter } from './tar-split.ts'
import type { StagedContent } from './types.ts'
import { Unpacker } from './unpacker.ts'
import type { UnpackOptions } from './unpacker.ts'

export type UnpackedTar = Pick<StagedContent, 'diffId' | 'diffSizeBytes' | 'uids' | 'gids'>

/** `push` in order, then `finish`; `abandon` after any failure. All throw TpodError. */
export class LayerUnpacker implements TarHandler {
  private readonly hash: Hash = createHash('sha256')
  private sizeBytes = 0
  private readonly reader = new TarReader(this)
  private readonly unpacker: Unpacker
  private readonly formatter = new TarSplitFormatter()
  private current: TarEntry | undefined
  private readonly crc = Buffer.alloc(8)
  private readonly paths = new PathSet()

  private readonly tarSplitFd: number

  /** `tarSplitFd`: a new file open for writing; stays the caller's. */
  constructor(options: UnpackOptions, tarSplitFd: number) {
    this.unpacker = new Unpacker(options)
    this.tarSplitFd = tarSplitFd
  }

  push(chunk: Buffer): void {
    this.sizeBytes += chunk.length
    this.hash.update(chunk)
    this.reader.push(chunk)
    if (this.formatter.pendingBytes >= tarSplitBatchBytes) this.writeTarSplit()
  }

  finish(): UnpackedTar {
    this.reader.finish()
    this.unpacker.finish()
    this.formatter.flush()
    this.writeTarSplit()
    return { diffId: `sha256:${this.hash.digest('hex')}`, diffSizeBytes: this.sizeBytes, ...this.unpacker.owners }
  }

  /** Closes what a failed or aborted run holds open. Idempotent. */
  abandon(): void {
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

  /**
   * The lines so far become one gzip member: a stream of the runtime would compress on its thread pool (see worker.ts).
   * Level 1 as containers/storage: written once, read rarely.
   */
  private writeTarSplit(): void {
    const packed = gzipSync(this.formatter.takeLines(), { level: 1 })
    for (let offset = 0; offset < packed.length; ) offset += writeSync(this.tarSplitFd, packed, offset)
  }
}

const tarSplitBatchBytes = 192 * 1024

/**
 * Push parser for tar streams: ustar, GNU and pax with their extensions. It keeps at most one block and one extension
 * record; content goes straight through. The raw bytes around contents are reported too, since tar-split records them.
 */
import { TpodError } from '../errors/tpod-error.ts'
import type { ByteString } from './byte-string.ts'
import { buildEntry, isContentless } from './build-entry.ts'
import type { BuiltEntry } from './build-entry.ts'
import { parsePaxRecords } from './pax.ts'
import type { PaxRecords } from './pax.ts'
import { SparseTextMap, checkSparseRuns, oldGnuRuns } from './sparse-map.ts'
import { tarLimits } from './tar-entry.ts'
import type { SparseRun, TarEntry } from './tar-entry.ts'
import { blockBytes, invalidArchive, isZeroBlock, parseTarHeader } from './tar-header.ts'
import type { TarHeader } from './tar-header.ts'

/** Calls come in archive order; buffers are views of the pushed chunk, valid during the call only. */
export interface TarHandler {
  /** Bytes that are no file content: headers, extension records, sparse maps, padding, trailer. */
  raw(bytes: Buffer): void
  /** A member begins. Its headers have all been reported as raw. */
  entry(entry: TarEntry): void
  /** Stored content of the member; for a sparse file its pieces, without the holes. */
  content(bytes: Buffer): void
  /** The member's content is complete; its padding follows as raw. */
  entryEnd(): void
}

type State = 'header' | 'extension' | 'sparseBlock' | 'sparseText' | 'content' | 'padding' | 'zeroBlock' | 'trailer'

/**
 * Feed with `push`, close with `finish`. Both throw TpodError: ARCHIVE_INVALID, ARCHIVE_LIMIT, ARCHIVE_UNSUPPORTED,
 * ARCHIVE_TRUNCATED (finish only); the reader is unusable afterwards.
 *
 * Global pax headers are checked and not applied, as in every Go tool that reads images: applying them would unpack
 * another tree than podman and docker do from the same digest.
 */
export class TarReader {
  private readonly handler: TarHandler
  private state: State = 'header'
  /** Bytes still to come in an extension, content or padding. */
  private remaining = 0
  private paddingAfter = 0
  private readonly block = Buffer.allocUnsafe(blockBytes)
  private blockFill = 0
  private extension: Buffer = Buffer.alloc(0)
  private extensionFlag = ''
  private extensionBytes = 0
  private pax: PaxRecords | undefined
  private longName: ByteString | undefined
  private longLink: ByteString | undefined
  private built: BuiltEntry | undefined
  private sparseText: SparseTextMap | undefined
  private entryCount = 0

  constructor(handler: TarHandler) {
    this.handler = handler
  }

  push(chunk: Buffer): void {
    let position = 0
    while (position < chunk.length) position = this.step(chunk, position)
  }

  /**
   * For who can seek: the bytes of the current member's content that need not be pushed. The next push is what follows
   * them; `content` is not called for them.
   */
  skipContent(): number {
    if (this.state !== 'content') return 0
    const skipped = this.remaining
    this.endEntry()
    return skipped
  }

  /** True once the end mark was seen: nothing that follows is looked at. */
  get isAtEnd(): boolean {
    return this.state === 'trailer'
  }

  /** The input ended. A missing trailer or final padding is accepted, as by other readers. */
  finish(): void {
    if (this.state === 'trailer' || this.state === 'zeroBlock') return
    const isBetweenMembers = this.state === 'padding' || (this.state === 'header' && this.blockFill === 0)
    if (isBetweenMembers && this.extensionBytes === 0) return
    const where = this.built === undefined ? 'in a header' : `in ${JSON.stringify(this.built.entry.name)}`
    throw new TpodError('ARCHIVE_TRUNCATED', `read the tar archive: it ends ${where}`, {
      remedy: 'fetch or build the archive again',
    })
  }

  private step(chunk: Buffer, position: number): number {
    switch (this.state) {
      case 'content':
      case 'padding':
      case 'extension':
        return this.stepRun(chunk, position)
      case 'trailer':
        this.handler.raw(chunk.subarray(position))
        return chunk.length
      default:
        return this.stepBlock(chunk, position)
    }
  }

  private stepRun(chunk: Buffer, position: number): number {
    const end = Math.min(chunk.length, position + this.remaining)
    const part = chunk.subarray(position, end)
    this.remaining -= part.length
    if (this.state === 'content') {
      this.handler.content(part)
      if (this.remaining === 0) this.endEntry()
      return end
    }
    this.handler.raw(part)
    if (this.state === 'extension') {
      part.copy(this.extension, this.extension.length - this.remaining - part.length)
      if (this.remaining === 0) this.endExtension()
    } else if (this.remaining === 0) {
      this.state = 'header'
    }
    return end
  }

  /** States that need a whole block: a view of the chunk where possible, else gathered in `this.block`. */
  private stepBlock(chunk: Buffer, position: number): number {
    if (this.blockFill === 0 && chunk.length - position >= blockBytes) {
      const block = chunk.subarray(position, position + blockBytes)
      this.handler.raw(block)
      this.takeBlock(block)
      return position + blockBytes
    }
    const end = Math.min(chunk.length, position + blockBytes - this.blockFill)
    chunk.copy(this.block, this.blockFill, position, end)
    this.handler.raw(chunk.subarray(position, end))
    this.blockFill += end - position
    if (this.blockFill === blockBytes) {
      this.blockFill = 0
      this.takeBlock(this.block)
    }
    return end
  }

  private takeBlock(block: Buffer): void {
    if (this.state === 'header') {
      if (block[0] === 0 && isZeroBlock(block)) this.state = 'zeroBlock'
      else this.takeHeader(block)
    } else if (this.state === 'zeroBlock') {
      if (!isZeroBlock(block)) throw invalidArchive('a member follows the end mark')
      this.state = 'trailer'
    } else if (this.state === 'sparseBlock') {
      this.takeSparseBlock(block)
    } else {
      this.takeSparseText(block)
    }
  }

  private takeHeader(block: Buffer): void {
    const header = parseTarHeader(block)
    if ('xgLK'.includes(header.typeFlag)) {
      this.beginExtension(header)
      return
    }
    if (++this.entryCount > tarLimits.entries) throw limitError(`it has more than ${tarLimits.entries} members`)
    const extensions = { pax: this.pax, longName: this.longName, longLink: this.longLink }
    const built = buildEntry(header, block, extensions)
    this.built = built
    this.pax = undefined
    this.longName = undefined
    this.longLink = undefined
    this.extensionBytes = 0
    this.remaining = isContentless(built.entry.kind) ? 0 : built.storedBytes
    this.paddingAfter = paddingFor(this.remaining)
    if (built.sparse === 'blocks') this.state = 'sparseBlock'
    else if (built.sparse === 'text') this.beginSparseText()
    else this.beginContent(built.runs)
  }

  private beginExtension(header: TarHeader): void {
    if (header.sizeBytes < 0 || header.sizeBytes > tarLimits.extensionBytes) {
      throw limitError(`an extension record has ${header.sizeBytes} bytes, more than ${tarLimits.extensionBytes}`)
    }
    this.extensionBytes += header.sizeBytes + blockBytes
    if (this.extensionBytes > tarLimits.extensionBytesPerEntry) throw limitError('a member has too many extension records')
    this.extensionFlag = header.typeFlag
    this.extension = Buffer.allocUnsafe(header.sizeBytes)
    this.remaining = header.sizeBytes
    this.paddingAfter = paddingFor(header.sizeBytes)
    this.built = undefined
    if (this.remaining === 0) this.endExtension()
    else this.state = 'extension'
  }

  private endExtension(): void {
    const data = this.extension
    const nul = data.indexOf(0)
    if (this.extensionFlag === 'x') this.pax = parsePaxRecords(data)
    else if (this.extensionFlag === 'g') parsePaxRecords(data)
    else if (this.extensionFlag === 'L') this.longName = data.toString('latin1', 0, nul === -1 ? data.length : nul)
    else this.longLink = data.toString('latin1', 0, nul === -1 ? data.length : nul)
    if (this.extensionFlag === 'g') this.extensionBytes = 0
    this.extension = Buffer.alloc(0)
    this.beginPadding()
  }

  private takeSparseBlock(block: Buffer): void {
    const runs = this.currentEntry().runs ?? []
    runs.push(...oldGnuRuns(block, 0, 21))
    if (runs.length * 24 > tarLimits.sparseMapBytes) throw limitError('a sparse map is too long')
    if (block[504] === 0) this.beginContent(runs)
  }

  private beginSparseText(): void {
    this.sparseText = new SparseTextMap()
    if (this.remaining < blockBytes) throw invalidArchive('a sparse file has no map')
    this.state = 'sparseText'
  }

  private takeSparseText(block: Buffer): void {
    this.remaining -= blockBytes
    const runs = this.sparseText?.addBlock(block)
    if (runs !== undefined) this.beginContent(runs)
    else if (this.remaining < blockBytes) throw invalidArchive('the map of a sparse file is cut short')
  }

  private beginContent(runs: SparseRun[] | undefined): void {
    const { entry } = this.currentEntry()
    if (runs !== undefined) {
      checkSparseRuns(runs, entry.sizeBytes, this.remaining)
      entry.sparse = runs
    }
    this.handler.entry(entry)
    if (this.remaining === 0) this.endEntry()
    else this.state = 'content'
  }

  private endEntry(): void {
    this.handler.entryEnd()
    this.built = undefined
    this.beginPadding()
  }

  private beginPadding(): void {
    this.remaining = this.paddingAfter
    this.state = this.remaining === 0 ? 'header' : 'padding'
  }

  private currentEntry(): BuiltEntry {
    if (this.built === undefined) throw new Error('no current tar entry')
    return this.built
  }
}

function paddingFor(sizeBytes: number): number {
  const over = sizeBytes % blockBytes
  return over === 0 ? 0 : blockBytes - over
}

function limitError(why: string): TpodError {
  return new TpodError('ARCHIVE_LIMIT', `read the tar archive: ${why}`, {
    remedy: 'no usual tool writes such an archive: do not trust its origin',
  })
}

/** An archive being written: to a file that appears whole at the end, or straight into a pipe. */
import { closeSync, constants, existsSync, fchmodSync, fdatasync, ftruncateSync, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { formatMemberHeader } from '../../archive/tar-write.ts'
import type { TarMember } from '../../archive/tar-write.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { followOwnLinks } from '../../host/fs/own-link.ts'
import { createTemporaryFile, sweepTemporaryFiles } from '../../host/fs/temporary.ts'
import { describeErrno } from './file-set.ts'
import { descriptorTarget, PieceWriter } from '../../archive/piece-writer.ts'
import type { PieceTarget } from '../../archive/piece-writer.ts'
import { explainWrite, spoolToFile } from './spool-file.ts'
import { readFileRange } from './read-file-range.ts'

const syncData = promisify(fdatasync)
const blockBytes = 512

export interface StreamedMember {
  sizeBytes: number
  /** False: it turned out not to be wanted, and was taken back. */
  isKept: boolean
}

/** What becomes of a member once its content is known: its name, or undefined to take it back. */
export type NameMember = (sizeBytes: number) => string | undefined

type OutputTarget =
  /** Renamed at the end. */
  | { kind: 'file'; path: string; fd: number; temporary: string }
  /** A pipe, a device, standard output. */
  | { kind: 'stream'; path: string; fd: number }
  | { kind: 'sink'; sink: PieceTarget }

export class TarOutput {
  readonly #target: OutputTarget
  readonly #temporaryDirectory: string | undefined
  #writer: PieceWriter
  #end = 0
  #isClosed = false

  private constructor(target: OutputTarget, temporaryDirectory: string | undefined) {
    this.#target = target
    this.#temporaryDirectory = temporaryDirectory
    this.#writer = writerAt(target, 0)
  }

  /** Throws NO_SUCH_IMAGE_PATH where the file can't be made. A regular file at `path` stays until `finish`. */
  static open(path: string, temporaryDirectory?: string): TarOutput {
    return new TarOutput(openTarget(path), temporaryDirectory)
  }

  /** The archive goes to `sink` as it is made. */
  static toSink(sink: PieceTarget, temporaryDirectory?: string): TarOutput {
    return new TarOutput({ kind: 'sink', sink }, temporaryDirectory)
  }

  async addBytes(name: string, content: Uint8Array): Promise<void> {
    await this.#add({ kind: 'file', name, mode: 0o444, sizeBytes: content.length })
    await this.#write(content)
    await this.#pad(content.length)
  }

  async addSymlink(name: string, target: string): Promise<void> {
    await this.#add({ kind: 'symlink', name, linkName: target, mode: 0 })
  }

  /** Content of known length. Throws DIGEST_MISMATCH when it has another. */
  async addStream(name: string, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#add({ kind: 'file', name, mode: 0o444, sizeBytes })
    const before = this.#end
    for await (const chunk of content) {
      if (this.#end + chunk.length > before + sizeBytes) throw wrongLength(name, sizeBytes)
      await this.#write(chunk)
    }
    if (this.#end !== before + sizeBytes) throw wrongLength(name, sizeBytes)
    await this.#pad(sizeBytes)
  }

  /**
   * Content whose length, and with that its name, is known only at its end: in a file the header is written then; for a
   * pipe the content waits in a temporary file. Names have up to 100 characters.
   */
  async addUnsized(content: AsyncIterable<Uint8Array>, nameOf: NameMember): Promise<StreamedMember> {
    const target = this.#target
    if (target.kind !== 'file') return this.#addSpooled(content, nameOf)
    const start = this.#end
    await this.#write(Buffer.alloc(blockBytes))
    for await (const chunk of content) await this.#write(chunk)
    await this.#guard(() => this.#writer.end())
    const sizeBytes = this.#end - start - blockBytes
    const name = nameOf(sizeBytes)
    const header = name === undefined ? undefined : formatMemberHeader({ kind: 'file', name, mode: 0o444 }, sizeBytes)
    if (header?.length === blockBytes) {
      writeSync(target.fd, header, 0, header.length, start)
      await this.#pad(sizeBytes)
      return { sizeBytes, isKept: true }
    }
    // More than 8 GiB need a header of several blocks, for which no place was kept.
    if (name !== undefined && header !== undefined) return this.#moveContent(target.fd, name, start, sizeBytes)
    this.#rewind(target.fd, start)
    return { sizeBytes, isKept: false }
  }

  /** Ends the archive. It appears at its path now, on the disk whole. */
  async finish(): Promise<void> {
    await this.#write(Buffer.alloc(2 * blockBytes))
    await this.#guard(() => this.#writer.end())
    const target = this.#target
    if (target.kind === 'file') {
      fchmodSync(target.fd, 0o666 & ~process.umask())
      await this.#guard(() => syncData(target.fd))
      renameSync(target.temporary, target.path)
    }
    this.#isClosed = true
    closeTarget(target)
  }

  /** Idempotent; without `finish` nothing stays of a file. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writer.abandon()
    closeTarget(this.#target)
    if (this.#target.kind === 'file') unlinkSync(this.#target.temporary)
  }

  async #addSpooled(content: AsyncIterable<Uint8Array>, nameOf: NameMember): Promise<StreamedMember> {
    const { fd, sizeBytes } = await spoolToFile(content, this.#temporaryDirectory)
    try {
      const name = nameOf(sizeBytes)
      if (name !== undefined) await this.addStream(name, sizeBytes, readFileRange(fd, 0, sizeBytes))
      return { sizeBytes, isKept: name !== undefined }
    } finally {
      closeSync(fd)
    }
  }

  async #moveContent(own: number, name: string, start: number, sizeBytes: number): Promise<StreamedMember> {
    const { fd } = await spoolToFile(readFileRange(own, start + blockBytes, sizeBytes), this.#temporaryDirectory)
    try {
      this.#rewind(own, start)
      await this.addStream(name, sizeBytes, readFileRange(fd, 0, sizeBytes))
      return { sizeBytes, isKept: true }
    } finally {
      closeSync(fd)
    }
  }

  #rewind(fd: number, position: number): void {
    ftruncateSync(fd, position)
    this.#end = position
    this.#writer = writerAt(this.#target, position)
  }

  async #add(member: TarMember): Promise<void> {
    await this.#write(formatMemberHeader(member, member.sizeBytes ?? 0))
  }

  async #pad(sizeBytes: number): Promise<void> {
    const over = sizeBytes % blockBytes
    if (over !== 0) await this.#write(Buffer.alloc(blockBytes - over))
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed) throw new Error('a closed archive was written to')
    this.#end += bytes.length
    await this.#guard(() => this.#writer.write(bytes))
  }

  async #guard(act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      throw explainWrite(error, this.#target.kind === 'sink' ? 'the archive' : this.#target.path)
    }
  }
}

function openTarget(path: string): OutputTarget {
  if (path === '/dev/stdout') return { kind: 'stream', path, fd: 1 }
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? true
  try {
    // What these lead to is the caller's, and may be a file he goes on writing to.
    if (!isFile || /^\/(?:dev|proc)\//.test(path)) return { kind: 'stream', path, fd: openSync(path, constants.O_WRONLY) }
    // A link stays one: what it leads to is replaced.
    const place = existsSync(path) ? followOwnLinks(path) : path
    sweepTemporaryFiles(dirname(place))
    const { fd, path: temporary } = createTemporaryFile(dirname(place), 'archive', 0o600)
    return { kind: 'file', path: place, temporary, fd }
  } catch (cause) {
    if (cause instanceof TpodError) throw cause
    throw new TpodError('NO_SUCH_IMAGE_PATH', `create ${path}: ${describeErrno(cause)}`, { cause })
  }
}

function writerAt(target: OutputTarget, position: number): PieceWriter {
  if (target.kind === 'sink') return new PieceWriter(target.sink)
  return new PieceWriter(descriptorTarget(target.fd, target.kind === 'file' ? position : undefined))
}

/** Standard output is not ours to close. */
function closeTarget(target: OutputTarget): void {
  if (target.kind !== 'sink' && target.fd > 2) closeSync(target.fd)
}

/** True for a regular file that has bytes: what may not be overwritten by tools that only add. */
export function hasContent(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats !== undefined && stats.isFile() && stats.size > 0
}

function wrongLength(name: string, sizeBytes: number): TpodError {
  return new TpodError('DIGEST_MISMATCH', `write ${name} to the archive: its content has not the ${sizeBytes} bytes that were announced`)
}


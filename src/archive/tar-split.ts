/**
 * tar-split: a layer's tar without its file contents, as gzip'd JSON lines beside the layer, from which (with the
 * files on disk) any containers/storage tool rebuilds the tar byte for byte. Format: github.com/vbatts/tar-split.
 */
import { TpodError, errorMessage } from '../errors/tpod-error.ts'
import { toText } from './byte-string.ts'
import type { ByteString } from './byte-string.ts'

export type TarSplitEntry =
  | { kind: 'raw'; bytes: Buffer }
  /** Content of diff/NAME goes here; `crc64` is 8 bytes, absent when there is no content. */
  | { kind: 'file'; name: ByteString; sizeBytes: number; crc64: Buffer | undefined }

/** Formats entries as JSON lines. Raw bytes gather until a file entry or `takeLines` with `isLast`. */
export class TarSplitFormatter {
  private raw = Buffer.allocUnsafe(4096)
  private rawLength = 0
  private position = 0
  private lines = ''

  /** Copies `bytes`. */
  addRaw(bytes: Buffer): void {
    // Trailing bytes may be many: entries of bounded length keep memory flat, here and in every reader.
    if (this.rawLength > 0 && this.rawLength + bytes.length > maximumRawBytes) this.flushRaw()
    if (this.rawLength + bytes.length > this.raw.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.raw.length * 2, this.rawLength + bytes.length))
      this.raw.copy(larger, 0, 0, this.rawLength)
      this.raw = larger
    }
    bytes.copy(this.raw, this.rawLength)
    this.rawLength += bytes.length
  }

  /** `crc64` undefined means the member has no content on disk. */
  addFile(name: ByteString, sizeBytes: number, crc64: Buffer | undefined): void {
    this.flushRaw()
    const text = toText(name)
    const named = text === undefined
      ? `"name_raw":"${Buffer.from(name, 'latin1').toString('base64')}"`
      : `"name":${JSON.stringify(text)}`
    const content = crc64 === undefined ? '"payload":null' : `"size":${sizeBytes},"payload":"${crc64.toString('base64')}"`
    this.lines += `{"type":1,${named},${content},"position":${this.position++}}\n`
  }

  get pendingLength(): number {
    return this.lines.length
  }

  /** The lines formatted since the last call. */
  takeLines(isLast: boolean): string {
    if (isLast) this.flushRaw()
    const { lines } = this
    this.lines = ''
    return lines
  }

  private flushRaw(): void {
    if (this.rawLength === 0) return
    const payload = this.raw.toString('base64', 0, this.rawLength)
    this.rawLength = 0
    this.lines += `{"type":2,"payload":"${payload}","position":${this.position++}}\n`
  }
}

const maximumRawBytes = 1024 * 1024

/**
 * Reads a tar-split file's entries in order. Throws TAR_SPLIT_INVALID naming the file; memory stays at one line and
 * one buffer.
 */
export async function* readTarSplit(path: string): AsyncGenerator<TarSplitEntry, void, undefined> {
  const { createReadStream } = await import('node:fs')
  const { createGunzip } = await import('node:zlib')
  const file = createReadStream(path, { highWaterMark: 64 * 1024 })
  const gunzip = createGunzip({ chunkSize: 64 * 1024 })
  file.on('error', (error) => gunzip.destroy(error))
  file.pipe(gunzip)
  try {
    let rest = ''
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      // Cut at newlines on bytes: a chunk may end inside a character.
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') yield parseLine(line)
    }
    if (rest.trim() !== '') yield parseLine(rest)
  } catch (error) {
    if (error instanceof TpodError) throw error
    throw new TpodError('TAR_SPLIT_INVALID', `read ${path}: ${errorMessage(error)}`, {
      cause: error,
      remedy: 'the layer can no longer be exported byte for byte: pull its image again',
    })
  } finally {
    file.destroy()
    gunzip.destroy()
  }
}

interface TarSplitLine {
  type: number
  name?: string
  name_raw?: string
  size?: number
  payload?: string | null
}

function parseLine(latin1: string): TarSplitEntry {
  const line = JSON.parse(Buffer.from(latin1, 'latin1').toString('utf8')) as TarSplitLine
  const payload = Buffer.from(line.payload ?? '', 'base64')
  if (line.type === 2) return { kind: 'raw', bytes: payload }
  if (line.type !== 1) throw new Error(`unknown entry type ${line.type}`)
  const nameBytes = line.name_raw ? Buffer.from(line.name_raw, 'base64') : Buffer.from(line.name ?? '', 'utf8')
  const sizeBytes = line.size ?? 0
  return { kind: 'file', name: nameBytes.toString('latin1'), sizeBytes, crc64: sizeBytes > 0 ? payload : undefined }
}

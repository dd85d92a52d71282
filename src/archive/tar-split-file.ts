/** The gzip'd file of a layer's tar-split lines, written while the layer is unpacked. */
import { createWriteStream } from 'node:fs'
import type { WriteStream } from 'node:fs'
import { createGzip } from 'node:zlib'
import type { Gzip } from 'node:zlib'

/** Above this much text on its way to the disk the unpacking waits. */
const backlogBytes = 1024 * 1024

export class TarSplitFile {
  // Level 1 as containers/storage: written once, read rarely.
  private readonly gzip: Gzip = createGzip({ level: 1 })
  private readonly file: WriteStream
  private readonly onFailure: (error: Error) => void
  private readonly closed: Promise<void>

  /** Creates `path`, which must not exist; failures, also of this, go to `onFailure`. */
  constructor(path: string, onFailure: (error: Error) => void) {
    this.onFailure = onFailure
    this.file = createWriteStream(path, { flags: 'wx', mode: 0o600 })
    this.closed = new Promise((resolve) => this.file.on('close', resolve))
    this.file.on('error', (error) => this.onFailure(error))
    this.gzip.on('error', (error) => this.onFailure(error))
    this.gzip.pipe(this.file)
  }

  write(lines: string): void {
    if (!this.gzip.destroyed) this.gzip.write(lines)
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    if (this.gzip.writableLength < backlogBytes || this.file.destroyed) return
    await new Promise<void>((resolve) => {
      this.gzip.once('drain', resolve)
      this.file.once('close', resolve)
    })
  }

  /** Resolves when all is in the file; not synced. */
  async finish(): Promise<void> {
    this.gzip.end()
    await this.closed
  }

  /** Closes what is open. Idempotent. */
  async abandon(): Promise<void> {
    this.gzip.destroy()
    this.file.destroy()
    await this.closed
  }
}

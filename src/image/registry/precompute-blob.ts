/** A blob whose digest must be known before it is sent: it waits in a temporary file. */
import { createHash } from 'node:crypto'
import { closeSync, read } from 'node:fs'
import { promisify } from 'node:util'
import { spoolToFile } from '../transports/spool-file.ts'

export interface PrecomputedBlob {
  digest: string
  sizeBytes: number
  /** From this byte on, as often as wanted. */
  read(offset: number): AsyncIterable<Uint8Array>
  /** The file is gone with it. */
  close(): void
}

const readAt = promisify(read)
const pieceBytes = 256 * 1024

/** Takes disk space for all of `bytes` in `directory`. Throws NO_SPACE, TEMPORARY_FILE, what `bytes` throws. */
export async function precomputeBlob(bytes: AsyncIterable<Uint8Array>, directory: string | undefined): Promise<PrecomputedBlob> {
  const hash = createHash('sha256')
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      hash.update(chunk)
      // Whoever spools may free what it is given, which is not ours.
      yield Buffer.from(chunk)
    }
  }
  const { fd, sizeBytes } = await spoolToFile(hashed(), directory)
  async function* from(offset: number): AsyncGenerator<Uint8Array> {
    const piece = Buffer.allocUnsafeSlow(pieceBytes)
    for (let at = offset; at < sizeBytes; ) {
      const { bytesRead } = await readAt(fd, piece, 0, pieceBytes, at)
      if (bytesRead === 0) return
      yield piece.subarray(0, bytesRead)
      at += bytesRead
    }
  }
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes, read: from, close: () => closeSync(fd) }
}

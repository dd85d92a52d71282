/** Sequential writing in big pieces: a layer read back from the store comes as many small chunks. */
import { write } from 'node:fs'

const pieceBytes = 1024 * 1024

/** Takes all of `piece`, which is not changed until the promise has settled. */
export type PieceTarget = (piece: Uint8Array) => Promise<void>

/**
 * Collects chunks and writes them, one write at work while the next piece is filled. Chunks are copied: they are the
 * caller's again once `write` has resolved. Not for several writers at once.
 */
export class PieceWriter {
  /** Bytes given to `write`. */
  written = 0
  readonly #target: PieceTarget
  #filling: Buffer = Buffer.allocUnsafeSlow(pieceBytes)
  #spare: Buffer | undefined = Buffer.allocUnsafeSlow(pieceBytes)
  #fill = 0
  #pending: Promise<void> | undefined

  constructor(target: PieceTarget) {
    this.#target = target
  }

  /** Throws the error of this write or of one before: after one, nothing more is written, as a piece would be missing. */
  async write(chunk: Uint8Array): Promise<void> {
    this.written += chunk.length
    for (let taken = 0; taken < chunk.length; ) {
      const count = Math.min(chunk.length - taken, pieceBytes - this.#fill)
      this.#filling.set(count === chunk.length ? chunk : chunk.subarray(taken, taken + count), this.#fill)
      this.#fill += count
      taken += count
      if (this.#fill === pieceBytes) await this.#flush()
    }
  }

  /** Resolves when all is written (not synced). More may be written afterwards. */
  async end(): Promise<void> {
    if (this.#fill > 0) await this.#flush()
    await this.#settle()
  }

  /**
   * Gives up: resolves when no write is at work any more, and never throws. Due before a descriptor is closed in a
   * failure: its number may be another file's a moment later, which the write would go into.
   */
  async abandon(): Promise<void> {
    this.#fill = 0
    await this.#pending?.catch(() => undefined)
  }

  async #settle(): Promise<void> {
    await this.#pending
    this.#pending = undefined
  }

  async #flush(): Promise<void> {
    await this.#settle()
    const piece = this.#filling
    const length = this.#fill
    this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(pieceBytes)
    this.#spare = undefined
    this.#fill = 0
    this.#pending = this.#target(piece.subarray(0, length)).then(() => void (this.#spare = piece))
    this.#pending.catch(() => undefined)
  }
}

/** Into a descriptor, one piece after the other; from `position`, or where it stands (a pipe). */
export function descriptorTarget(fd: number, position?: number): PieceTarget {
  let next = position
  return async (piece) => {
    for (let done = 0; done < piece.length; ) {
      const count = await writeSome(fd, piece, done, next ?? null)
      done += count
      if (next !== undefined) next += count
    }
  }
}

function writeSome(fd: number, bytes: Uint8Array, at: number, position: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, at, bytes.length - at, position, (error, count) => {
      if (error === null) resolve(count)
      // A pipe in non-blocking mode whose reader is slow.
      else if (error.code === 'EAGAIN') setTimeout(() => resolve(0), 2)
      else reject(error)
    })
  })
}

/** Bytes of an open file in big pieces, the next one being read while the last is used. */
import { closeSync, read, readSync } from 'node:fs'
import { TpodError, throwIfAborted } from '../../errors/tpod-error.ts'

export interface RangeOptions {
  /** Close the descriptor at the end, also an early one. */
  close?: boolean
  signal?: AbortSignal
}

/** Large enough that a turn of the event loop per piece doesn't count, small enough for memory to stay flat. */
const pieceBytes = 512 * 1024

/**
 * `length` bytes from `offset`. Each chunk owns its buffer: the consumer may free it. Throws FILE_SHRANK when the file
 * ends before, and the system error of read.
 */
export async function* readFileRange(fd: number, offset: number, length: number, { close, signal }: RangeOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  let ahead: Promise<Uint8Array> | undefined
  try {
    let position = offset
    const end = offset + Math.max(0, length)
    const next = (): Promise<Uint8Array> | undefined => {
      if (position >= end) return undefined
      const size = Math.min(pieceBytes, end - position)
      const piece = readPiece(fd, position, size)
      // Awaited a turn later: without this a failure in between would count as unhandled.
      piece.catch(() => undefined)
      position += size
      return piece
    }
    ahead = next()
    while (ahead !== undefined) {
      const chunk = await ahead
      throwIfAborted(signal)
      ahead = next()
      yield chunk
    }
  } finally {
    // The descriptor's number may be given to another file as soon as it is closed.
    await ahead?.catch(() => undefined)
    if (close === true) closeSync(fd)
  }
}

/** The file's bytes from `offset`. Throws TOO_LARGE when there are more than `maxBytes`, before anything is read. */
export function readWholeFile(fd: number, offset: number, length: number, maxBytes: number, what: string): Buffer {
  if (length > maxBytes) throw new TpodError('TOO_LARGE', `read ${what}: it has ${length} bytes, more than ${maxBytes}`)
  const bytes = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, offset + filled)
    if (count === 0) throw shrunk()
    filled += count
  }
  return bytes
}

async function readPiece(fd: number, position: number, size: number): Promise<Uint8Array> {
  // Slow: of its own, not from the runtime's pool.
  const buffer = Buffer.allocUnsafeSlow(size)
  let filled = 0
  while (filled < size) {
    const count = await readSome(fd, buffer, filled, size - filled, position + filled)
    if (count === 0) throw shrunk()
    filled += count
  }
  return buffer
}

function readSome(fd: number, buffer: Buffer, at: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, at, length, position, (error, count) => {
      if (error) reject(error)
      else resolve(count)
    })
  })
}

function shrunk(): TpodError {
  return new TpodError('FILE_SHRANK', 'read the file: it became shorter while it was read')
}

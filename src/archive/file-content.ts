/** Content of a file that is being unpacked, with its holes left as holes. */
import { writeSync } from 'node:fs'
import type { ByteString } from './byte-string.ts'
import type { SparseRun, TarEntry } from './tar-entry.ts'

export interface OpenFile {
  fd: number
  entry: TarEntry
  path: ByteString
  /** Where the next byte goes; -1 when bytes simply follow each other. */
  position: number
  runIndex: number
  runLeft: number
}

export function openedFile(fd: number, entry: TarEntry, path: ByteString): OpenFile {
  const firstRun = entry.sparse?.[0]
  return { fd, entry, path, position: firstRun?.offset ?? -1, runIndex: 0, runLeft: firstRun?.length ?? 0 }
}

/** Writes the next stored bytes where they belong. Throws the system's error. */
export function writeContent(file: OpenFile, bytes: Buffer): void {
  if (file.entry.sparse === undefined) writeFully(file.fd, bytes, null)
  else writeSparse(file, file.entry.sparse, bytes)
}

function writeFully(fd: number, bytes: Buffer, position: number | null): void {
  let offset = 0
  while (offset < bytes.length) {
    const at = position === null ? null : position + offset
    offset += writeSync(fd, bytes, offset, bytes.length - offset, at)
  }
}

function writeSparse(file: OpenFile, runs: readonly SparseRun[], bytes: Buffer): void {
  let offset = 0
  while (offset < bytes.length) {
    while (file.runLeft === 0) {
      const next = runs[++file.runIndex]
      if (next === undefined) return
      file.position = next.offset
      file.runLeft = next.length
    }
    const length = Math.min(bytes.length - offset, file.runLeft)
    writeFully(file.fd, bytes.subarray(offset, offset + length), file.position)
    offset += length
    file.position += length
    file.runLeft -= length
  }
}

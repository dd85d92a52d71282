/** Staging of archives made in the test, and a listing of what came out. */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { stageLayer } from '../../src/archive/stage-layer.ts'
import { formatMemberHeader, writeTar } from '../../src/archive/tar-write.ts'
import type { TarMember } from '../../src/archive/tar-write.ts'
import { readTarSplit } from './read-tar-split.ts'
import type { StageLayerOptions, StagedContent } from '../../src/archive/types.ts'

export interface Staged {
  content: StagedContent
  /** The unpacked tree. */
  directory: string
  tarSplitPath: string
}

/** Gives `use` a staged layer, removed afterwards; what stageLayer throws passes through. */
export async function withStaged<T>(
  blob: Uint8Array | AsyncIterable<Uint8Array>,
  use: (staged: Staged) => T | Promise<T>,
  options: Partial<StageLayerOptions> = {},
): Promise<T> {
  const base = mkdtempSync('/var/tmp/tpod-test-archive-')
  const directory = `${base}/diff`
  mkdirSync(directory)
  try {
    const source = blob instanceof Uint8Array ? inPieces(blob, 1000) : blob
    const tarSplitPath = `${base}/tar-split.gz`
    const content = await stageLayer(source, { directory, tarSplitPath, whiteouts: 'overlay-trusted', ...options })
    return await use({ content, directory, tarSplitPath })
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
}

/** A stream of odd pieces, so that headers and names get cut. */
export async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

export async function tarOf(...members: TarMember[]): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of writeTar(members)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** A header with fields changed as text at byte offsets, its checksum made right again. */
export function forgedHeader(member: TarMember, changes: Readonly<Record<number, string>>, sizeBytes = 0): Buffer {
  const header = formatMemberHeader(member, sizeBytes)
  for (const [offset, text] of Object.entries(changes)) header.write(text, Number(offset), 'latin1')
  return withChecksum(header)
}

export function withChecksum(header: Buffer): Buffer {
  header.fill(0x20, 148, 156)
  let sum = 0
  for (const byte of header.subarray(0, 512)) sum += byte
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

export const endOfArchive: Buffer = Buffer.alloc(1024)

/** `path kind mode uid:gid size` of all below a directory, sorted; symlinks with their target. */
export function listTree(directory: string, below = ''): string[] {
  const lines: string[] = []
  for (const name of readdirSync(`${directory}/${below}`).toSorted()) {
    const path = below === '' ? name : `${below}/${name}`
    const stats = lstatSync(`${directory}/${path}`)
    const mode = (stats.mode & 0o7777).toString(8)
    if (stats.isDirectory()) lines.push(`${path}/ ${mode} ${stats.uid}:${stats.gid}`, ...listTree(directory, path))
    else if (stats.isSymbolicLink()) lines.push(`${path} -> ${readlinkSync(`${directory}/${path}`)}`)
    else if (stats.isFile()) lines.push(`${path} ${mode} ${stats.uid}:${stats.gid} ${stats.size}`)
    else lines.push(`${path} ${stats.isFIFO() ? 'fifo' : stats.isCharacterDevice() ? `char ${stats.rdev}` : `block ${stats.rdev}`} ${mode} ${stats.uid}:${stats.gid}`)
  }
  return lines
}

/** Digest of the tar rebuilt from the tar-split file and the unpacked tree. */
export async function rebuiltDigest(staged: Staged): Promise<string> {
  const hash = createHash('sha256')
  for (const entry of readTarSplit(staged.tarSplitPath)) {
    if (entry.kind === 'raw') hash.update(entry.bytes)
    else if (entry.sizeBytes > 0) hash.update(readFileSync(Buffer.from(`${staged.directory}/${entry.name}`, 'latin1')))
  }
  return `sha256:${hash.digest('hex')}`
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

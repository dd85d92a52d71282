/** A tar-split file's entries, read by other code than the product's (storage/read-layer-tar.ts). */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

export type TarSplitEntry = { kind: 'raw'; bytes: Buffer } | { kind: 'file'; /** Latin 1. */ name: string; sizeBytes: number; crc64: Buffer | undefined }

interface TarSplitLine {
  type: number
  name?: string
  name_raw?: string
  size?: number
  payload?: string | null
}

export function readTarSplit(path: string): TarSplitEntry[] {
  return gunzipSync(readFileSync(path)).toString().split('\n').filter((line) => line !== '').map(parseLine)
}

function parseLine(text: string): TarSplitEntry {
  const line = JSON.parse(text) as TarSplitLine
  const payload = Buffer.from(line.payload ?? '', 'base64')
  if (line.type === 2) return { kind: 'raw', bytes: payload }
  if (line.type !== 1) throw new Error(`unknown entry type ${line.type}`)
  const name = line.name_raw ? Buffer.from(line.name_raw, 'base64') : Buffer.from(line.name ?? '')
  const sizeBytes = line.size ?? 0
  return { kind: 'file', name: name.toString('latin1'), sizeBytes, crc64: sizeBytes > 0 ? payload : undefined }
}

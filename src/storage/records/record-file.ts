import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'

export interface StoredRecord {
  id: string
  names?: string[]
  [other: string]: unknown
}

export interface LoadedFile<T> {
  records: T[]
  /** Changes whenever the file is replaced; '' when it does not exist. */
  identity: string
}

/**
 * Reads one of the store's JSON arrays. A missing file is an empty list; an empty or half-written one is an error
 * that names it (STORE_CORRUPT), never an empty store: the next save would make the loss final.
 */
export function loadRecordFile<T extends StoredRecord>(path: string): LoadedFile<T> {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return { records: [], identity: '' }
    throw error
  }
  try {
    const identity = identityOf(fstatSync(fd, { bigint: true }))
    return { records: parseRecords<T>(path, readFileSync(fd, 'utf8')), identity }
  } finally {
    closeSync(fd)
  }
}

/** The identity that loadRecordFile would give now, without reading. */
export function recordFileIdentity(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : identityOf(stat)
}

function identityOf(stat: BigIntStats): string {
  return `${stat.ino}:${stat.mtimeNs}:${stat.size}`
}

function parseRecords<T extends StoredRecord>(path: string, text: string): T[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt(path, text.length === 0 ? 'the file is empty' : `not valid JSON (${text.length} characters)`, error)
  }
  // Go writes a nil list as null.
  if (value === null) return []
  if (!Array.isArray(value) || !value.every(isRecord)) throw corrupt(path, 'not a list of records with ids')
  return value as T[]
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string' && value.id !== ''
}

function corrupt(path: string, why: string, cause?: unknown): TpodError {
  return new TpodError('STORE_CORRUPT', `read ${path}: ${why}; nothing was changed`, {
    remedy: `restore ${path} from a backup; only if all it listed may be lost: mv ${path} ${path}.broken`,
    cause,
  })
}

// A record is never changed in place (transactions replace it), so its text can be kept: saving a list of a
// thousand records costs one join.
const texts = new WeakMap<object, string>()

/** The file's text: one JSON array, every field of every record as it was read. */
export function formatRecords(records: readonly StoredRecord[]): string {
  const parts = records.map(record => {
    let text = texts.get(record)
    if (text === undefined) {
      text = JSON.stringify(record)
      texts.set(record, text)
    }
    return text
  })
  return `[${parts.join(',')}]`
}

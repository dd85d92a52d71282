/** pax extended headers (POSIX.1-2001): `LENGTH key=value\n` records. */
import type { ByteString } from './byte-string.ts'
import { invalidArchive } from './tar-header.ts'

export type PaxRecords = Map<ByteString, ByteString>

/**
 * Parses the records of one extended header. The pairs of GNU sparse 0.0 (`GNU.sparse.offset`, `.numbytes`, repeated)
 * are gathered into one `GNU.sparse.map`, the form of 0.1. Throws ARCHIVE_INVALID.
 */
export function parsePaxRecords(data: Buffer): PaxRecords {
  const records: PaxRecords = new Map()
  const sparsePairs: ByteString[] = []
  let position = 0
  while (position < data.length) {
    const space = data.indexOf(0x20, position)
    if (space === -1 || space - position > 8) throw invalidArchive('a pax record has no length')
    const length = parseDecimal(data.toString('latin1', position, space), 'length of a pax record')
    const end = position + length
    if (length < space - position + 3 || end > data.length || data[end - 1] !== 0x0a) {
      throw invalidArchive('a pax record has a wrong length')
    }
    const equals = data.indexOf(0x3d, space + 1)
    if (equals === -1 || equals >= end || equals === space + 1) throw invalidArchive('a pax record has no key')
    const key = data.toString('latin1', space + 1, equals)
    addRecord(records, sparsePairs, key, data.toString('latin1', equals + 1, end - 1))
    position = end
  }
  if (sparsePairs.length > 0) records.set('GNU.sparse.map', sparsePairs.join(','))
  return records
}

function addRecord(records: PaxRecords, sparsePairs: ByteString[], key: ByteString, value: ByteString): void {
  if (key.includes('\0')) throw invalidArchive('a pax key holds a NUL')
  if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
    const isOffset = key === 'GNU.sparse.offset'
    if ((sparsePairs.length % 2 === 0) !== isOffset || value.includes(',')) {
      throw invalidArchive('the pax sparse map is out of order')
    }
    sparsePairs.push(value)
    return
  }
  if (textKeys.has(key) && value.includes('\0')) throw invalidArchive(`the pax ${key} holds a NUL`)
  records.set(key, value)
}

const textKeys = new Set(['path', 'linkpath', 'uname', 'gname', 'GNU.sparse.name'])

/** A decimal number, not negative, within 2^53. Throws ARCHIVE_INVALID. */
export function parseDecimal(text: ByteString, what: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw invalidArchive(`the ${what} is not a number`)
  return value
}

/** `-1.25` is 1.25 s before 1970: seconds -2 and 750,000,000 ns. Digits beyond nanoseconds are cut. */
export function parsePaxTime(text: ByteString): { seconds: number; nanoseconds: number } {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text)
  if (match === null) throw invalidArchive('a pax time is not a number')
  const whole = Number(match[2])
  const fraction = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'))
  if (match[1] === '') return { seconds: whole, nanoseconds: fraction }
  if (fraction === 0) return { seconds: whole === 0 ? 0 : -whole, nanoseconds: 0 }
  return { seconds: -whole - 1, nanoseconds: 1e9 - fraction }
}

/**
 * Extended attributes. `SCHILY.xattr.NAME` holds the bytes (star, GNU tar, Go); `LIBARCHIVE.xattr.NAME` the name
 * percent-encoded and the value in base64 (bsdtar, which writes both). SCHILY's wins: it is the one other tools read.
 */
export function paxXattrs(records: PaxRecords): Map<ByteString, Buffer> | undefined {
  let xattrs: Map<ByteString, Buffer> | undefined
  for (const [key, value] of records) {
    if (key.startsWith('LIBARCHIVE.xattr.')) {
      xattrs ??= new Map()
      const name = key.slice(17).replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
      if (!records.has(`SCHILY.xattr.${name}`)) xattrs.set(name, Buffer.from(value, 'base64'))
    } else if (key.startsWith('SCHILY.xattr.')) {
      xattrs ??= new Map()
      xattrs.set(key.slice(13), Buffer.from(value, 'latin1'))
    }
  }
  return xattrs
}

/** One 512-byte tar header: POSIX.1-1988 ustar, GNU and the older V7 form. Extensions are tar-reader.ts's. */
import { TpodError } from '../errors/tpod-error.ts'
import type { ByteString } from './byte-string.ts'

export const blockBytes = 512

export type TarDialect = 'v7' | 'ustar' | 'star' | 'gnu'

export interface TarHeader {
  dialect: TarDialect
  /** One character; '0' for the NUL of old archives. */
  typeFlag: string
  /** True when the type byte was NUL: there a trailing slash means a directory. */
  isOldStyleFile: boolean
  name: ByteString
  linkName: ByteString
  mode: number
  uid: number
  gid: number
  sizeBytes: number
  mtimeSec: number
  userName: ByteString
  groupName: ByteString
  deviceMajor: number
  deviceMinor: number
}

/**
 * Parses a header block whose checksum must hold. Throws ARCHIVE_INVALID for a wrong checksum, an unparsable number
 * or one beyond 2^53.
 */
export function parseTarHeader(block: Buffer): TarHeader {
  if (!hasValidChecksum(block)) throw invalidArchive('a header has a wrong checksum')
  const dialect = dialectOf(block)
  const typeByte = block[156] ?? 0
  const isExtended = dialect !== 'v7'
  const header: TarHeader = {
    dialect,
    typeFlag: typeByte === 0 ? '0' : String.fromCharCode(typeByte),
    isOldStyleFile: typeByte === 0,
    name: textField(block, 0, 100),
    linkName: textField(block, 157, 100),
    mode: numberField(block, 100, 8, 'mode') & 0o7777,
    uid: numberField(block, 108, 8, 'uid'),
    gid: numberField(block, 116, 8, 'gid'),
    sizeBytes: numberField(block, 124, 12, 'size'),
    mtimeSec: numberField(block, 136, 12, 'mtime'),
    userName: isExtended ? textField(block, 265, 32) : '',
    groupName: isExtended ? textField(block, 297, 32) : '',
    deviceMajor: isExtended ? numberField(block, 329, 8, 'devmajor') : 0,
    deviceMinor: isExtended ? numberField(block, 337, 8, 'devminor') : 0,
  }
  const prefix = namePrefix(block, dialect)
  if (prefix !== '') header.name = `${prefix}/${header.name}`
  return header
}

/**
 * A numeric field: octal text, blank for 0, or base-256 when the first byte's high bit is set (GNU, star).
 * Throws ARCHIVE_INVALID.
 */
export function numberField(block: Buffer, start: number, length: number, what: string): number {
  const end = start + length
  if (((block[start] ?? 0) & 0x80) !== 0) return base256(block, start, end, what)
  let position = start
  while (position < end && isBlank(block[position])) position++
  let value = 0
  while (position < end) {
    const byte = block[position] ?? 0
    if (byte < 0x30 || byte > 0x37) break
    value = value * 8 + (byte - 0x30)
    position++
  }
  while (position < end && block[position] === 0x20) position++
  if (position < end && block[position] !== 0) throw invalidArchive(`the ${what} field of a header is not a number`)
  return checkedNumber(value, what)
}

/** True for a block of zeros, which ends an archive. */
export function isZeroBlock(block: Buffer): boolean {
  return block.equals(zeroBlock)
}

export function invalidArchive(why: string): TpodError {
  return new TpodError('ARCHIVE_INVALID', `read the tar archive: ${why}`, {
    remedy: 'fetch or build the archive again; it is damaged or not a tar file',
  })
}

const zeroBlock = Buffer.alloc(blockBytes)

function base256(block: Buffer, start: number, end: number, what: string): number {
  const first = block[start] ?? 0
  const isNegative = (first & 0x40) !== 0
  // Two's complement over the whole field without its marker bit.
  let value = isNegative ? (first & 0x7f) - 0x80 : first & 0x7f
  for (let position = start + 1; position < end; position++) {
    value = value * 256 + (block[position] ?? 0)
    checkedNumber(value, what)
  }
  return value
}

function checkedNumber(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw invalidArchive(`the ${what} field of a header is out of range`)
  return value
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0
}

function textField(block: Buffer, start: number, length: number): ByteString {
  let end = block.indexOf(0, start)
  if (end === -1 || end > start + length) end = start + length
  return block.toString('latin1', start, end)
}

/** Historic writers summed signed bytes; both sums are accepted, as every tar does. */
function hasValidChecksum(block: Buffer): boolean {
  let unsigned = 0
  let signed = 0
  for (let position = 0; position < blockBytes; position++) {
    const byte = position >= 148 && position < 156 ? 0x20 : (block[position] ?? 0)
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  const stored = numberField(block, 148, 8, 'checksum')
  return stored === unsigned || stored === signed
}

function dialectOf(block: Buffer): TarDialect {
  const magic = block.toString('latin1', 257, 265)
  if (magic.startsWith('ustar\0')) return block.toString('latin1', 508, 512) === 'tar\0' ? 'star' : 'ustar'
  return magic === 'ustar  \0' ? 'gnu' : 'v7'
}

function namePrefix(block: Buffer, dialect: TarDialect): ByteString {
  if (dialect === 'ustar') return textField(block, 345, 155)
  if (dialect === 'star') return textField(block, 345, 131)
  if (dialect !== 'gnu') return ''
  // GNU keeps atime and ctime where ustar has its prefix. Go before 1.8 wrote a prefix under GNU's magic all the
  // same, and Go readers accept it when the times cannot be numbers: images of that age still exist.
  if (isTimeField(block, 345) && isTimeField(block, 357)) return ''
  const prefix = textField(block, 345, 155)
  return /[\x80-\xff]/.test(prefix) ? '' : prefix
}

function isTimeField(block: Buffer, start: number): boolean {
  if ((block[start] ?? 0) === 0) return true
  try {
    numberField(block, start, 12, 'time')
    return true
  } catch {
    return false
  }
}

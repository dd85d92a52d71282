/**
 * Byte strings: names in a tar archive are bytes, not text. Inside src/archive they are JavaScript strings whose
 * characters are the bytes (latin1), which are exact, cheap to cut and usable as map keys. `toText` and `toPath`
 * are the two ways out.
 */
import { isUtf8 } from 'node:buffer'

export type ByteString = string

const beyondAscii = /[\x80-\uffff]/

/** The text of a byte string, or undefined when it is not valid UTF-8. */
export function toText(bytes: ByteString): string | undefined {
  if (!beyondAscii.test(bytes)) return bytes
  const buffer = Buffer.from(bytes, 'latin1')
  return isUtf8(buffer) ? buffer.toString('utf8') : undefined
}

/** For messages: what is not UTF-8 is shown with replacement characters. */
export function toDisplay(bytes: ByteString): string {
  return toText(bytes) ?? Buffer.from(bytes, 'latin1').toString('utf8')
}

/** A path as node:fs takes it, byte-exact: bytes that are not UTF-8 go as a Buffer. */
export function toPath(bytes: ByteString): string | Buffer {
  return toText(bytes) ?? Buffer.from(bytes, 'latin1')
}

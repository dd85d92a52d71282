/**
 * One signature as bytes, as containers/image stores it in dir:, in lookaside directories and in the store: simple
 * signing as it is (an OpenPGP message), anything else as `\0FORMAT\n` and data.
 */
import { TpodError } from '../../errors/tpod-error.ts'
import { isJsonObject, parseStrictJson } from '../../text/strict-json.ts'
import type { Signature } from '../types.ts'

/** Larger ones are refused wherever signatures are read: 4 MiB, as containers/image has it. */
export const maxSignatureBytes = 4 * 1024 * 1024
/** Of all signatures of an image together; honest ones have some kilobytes. They are in memory at once. */
const maxTotalBytes = 16 * 1024 * 1024

/** Counts what was read of an image's signatures. The function throws SIGNATURE_INVALID when it is too much. */
export function signatureBudget(what: string): (bytes: number) => void {
  let total = 0
  return (bytes) => {
    total += bytes
    if (total > maxTotalBytes) throw new TpodError('SIGNATURE_INVALID', `read signatures of ${what}: they have more than ${maxTotalBytes} bytes together`, { remedy: 'remove those that nobody needs from where they are kept' })
  }
}

const sigstorePrefix = Buffer.from('\0sigstore-json\n')

/** Inverse of decodeSignatureBlob. */
export function encodeSignatureBlob(signature: Signature): Uint8Array {
  if (signature.kind === 'simple') return signature.bytes
  const { mediaType, payload, annotations } = signature
  const sorted = Object.fromEntries(Object.entries(annotations).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const json = JSON.stringify({ mimeType: mediaType, payload: Buffer.from(payload).toString('base64'), annotations: sorted })
  return Buffer.concat([sigstorePrefix, Buffer.from(json)])
}

/** `what` names the blob in errors. Throws SIGNATURE_INVALID for anything that is neither form, or too large. */
export function decodeSignatureBlob(blob: Uint8Array, what: string): Signature {
  const invalid = (why: string): TpodError => new TpodError('SIGNATURE_INVALID', `parsing signature ${what}: ${why}`)
  const first = blob[0]
  if (first === undefined) throw invalid('empty signature blob')
  if (blob.length > maxSignatureBytes) throw invalid(`larger than ${maxSignatureBytes} bytes`)
  // The high bit of its first byte marks every binary OpenPGP packet.
  if (first >= 0x80) return { kind: 'simple', bytes: blob }
  if (first !== 0) throw invalid(`unrecognized signature format, starting with binary 0x${first.toString(16)}`)
  const newline = blob.indexOf(0x0a)
  if (newline < 0) throw invalid('invalid signature format, missing newline')
  const format = Buffer.from(blob.subarray(1, newline)).toString('latin1')
  const rest = blob.subarray(newline + 1)
  if (format === 'simple-signing') return { kind: 'simple', bytes: rest }
  if (format !== 'sigstore-json') throw invalid(`unrecognized signature format ${JSON.stringify(format.slice(0, 40))}`)
  try {
    return parseSigstore(rest)
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause))
  }
}

function parseSigstore(json: Uint8Array): Signature {
  const value = parseStrictJson(json)
  if (!isJsonObject(value) || typeof value.mimeType !== 'string' || typeof value.payload !== 'string') throw new Error('not a sigstore signature: mimeType or payload is missing')
  // Go writes an empty map as null.
  const annotations = value.annotations ?? {}
  if (!isStringMap(annotations)) throw new Error('not a sigstore signature: annotations must map names to strings')
  return { kind: 'sigstore', mediaType: value.mimeType, payload: Buffer.from(value.payload, 'base64'), annotations }
}

function isStringMap(value: unknown): value is Record<string, string> {
  return isJsonObject(value) && Object.values(value).every((item) => typeof item === 'string')
}

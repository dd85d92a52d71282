/** Signatures of a stored image: those of one manifest after another in `signature-<hex>`, their sizes in the record's metadata. */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex } from '../../oci/digest.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import type { Signature } from '../types.ts'

export interface SignatureMetadata {
  'signature-sizes'?: number[]
  'signatures-sizes'?: Record<string, number[]>
}

/** First byte 0 and this word: another format than simple signing follows (containers/image's own encoding). */
const sigstoreMark = Buffer.from('\0sigstore-json\n')

/** Throws IMAGE_DAMAGED where sizes and bytes contradict each other. */
export async function readStoredSignatures(store: Store, image: ImageRecord, digest: string): Promise<Signature[]> {
  const metadata = parseMetadata(image.metadata)
  const own = metadata['signatures-sizes']?.[digest]
  // Older writers knew the image's own manifest only.
  const isOld = own === undefined && image['big-data-digests']?.['manifest'] === digest
  const sizes = own ?? (isOld ? metadata['signature-sizes'] : undefined) ?? []
  if (sizes.length === 0) return []
  const bytes = await store.readImageData(image.id, isOld ? 'signatures' : `signature-${digestHex(digest)}`)
  if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 0) || sizes.reduce((sum, size) => sum + size, 0) !== bytes.length) {
    throw new TpodError('IMAGE_DAMAGED', `read signatures of ${image.names?.[0] ?? image.id.slice(0, 12)}: their sizes in the record do not add up to the ${bytes.length} bytes stored`, { remedy: 'pull the image again' })
  }
  let offset = 0
  return sizes.map((size) => decodeSignature(bytes.subarray(offset, (offset += size)), image))
}

export function parseMetadata(text: string | undefined): SignatureMetadata {
  try {
    const value: unknown = JSON.parse(text || '{}')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** The bytes that containers/image stores for a signature: simple ones as they are, others behind their format's name. */
export function encodeSignature(signature: Signature): Uint8Array {
  if (signature.kind === 'simple') return signature.bytes
  const { mediaType, payload, annotations } = signature
  return Buffer.concat([sigstoreMark, Buffer.from(JSON.stringify({ mimeType: mediaType, payload: Buffer.from(payload).toString('base64'), annotations }))])
}

function decodeSignature(bytes: Buffer, image: ImageRecord): Signature {
  if (bytes[0] !== 0) return { kind: 'simple', bytes }
  const damaged = (cause?: unknown): TpodError => new TpodError('IMAGE_DAMAGED', `read signatures of ${image.names?.[0] ?? image.id.slice(0, 12)}: one has an unknown format`, { cause, remedy: 'pull the image again' })
  if (!bytes.subarray(0, sigstoreMark.length).equals(sigstoreMark)) throw damaged()
  try {
    const json = JSON.parse(bytes.subarray(sigstoreMark.length).toString('utf8')) as { mimeType: string; payload: string; annotations?: Record<string, string> }
    return { kind: 'sigstore', mediaType: String(json.mimeType), payload: Buffer.from(String(json.payload), 'base64'), annotations: json.annotations ?? {} }
  } catch (error) {
    throw damaged(error)
  }
}

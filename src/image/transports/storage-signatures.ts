/** Signatures of a stored image: those of one manifest after another in `signature-<hex>`, their sizes in the record's metadata. */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex } from '../../oci/digest.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { decodeSignatureBlob } from '../trust/signature-blob.ts'
import type { Signature } from '../types.ts'

export interface SignatureMetadata {
  'signature-sizes'?: number[]
  'signatures-sizes'?: Record<string, number[]>
}

/** Throws IMAGE_DAMAGED where sizes and bytes contradict each other, SIGNATURE_INVALID for an unknown format. */
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
  return sizes.map((size, index) => decodeSignatureBlob(bytes.subarray(offset, (offset += size)), `${index + 1} of ${image.names?.[0] ?? image.id.slice(0, 12)}`))
}

export function parseMetadata(text: string | undefined): SignatureMetadata {
  try {
    const value: unknown = JSON.parse(text || '{}')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

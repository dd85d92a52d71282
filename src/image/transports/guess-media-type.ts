import { dockerSchema1, dockerSchema1Signed, ociIndex, ociManifest } from '../../oci/media-types.ts'

/** What a manifest is by its own fields, where nothing else says it; '' for what looks like none. Whether it is sound shows when it is parsed. */
export function guessMediaType(bytes: Uint8Array): string {
  let json: Record<string, unknown> | null
  try {
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')) as Record<string, unknown> | null
  } catch {
    return ''
  }
  if (typeof json !== 'object' || json === null) return ''
  if (typeof json['mediaType'] === 'string') return json['mediaType']
  if (json['schemaVersion'] === 1) return json['signatures'] === undefined ? dockerSchema1 : dockerSchema1Signed
  if (Array.isArray(json['manifests'])) return ociIndex
  return json['config'] === undefined ? '' : ociManifest
}

/** One image's manifest as the copy sees it, whichever of the three formats it has. */
import { TpodError } from '../../errors/tpod-error.ts'
import { parseManifest } from '../../oci/image-types.ts'
import type { Descriptor, ImageManifest } from '../../oci/image-types.ts'
import { dockerManifest, dockerSchema1, dockerSchema1Signed, layerCompressionOf, ociConfig, ociManifest } from '../../oci/media-types.ts'
import { isSchema1, parseSchema1 } from '../../oci/schema1.ts'
import type { Schema1Manifest } from '../../oci/schema1.ts'
import type { RawManifest } from '../types.ts'
import type { ManifestFormat } from './types.ts'

export interface SourceLayer {
  digest: string
  /** Unknown with schema 1. */
  sizeBytes?: number
  mediaType: string
  urls?: string[]
  annotations?: Record<string, string>
}

export interface SourceImage {
  raw: RawManifest
  format: ManifestFormat
  /** Bottom first. */
  layers: readonly SourceLayer[]
  /** Absent with schema 1, whose manifests have no config. */
  config?: Descriptor
  /** Of OCI or schema 2. */
  manifest?: ImageManifest
  schema1?: Schema1Manifest
}

export const manifestTypeOf: Readonly<Record<ManifestFormat, string>> = { oci: ociManifest, v2s2: dockerManifest, v2s1: dockerSchema1Signed }

/** Throws BAD_MANIFEST, BAD_DIGEST and UNSUPPORTED_MANIFEST; an index is refused (one within an index, usually). */
export function parseSourceImage(raw: RawManifest, what: string): SourceImage {
  if (isSchema1(raw.bytes)) {
    const schema1 = parseSchema1(raw.bytes, what)
    const layers = schema1.layers.map(({ digest }) => ({ digest, mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }))
    return { raw: { ...raw, mediaType: schema1.isSigned ? dockerSchema1Signed : dockerSchema1 }, format: 'v2s1', schema1, layers }
  }
  const manifest = parseManifest(raw.bytes, raw.mediaType, what)
  if (manifest.kind === 'index') throw new TpodError('BAD_MANIFEST', `read manifest of ${what}: an index within an index is not supported`)
  // A directory doesn't say of what type its documents are; a destination must.
  return { raw: { ...raw, mediaType: manifest.mediaType }, format: manifest.mediaType === ociManifest ? 'oci' : 'v2s2', manifest, config: manifest.config, layers: manifest.layers.map(layerOf) }
}

export function layerOf({ digest, size, mediaType, urls, annotations }: Descriptor): SourceLayer {
  return { digest, sizeBytes: size, mediaType, ...(urls === undefined ? {} : { urls }), ...(annotations === undefined ? {} : { annotations }) }
}

/** False for artifacts (helm charts, signatures, …), whose blobs are copied as they are. */
export function isContainerImage({ format, config }: SourceImage): boolean {
  return format !== 'oci' || config?.mediaType === ociConfig
}

/** True if the layer may be compressed or decompressed: an image's layer, not encrypted, of a type we know. */
export function mayChangeCompression(image: SourceImage, layer: SourceLayer): boolean {
  return image.format === 'v2s1' || (isContainerImage(image) && layerCompressionOf(layer.mediaType) !== undefined)
}

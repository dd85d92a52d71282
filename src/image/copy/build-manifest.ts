/**
 * The manifest (and config) that a copy writes: the source's own bytes where nothing changed, else made anew in the
 * wanted format as containers/image does it, byte for byte.
 */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import { encodeGoJson, sortedMap } from '../../oci/go-json.ts'
import type { Descriptor } from '../../oci/image-types.ts'
import { dockerConfig, dockerManifest, layerMediaTypeIn, ociConfig, ociManifest } from '../../oci/media-types.ts'
import { manifestDigest, writeSchema1 } from '../../oci/schema1.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { RawManifest } from '../types.ts'
import { dockerConfigToOci, configFromSchema1 } from './convert-config.ts'
import { schema1FromConfig } from './convert-schema1.ts'
import { isContainerImage, manifestTypeOf } from './source-image.ts'
import type { SourceImage, SourceLayer } from './source-image.ts'
import type { ManifestFormat } from './types.ts'

export interface BuiltConfig {
  bytes: Uint8Array
  digest: string
  mediaType: string
}

/**
 * The config in the wanted format, the same bytes wherever the format permits; undefined for schema 1. `configBytes`:
 * the source's (absent with schema 1); `diffIds`: of the source's layers, needed from schema 1 alone.
 */
export function buildConfig(image: SourceImage, format: ManifestFormat, configBytes: Uint8Array | undefined, diffIds: readonly (string | undefined)[] | undefined, what: string): BuiltConfig | undefined {
  if (format === 'v2s1') return undefined
  const mediaType = format === 'oci' ? ociConfig : dockerConfig
  if (image.schema1 === undefined) {
    const bytes = image.format === 'v2s2' && format === 'oci' ? dockerConfigToOci(configBytes!, what) : configBytes!
    return { bytes, digest: digestOf(bytes), mediaType: image.format === format ? image.config!.mediaType : mediaType }
  }
  const ids = image.schema1.layers.flatMap((layer, index) => (layer.isEmpty ? [] : [diffIds![index]!]))
  const docker = configFromSchema1(image.schema1, ids, what)
  const bytes = format === 'oci' ? dockerConfigToOci(docker, what) : docker
  return { bytes, digest: digestOf(bytes), mediaType }
}

export interface ManifestParts {
  image: SourceImage
  format: ManifestFormat
  /** As the destination has them, as many as the source's, media types in the source's format. */
  layers: readonly (SourceLayer & { sizeBytes: number })[]
  /** The layers are not what the source's manifest lists. */
  layersChanged: boolean
  config: BuiltConfig | undefined
  /** The source's. */
  configBytes: Uint8Array | undefined
  /** The name that a schema 1 manifest must carry. */
  embeddedReference: QualifiedReference | undefined
  what: string
}

/** Throws UNSUPPORTED_MANIFEST where the wanted format cannot say what the image has. */
export async function buildManifest(parts: ManifestParts): Promise<RawManifest> {
  const { image, format, layersChanged } = parts
  if (image.format === format && !layersChanged && !conflictsWithName(parts)) return image.raw
  if (format === 'v2s1') return rawManifest(await buildSchema1(parts), format)
  const layers = image.schema1 === undefined ? parts.layers : parts.layers.filter((_, index) => !image.schema1!.layers[index]!.isEmpty)
  if (image.format !== format && !isContainerImage(image)) {
    throw new TpodError('UNSUPPORTED_MANIFEST', `unsupported image-specific operation on artifact with type ${JSON.stringify(image.config!.mediaType)}`, { remedy: 'copy it to a place that takes OCI manifests' })
  }
  const converted = layers.map((layer) => ({ ...layer, mediaType: image.format === format ? layer.mediaType : convertLayerType(layer.mediaType, format) }))
  return rawManifest(Buffer.from(encodeGoJson(format === 'oci' ? ociDocument(parts, converted) : dockerDocument(parts, converted))), format)
}

/** A schema 1 manifest names its repository and tag; true if they are another's. */
export function conflictsWithName({ image, embeddedReference }: Pick<ManifestParts, 'image' | 'embeddedReference'>): boolean {
  if (image.schema1 === undefined || embeddedReference === undefined) return false
  return image.schema1.name !== embeddedReference.path || image.schema1.tag !== (embeddedReference.tag ?? '')
}

function rawManifest(bytes: Uint8Array, format: ManifestFormat): RawManifest {
  return { bytes, digest: manifestDigest(bytes), mediaType: manifestTypeOf[format] }
}

function convertLayerType(mediaType: string, format: 'oci' | 'v2s2'): string {
  const converted = layerMediaTypeIn(format, mediaType)
  if (converted !== undefined) return converted
  if (mediaType.endsWith('+zstd')) {
    throw new TpodError('UNSUPPORTED_MANIFEST', `Error during manifest conversion: ${JSON.stringify(mediaType)}: zstd compression is not supported for docker images`, { remedy: 'choose the format oci, or recompress to gzip' })
  }
  throw new TpodError('UNSUPPORTED_MANIFEST', `Unknown media type during manifest conversion: ${JSON.stringify(mediaType)}`)
}

type Layers = ManifestParts['layers']

function ociDocument({ image, config }: ManifestParts, layers: Layers): object {
  // What schema 2 documents may have beyond OCI's is not taken over.
  const own = image.format === 'oci' ? (JSON.parse(new TextDecoder().decode(image.raw.bytes)) as Record<string, unknown>) : { mediaType: ociManifest }
  const descriptor = image.format === 'oci' && config === undefined ? image.config! : undefined
  return {
    schemaVersion: 2,
    mediaType: own.mediaType,
    artifactType: own.artifactType,
    config: descriptor === undefined ? ociDescriptor({ ...(image.format === 'oci' ? image.config! : {}), mediaType: config!.mediaType, digest: config!.digest, size: config!.bytes.length }) : ociDescriptor(descriptor),
    layers: layers.map((layer) => ociDescriptor({ ...layer, size: layer.sizeBytes })),
    subject: own.subject,
    annotations: sortedOrNothing(image.format === 'oci' ? image.manifest!.annotations : undefined),
  }
}

/** image-spec's order of members. */
export function ociDescriptor({ mediaType, digest, size, urls, annotations, data, platform, artifactType }: Descriptor & { data?: unknown }): object {
  return { mediaType: mediaType || undefined, digest, size, urls: urls?.length ? urls : undefined, annotations: sortedOrNothing(annotations), data, platform, artifactType }
}

export function sortedOrNothing(map: Readonly<Record<string, string>> | undefined): Map<string, string> | undefined {
  return map === undefined || Object.keys(map).length === 0 ? undefined : sortedMap(Object.entries(map))
}

function dockerDocument({ config }: ManifestParts, layers: Layers): object {
  return {
    schemaVersion: 2,
    mediaType: dockerManifest,
    config: { mediaType: config!.mediaType, size: config!.bytes.length, digest: config!.digest },
    layers: layers.map(({ mediaType, sizeBytes, digest, urls }) => ({ mediaType, size: sizeBytes, digest, urls: urls?.length ? urls : undefined })),
  }
}

async function buildSchema1({ image, layers, configBytes, embeddedReference, what }: ManifestParts): Promise<Uint8Array> {
  const name = embeddedReference?.path
  const tag = embeddedReference?.tag ?? ''
  if (image.schema1 !== undefined) {
    const { schema1 } = image
    return writeSchema1({
      name: name ?? schema1.name, tag: name === undefined ? schema1.tag : tag, architecture: schema1.architecture,
      layers: layers.map(({ digest }, index) => ({ digest, v1: schema1.layers[index]!.v1 })),
    })
  }
  if (!isContainerImage(image)) throw new TpodError('UNSUPPORTED_MANIFEST', `unsupported image-specific operation on artifact with type ${JSON.stringify(image.config!.mediaType)}`)
  for (const { mediaType } of layers) if (image.format === 'oci') convertLayerType(mediaType, 'v2s2')
  const { architecture, layers: converted } = schema1FromConfig(configBytes!, image.layers.map(({ digest }) => digest), layers.map(({ digest }) => digest), what)
  return writeSchema1({ name: name ?? '', tag: name === undefined ? '' : tag, architecture, layers: converted })
}

/** Media types of manifests, configs and layers: OCI image-spec 1.1 and docker's distribution formats. */

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const dockerSchema1 = 'application/vnd.docker.distribution.manifest.v1+json'
export const dockerSchema1Signed = 'application/vnd.docker.distribution.manifest.v1+prettyjws'

export const ociConfig = 'application/vnd.oci.image.config.v1+json'
export const dockerConfig = 'application/vnd.docker.container.image.v1+json'

/** What we ask a registry for. Schema 1 is asked for too: only then can we name it in the error. */
export const manifestAccept = [ociManifest, dockerManifest, dockerList, ociIndex, dockerSchema1Signed, dockerSchema1].join(', ')

const layerPattern =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.gzip|\.zstd)?)$/

/** The compression itself is found by its magic; the media type only says that it is a tar layer at all. */
export function isLayerMediaType(mediaType: string): boolean {
  return layerPattern.test(mediaType)
}

export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === ociIndex || mediaType === dockerList
}

export function isManifestMediaType(mediaType: string): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest
}

export function isSchema1MediaType(mediaType: string): boolean {
  return mediaType === dockerSchema1 || mediaType === dockerSchema1Signed
}

export type LayerCompression = 'none' | 'gzip' | 'zstd'

/** Layers that differ in compression alone; docker's formats know no zstd. */
const layerFamilies: readonly Readonly<Partial<Record<LayerCompression, string>>>[] = [
  { none: 'application/vnd.oci.image.layer.v1.tar', gzip: 'application/vnd.oci.image.layer.v1.tar+gzip', zstd: 'application/vnd.oci.image.layer.v1.tar+zstd' },
  {
    none: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
    gzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    zstd: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  },
  { none: 'application/vnd.docker.image.rootfs.diff.tar', gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip' },
  { none: 'application/vnd.docker.image.rootfs.foreign.diff.tar', gzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' },
]
/** Place of a family's counterpart in the other format. */
const counterparts: readonly number[] = [2, 3, 0, 1]

/** The compression that a layer's media type states; undefined for types whose compression can't be changed. */
export function layerCompressionOf(mediaType: string): LayerCompression | undefined {
  for (const family of layerFamilies) {
    for (const compression of ['none', 'gzip', 'zstd'] as const) if (family[compression] === mediaType) return compression
  }
  return undefined
}

/** The media type of the same layer in another compression; undefined where the format has none. */
export function withLayerCompression(mediaType: string, compression: LayerCompression): string | undefined {
  return familyOf(mediaType)?.[compression]
}

/** The media type of the same layer in OCI's or docker's format; undefined where there is none (zstd, encrypted layers). */
export function layerMediaTypeIn(format: 'oci' | 'v2s2', mediaType: string): string | undefined {
  const family = familyOf(mediaType)
  if (family === undefined) return undefined
  const place = layerFamilies.indexOf(family)
  const isOci = place < 2
  if (isOci === (format === 'oci')) return mediaType
  return layerFamilies[counterparts[place]!]![layerCompressionOf(mediaType)!]
}

function familyOf(mediaType: string): (typeof layerFamilies)[number] | undefined {
  return layerFamilies.find((family) => Object.values(family).includes(mediaType))
}

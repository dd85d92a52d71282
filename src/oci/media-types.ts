/** Media types of manifests, configs and layers: OCI image-spec 1.1 and docker's distribution formats. */

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const dockerSchema1 = 'application/vnd.docker.distribution.manifest.v1+json'
export const dockerSchema1Signed = 'application/vnd.docker.distribution.manifest.v1+prettyjws'

export const ociConfig = 'application/vnd.oci.image.config.v1+json'

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

/** Contract between the archive layer (tar, compression, confined extraction) and the store. */

export type CompressionName = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz'

export interface StageLayerOptions {
  /** An existing empty directory; becomes the layer's `diff`. The worker is confined to it. */
  directory: string
  /** Where the gzip'd tar-split stream is written (a new file). */
  tarSplitPath: string
  /** How whiteouts and opaque directories are spelled on disk. */
  whiteouts: 'overlay-trusted' | 'overlay-user' | 'aufs'
  /** Map of container ids to host ids for ownership; absent: identity. */
  idMaps?: { uid: readonly IdMap[]; gid: readonly IdMap[] }
  /** Ownership that the kernel refuses is ignored (rootless stores with a single id). */
  ignoreChownErrors?: boolean
  /** The blob's digest where `blob` itself throws at its end unless it has it: not computed again. */
  verifiedDigest?: string
  signal?: AbortSignal
}

export interface IdMap {
  containerId: number
  hostId: number
  size: number
}

/** What was measured while a layer was unpacked. */
export interface StagedContent {
  /** `sha256:…` of the uncompressed tar. */
  diffId: string
  /** Bytes of the uncompressed tar. */
  diffSizeBytes: number
  /** `sha256:…` of the bytes as they came. */
  blobDigest: string
  blobSizeBytes: number
  compression: CompressionName
  /** Sorted distinct owners of non-whiteout entries. */
  uids: number[]
  gids: number[]
}

/**
 * Unpacks one layer blob (any compression, found by its magic) into a directory. A chunk of `blob` is no longer read
 * once the next one is asked for.
 */
export type StageLayer = (blob: AsyncIterable<Uint8Array>, options: StageLayerOptions) => Promise<StagedContent>

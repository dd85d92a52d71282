/** Contract of the copy engine (copy-image.ts), the one way in which images move. */
import type { Platform } from '../../oci/image-types.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { Policy } from '../../config/policy.ts'
import type { OnPullProgress } from '../progress.ts'
import type { RawManifest, Signer } from '../types.ts'

export type ManifestFormat = 'oci' | 'v2s2' | 'v2s1'

export interface CopyOptions {
  /** Of an index: the platform's image alone (default), all, the index without images, or the images with these digests. */
  instances?: 'system' | 'all' | 'index-only' | { digests: readonly string[] }
  /** Default the context's. */
  platform?: Platform
  /** Fail rather than change a manifest. */
  preserveDigests?: boolean
  /** Default: the source's, where the destination takes it. */
  format?: ManifestFormat
  /** What layers that are not compressed become where the destination wants them compressed; default gzip. */
  compression?: { format: 'gzip' | 'zstd'; level?: number; /** Recompress what has another format. */ force?: boolean }
  removeSignatures?: boolean
  /** Signatures to add, for `identity` or the destination's own reference. */
  signers?: readonly Signer[]
  signIdentity?: QualifiedReference
  /** Checked before anything is written; absent: the source counts as trusted. */
  policy?: Policy
  /** Layers in flight at once; default 3 to or from a registry, 2 else. */
  parallelLayers?: number
  signal?: AbortSignal
  onProgress?: OnPullProgress
}

export interface CopyResult {
  /** What the destination now has as the image's own manifest (or index). */
  manifest: RawManifest
}

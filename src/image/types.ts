/**
 * What transports have in common: a source of one image's documents and blobs, whether a registry, a directory or an
 * archive. Copying, pulling and inspecting know these interfaces only.
 */
import type { Credentials, CredentialSource } from '../config/auth-file.ts'
import type { Policy } from '../config/policy.ts'
import type { RegistriesConfig } from '../config/registries-conf.ts'
import type { Platform } from '../oci/image-types.ts'
import type { Store } from '../storage/types.ts'
import type { OnPullProgress } from './progress.ts'

export interface RawManifest {
  bytes: Uint8Array
  /** Of the bytes, computed here; equals the digest asked for. */
  digest: string
  /** What the source says it is; '' if it doesn't. */
  mediaType: string
}

export interface BlobOptions {
  /** Expected bytes in all; the source stops a blob that grows beyond. */
  sizeBytes?: number
  /** Start at this byte. */
  offset?: number
  signal?: AbortSignal
}

export interface ImageSource {
  /** What to call it in messages. */
  readonly description: string
  /** The image's own manifest or index, or by digest one that it refers to. Throws MANIFEST_UNKNOWN, DIGEST_MISMATCH, … */
  getManifest(digest?: string, options?: { signal?: AbortSignal }): Promise<RawManifest>
  /**
   * Bytes as stored, unverified: the reader compares the digest. A connection that breaks is resumed where it broke.
   * A chunk is the caller's, who may free its memory: a source keeps and repeats none.
   */
  getBlob(digest: string, options?: BlobOptions): AsyncIterable<Uint8Array>
  /** Frees connections; idempotent. */
  close(): Promise<void>
}

/** What pulling needs to know of the machine; assembled once by cli/ or the library's caller. */
export interface ImageContext {
  store: Store
  registries: () => Promise<RegistriesConfig>
  credentials: CredentialSource
  policy: () => Promise<Policy>
  /** This machine, in OCI's names. */
  platform: Platform
  /** Directories holding HOST[:PORT]/ with certificates. */
  certDirectories?: readonly string[]
  /** HTTP_PROXY, HTTPS_PROXY, NO_PROXY in either case; absent: registries are reached without a proxy. */
  proxyEnv?: Readonly<Record<string, string | undefined>>
  userAgent?: string
}

export type PullPolicy = 'always' | 'missing' | 'newer' | 'never'

export interface PullOptions {
  /** Default missing. */
  policy?: PullPolicy
  /** Default the machine's. */
  platform?: Platform
  tlsVerify?: boolean
  certDirectory?: string
  /** Instead of the context's credentials. */
  credentials?: CredentialSource
  /** Layers fetched and unpacked at once; default 2. */
  parallelLayers?: number
  /** Asked when a short name has several candidates and a person can choose; absent: never asked. */
  chooseCandidate?: (shortName: string, candidates: readonly string[]) => Promise<string>
  /** Further attempts after a failure that may pass; default 3. */
  retries?: number
  /** Base of the back-off between attempts, ms; default 500. */
  retryDelayMs?: number
  /** No byte for so long: the connection counts as broken, ms; default 60,000. */
  stallTimeoutMs?: number
  signal?: AbortSignal
  onProgress?: OnPullProgress
}

export type { Credentials }

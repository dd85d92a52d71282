/**
 * What transports have in common. A source gives one image's documents and blobs, a destination takes them, whether a
 * registry, a directory, an archive or the store; copying, inspecting and trusting know these interfaces only. How
 * names become sources and destinations stands in transports/.
 */
import type { Credentials, CredentialSource } from '../config/auth-file.ts'
import type { Policy } from '../config/policy.ts'
import type { RegistriesConfig } from '../config/registries-conf.ts'
import type { Descriptor, ImageManifest, Platform } from '../oci/image-types.ts'
import type { QualifiedReference } from '../oci/reference.ts'
import type { Store } from '../storage/types.ts'
import type { OnPullProgress } from './progress.ts'

/** Spelled as in containers-transports(5). */
export type TransportName = 'docker' | 'containers-storage' | 'oci' | 'oci-archive' | 'dir' | 'docker-archive' | 'docker-daemon' | 'tarball'

/** What an image is called where it lies: for messages, for policy.json and for signatures. */
export interface ImageIdentity {
  transport: TransportName
  /** What follows `transport:`, in its canonical form (docker: `//host/path:tag`). */
  name: string
  /** What signatures speak of; absent where the transport has no such name (dir:, oci:, …). */
  dockerReference?: QualifiedReference
  /** Scopes of policy.json's `transports.NAME` that cover it, most specific first; without the transport's own default ''. */
  policyScopes: readonly string[]
}

export interface RawManifest {
  bytes: Uint8Array
  /** Of the bytes, computed here; equals the digest asked for. */
  digest: string
  /** What the source says it is; '' if it doesn't. */
  mediaType: string
}

export type Signature =
  /** OpenPGP-signed JSON: "simple signing". */
  | { kind: 'simple'; bytes: Uint8Array }
  /** A sigstore attachment: the signed payload and its annotations. */
  | { kind: 'sigstore'; mediaType: string; payload: Uint8Array; annotations: Readonly<Record<string, string>> }

export interface BlobOptions {
  /** Expected bytes in all; the source stops a blob that grows beyond. */
  sizeBytes?: number
  /** Start at this byte. */
  offset?: number
  signal?: AbortSignal
}

interface Abortable { signal?: AbortSignal }

export interface ImageSource {
  /** What to call it in messages. */
  readonly description: string
  readonly identity: ImageIdentity
  /** The image's own manifest or index, or by digest one that it refers to. Throws MANIFEST_UNKNOWN, DIGEST_MISMATCH, … */
  getManifest(digest?: string, options?: Abortable): Promise<RawManifest>
  /**
   * Bytes as stored, unverified: the reader compares the digest. A connection that breaks is resumed where it broke.
   * A chunk is the caller's, who may free its memory: a source keeps and repeats none.
   */
  getBlob(digest: string, options?: BlobOptions): AsyncIterable<Uint8Array>
  /**
   * Its layers in the form in which getBlob has them, bottom first, where that is not as the manifest lists them: a
   * store has kept them uncompressed. Absent, or undefined returned: as listed.
   */
  layersAsStored?(manifest: ImageManifest, manifestDigest: string): Promise<readonly Descriptor[] | undefined>
  /** Compressed forms of a layer that it keeps uncompressed, likeliest first; hints only. Absent: it knows none. */
  layerForms?(diffId: string): Promise<readonly LayerForm[]>
  /** A registry now has the layer in this form: remembered for layerForms of later copies. Never throws. */
  rememberLayerForm?(diffId: string, form: LayerForm): Promise<void>
  /** Of the manifest with that digest (default: of the image's own), in the order they were made. Absent: it never has any. */
  getSignatures?(digest: string, options?: Abortable): Promise<readonly Signature[]>
  /** Frees connections; idempotent. */
  close(): Promise<void>
}

/** What a destination can hold; the copy adapts manifest and layers to it, or says why it cannot. */
export interface DestinationTraits {
  /** Media types of image manifests it takes, best first; empty: any. */
  readonly manifestTypes: readonly string[]
  /** Media types of indexes it takes, with their images; empty: none. */
  readonly indexTypes: readonly string[]
  /** What layers must be there: as they come; compressed, if they are not; uncompressed. */
  readonly layers: 'as-is' | 'compressed' | 'uncompressed'
  /** Why signatures cannot be stored; absent: they can. */
  readonly noSignatures?: string
  /** putBlob may run so many times at once; 1: in the order of the layers, config last. */
  readonly parallelBlobs: number
  /** Layers kept by URL elsewhere (foreign layers) may stay there. */
  readonly keepsForeignLayers?: boolean
  /** It needs the image's config before the layers (putConfig is called first), to know their diff ids. */
  readonly configFirst?: boolean
  /** It has a name of its own that the manifest must carry: its digest can't be preserved (docker schema 1). */
  readonly embedsReference?: boolean
}

/** A layer as it lies, or lay, on registries: what reuseBlob can be asked for instead of the source's own form. */
export interface LayerForm {
  digest: string
  sizeBytes: number
  mediaType: string
  /** Repositories, `host/path`. */
  knownAt: readonly string[]
}

export interface BlobToStore {
  kind: 'config' | 'layer'
  /** Known beforehand; absent: the destination computes it from the bytes. Given ones are verified by the caller's stream. */
  digest?: string
  sizeBytes?: number
  mediaType: string
  /** `sha256:…` of the uncompressed layer, where known. */
  diffId?: string
  /** Place among the image's layers, bottom 0. */
  layerIndex?: number
  /** Repositories `host/path` that have the blob, for mounting it from there. */
  knownAt?: readonly string[]
  /**
   * The very same bytes again, from this one on, for an upload that breaks or was begun in an earlier run; absent: they
   * come once. Given, putBlob may leave `bytes` before its end; what it stored has then been verified by the other side.
   */
  reread?: (offset: number) => AsyncIterable<Uint8Array>
  /** Names these very bytes over several runs while their digest is not known: diff id and compressor, exactly. */
  resumeKey?: string
  signal?: AbortSignal
}

export interface StoredBlob {
  digest: string
  sizeBytes: number
  /** Where the destination chose another form of the layer that it had already. */
  mediaType?: string
}

/**
 * One image (or index) being written. The order of calls: reuseBlob and putBlob for configs and layers, putManifest for
 * each instance and then for the image's own, putSignatures after its manifest, commit, close. Before commit nothing is
 * visible where the format permits that; close without commit undoes what it can.
 */
export interface ImageDestination {
  readonly description: string
  readonly identity: ImageIdentity
  readonly traits: DestinationTraits
  /** The blob as the destination has (or can mount) it, without bytes moved; undefined: putBlob it. */
  reuseBlob(blob: BlobToStore): Promise<StoredBlob | undefined>
  /**
   * Reads `bytes` to the end. A chunk is not used after the next is asked for. Throws what `bytes` throws, unchanged;
   * UPLOAD_BROKEN where it must have all bytes again from the first: the caller calls once more, some times.
   */
  putBlob(bytes: AsyncIterable<Uint8Array>, blob: BlobToStore): Promise<StoredBlob>
  /** `isInstance`: one of an index's, else the image's own. */
  putManifest(manifest: RawManifest, options: { isInstance: boolean } & Abortable): Promise<void>
  /** Replaces those of the manifest with that digest. Absent where traits.noSignatures is set. */
  putSignatures?(signatures: readonly Signature[], manifestDigest: string, options?: Abortable): Promise<void>
  /**
   * Makes the image visible. Throws BLOBS_GONE when blobs it reused have been deleted meanwhile: all is asked for again.
   * `topLevel`: the source's own index, where only one of its images was put (as the image's own manifest); the store
   * keeps it beside the image, which is then known by both digests.
   */
  commit(options?: { topLevel?: RawManifest } & Abortable): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}

/** Makes signatures; trust/ has one for GPG and one for sigstore keys. */
export interface Signer {
  sign(manifest: RawManifest, reference: QualifiedReference): Promise<Signature>
}

/** What reaching any transport takes; assembled once by libpod/ or the library's caller. Reads nothing until asked. */
export interface TransportContext {
  registries: () => Promise<RegistriesConfig>
  credentials: CredentialSource
  policy: () => Promise<Policy>
  /** This machine, in OCI's names. */
  platform: Platform
  /** Directories holding HOST[:PORT]/ with certificates. */
  certDirectories?: readonly string[]
  /** Directories of registries.d, where signatures are kept beside registries: the first that exists counts. */
  registriesDirectories?: readonly string[]
  /** Where signatures lie where registries.d names no place; default /var/lib/containers/sigstore, root's. */
  lookasideDirectory?: string
  /** HTTP_PROXY, HTTPS_PROXY, NO_PROXY in either case; absent: registries are reached without a proxy. */
  proxyEnv?: Readonly<Record<string, string | undefined>>
  userAgent?: string
  /** For what must be on disk for a while; default /var/tmp. */
  temporaryDirectory?: string
  /** Uploads to registries that were begun are remembered here, for the next run to go on; created when needed. Absent: they are not. */
  uploadsDirectory?: string
  /** The store that `containers-storage:` means; with `place`, another one ([driver@root+runroot:options]). */
  openStore: (place?: StorePlace) => Promise<Store>
}

export interface StorePlace {
  driver?: string
  graphRoot?: string
  runRoot?: string
  options?: readonly string[]
}

/** A context whose store is open already: what pulling and the local images use. */
export interface ImageContext extends TransportContext {
  store: Store
}

/** How one end of a copy is reached; each transport takes what concerns it. */
export interface EndpointOptions {
  tlsVerify?: boolean
  certDirectory?: string
  /** Instead of the context's. */
  credentials?: CredentialSource
  /** A bearer token, instead of any login. */
  registryToken?: string
  /** docker-daemon: unix:///path or tcp://host:port. */
  daemonHost?: string
  /** oci: blobs are kept here, for several layouts. */
  sharedBlobDirectory?: string
  /** oci: keep layers uncompressed that are. */
  acceptUncompressedLayers?: boolean
  /** dir: what layers become. */
  layers?: 'compressed' | 'uncompressed'
  /** docker-archive: further names. */
  additionalTags?: readonly QualifiedReference[]
  /** docker: hash first, to upload nothing that is there. */
  precomputeDigests?: boolean
  /** docker: instead of the context's uploadsDirectory. */
  resumeDirectory?: string
  /** Further attempts after a failure that may pass; default 3. */
  retries?: number
  /** Base of the back-off between attempts, ms; default 500. */
  retryDelayMs?: number
  /** No byte for so long: the connection counts as broken, ms; default 60,000. */
  stallTimeoutMs?: number
  signal?: AbortSignal
  onProgress?: OnPullProgress
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

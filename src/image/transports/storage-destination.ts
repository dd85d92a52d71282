/** An image being written to a store: layers are unpacked in parallel and committed from the bottom up as they arrive, the record comes last. */
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { digestHex, digestOf } from '../../oci/digest.ts'
import { maxConfigBytes, parseImageConfig, parseManifest } from '../../oci/image-types.ts'
import type { ImageConfig } from '../../oci/image-types.ts'
import { dockerManifest, ociManifest } from '../../oci/media-types.ts'
import { formatReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { encodeSignatureBlob } from '../trust/signature-blob.ts'
import type { BlobToStore, EndpointOptions, ImageDestination, RawManifest, Signature, StoredBlob, TransportContext } from '../types.ts'
import { describeStored, openStoreOf, storageIdentity } from './storage-reference.ts'
import type { StorageReference } from './storage-reference.ts'
import { diskFullError, StoredLayers } from './storage-layers.ts'
import { parseMetadata } from './storage-signatures.ts'

export interface StorageDestination extends ImageDestination {
  /** What was committed. Throws before. */
  result(): CommittedImage
}

export interface CommittedImage {
  image: ImageRecord
  /** The store had an image of that id before. */
  existed: boolean
}

export interface StorageDestinationOptions {
  /** Further names. */
  additionalNames?: readonly QualifiedReference[]
  /** How the image is called in errors; default its name. */
  shownAs?: string
  /** Layers unpacked at once; default 2: each keeps more than one processor busy and takes about 25 MB. */
  parallelLayers?: number
  /** A layer of that blob is part of the store now. */
  onLayerCommitted?: (blobDigest: string) => void
}

/** Throws BAD_IMAGE_NAME. */
export async function openStorageDestination(context: TransportContext, details: string, _options: EndpointOptions = {}): Promise<ImageDestination> {
  const { store, named } = await openStoreOf(context, details)
  return storageImageDestination(store, named)
}

/**
 * `named` may be empty: the image then gets no name. Layers stay as committed when nothing else succeeds, for the next
 * attempt to reuse; they are no image, so nothing lists them (podman leaves them in the same way). On a full disk they go. Locks are the store's,
 * held for single steps only.
 */
export function storageImageDestination(store: Store, named: StorageReference, options: StorageDestinationOptions = {}): StorageDestination {
  return new Destination(store, named, options)
}

class Destination implements StorageDestination {
  readonly description: string
  readonly identity
  readonly traits
  readonly #store: Store
  readonly #named: StorageReference
  readonly #names: readonly QualifiedReference[]
  readonly #shownAs: string
  readonly #layers: StoredLayers
  readonly #configs = new Map<string, Uint8Array>()
  readonly #signatures = new Map<string, readonly Signature[]>()
  #manifest: RawManifest | undefined
  #committed: CommittedImage | undefined
  #isDiskFull = false

  constructor(store: Store, named: StorageReference, options: StorageDestinationOptions) {
    this.#store = store
    this.#named = named
    this.#names = [...named.reference === undefined ? [] : [named.reference], ...options.additionalNames ?? []]
    this.#shownAs = options.shownAs ?? (named.reference === undefined ? named.imageId?.slice(0, 12) ?? 'image' : formatReference(named.reference))
    this.#layers = new StoredLayers(store, this.#shownAs, options.onLayerCommitted)
    this.description = describeStored(store, named)
    this.identity = storageIdentity(store, named)
    this.traits = {
      manifestTypes: [ociManifest, dockerManifest],
      indexTypes: [],
      layers: 'as-is',
      parallelBlobs: options.parallelLayers ?? 2,
      configFirst: true,
    } as const
  }

  async reuseBlob(blob: BlobToStore): Promise<StoredBlob | undefined> {
    if (blob.kind === 'layer') return this.#guarded(() => this.#layers.reuse(blob))
    const { digest } = blob
    if (digest === undefined) return undefined
    const bytes = this.#configs.get(digest) ?? await this.#storedConfig(digest)
    if (bytes === undefined) return undefined
    this.#takeConfig(digest, bytes)
    return { digest, sizeBytes: bytes.length }
  }

  async putBlob(bytes: AsyncIterable<Uint8Array>, blob: BlobToStore): Promise<StoredBlob> {
    if (blob.kind === 'layer') return this.#guarded(() => this.#layers.put(bytes, blob))
    const config = await collect(bytes, this.#shownAs)
    const digest = digestOf(config)
    if (blob.digest !== undefined && blob.digest !== digest) throw new TpodError('DIGEST_MISMATCH', `store ${this.#shownAs}: its config has digest ${digest} instead of ${blob.digest}`)
    this.#takeConfig(digest, config)
    return { digest, sizeBytes: config.length }
  }

  async putManifest(manifest: RawManifest, { isInstance }: { isInstance: boolean }): Promise<void> {
    if (isInstance) throw new TpodError('UNSUPPORTED_MANIFEST', `store ${this.#shownAs}: a store keeps single images, not an index of several`, { remedy: 'copy one platform, or use tpod manifest create' })
    this.#manifest = manifest
  }

  async putSignatures(signatures: readonly Signature[], manifestDigest: string): Promise<void> {
    this.#signatures.set(manifestDigest, signatures)
  }

  async commit({ topLevel }: { topLevel?: RawManifest } = {}): Promise<void> {
    this.#committed = await this.#guarded(() => this.#commitAll(topLevel))
  }

  async #commitAll(topLevel: RawManifest | undefined): Promise<CommittedImage> {
    try {
      const raw = this.#manifest
      if (raw === undefined) throw new Error('commit: no manifest was put')
      const manifest = parseManifest(raw.bytes, raw.mediaType, this.#shownAs)
      if (manifest.kind !== 'manifest') throw new TpodError('UNSUPPORTED_MANIFEST', `store ${this.#shownAs}: a store keeps single images, not an index`)
      this.#checkDigest(raw, topLevel)
      const config = this.#configs.get(manifest.config.digest)
      if (config === undefined) throw new TpodError('BAD_MANIFEST', `store ${this.#shownAs}: its config ${manifest.config.digest} did not come`)
      const top = await this.#layers.commitAll(manifest.layers.length)
      return await this.#putImage({ raw, topLevel: topLevel?.digest === raw.digest ? undefined : topLevel, configDigest: manifest.config.digest, config, top })
    } catch (error) {
      throw diskFullError(error, `store ${this.#shownAs}`, this.#store) ?? error
    }
  }

  result(): CommittedImage {
    if (this.#committed === undefined) throw new Error('the image was not committed')
    return this.#committed
  }

  async close(): Promise<void> {
    if (this.#isDiskFull && this.#committed === undefined) await this.#layers.withdraw().catch(() => undefined)
    await this.#layers.discard()
  }

  #takeConfig(digest: string, bytes: Uint8Array): void {
    this.#configs.set(digest, bytes)
    this.#layers.plan(parseImageConfig(bytes, this.#shownAs).rootfs.diff_ids)
  }

  /** The config of an image that the store has; a damaged one is not taken. */
  async #storedConfig(digest: string): Promise<Uint8Array | undefined> {
    const image = await this.#store.findImage(digestHex(digest))
    if (image?.['big-data-names']?.includes(digest) !== true) return undefined
    const bytes = await this.#store.readImageData(image.id, digest).catch(() => undefined)
    return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined
  }

  /** A name with a digest is given to what has that digest only. */
  #checkDigest(raw: RawManifest, topLevel: RawManifest | undefined): void {
    const wanted = this.#named.reference?.digest
    if (wanted === undefined || wanted === raw.digest || wanted === topLevel?.digest) return
    throw new TpodError('DIGEST_MISMATCH', `store ${this.#shownAs}: Manifest to be saved does not match expected digest ${wanted}`, { remedy: 'give the image a name without a digest' })
  }

  async #putImage({ raw, topLevel, configDigest, config, top }: RecordParts): Promise<CommittedImage> {
    const id = this.#named.imageId ?? digestHex(configDigest)
    const existing = await this.#store.findImage(id)
    if (existing?.id === id && (existing.layer ?? '') !== (top ?? '')) {
      throw new TpodError('IMAGE_EXISTS', `store ${this.#shownAs}: image with ID "${id}" already exists, but uses a different top layer: that ID is already in use`, { remedy: 'remove that image first' })
    }
    const bigData = new Map<string, Uint8Array>([[configDigest, config]])
    if (topLevel !== undefined) bigData.set(`manifest-${topLevel.digest}`, topLevel.bytes)
    bigData.set(`manifest-${raw.digest}`, raw.bytes)
    bigData.set('manifest', raw.bytes)
    const metadata = this.#addSignatures(raw.digest, bigData, existing)
    const created = creationTime(parseImageConfig(config, this.#shownAs))
    const image = await this.#store.putImage({
      id,
      // What the name means on the registry: `images --digests` shows the index's, as podman does.
      digest: topLevel?.digest ?? raw.digest,
      names: this.#names.map(formatReference),
      bigData,
      metadata: JSON.stringify(metadata),
      ...(top === undefined ? {} : { layer: top }),
      ...(created === undefined ? {} : { created }),
    })
    this.#layers.settle()
    return { image, existed: existing?.id === id }
  }

  /** None came: containers/image writes the empty key too, and podman's pull of the same image then changes nothing. */
  #addSignatures(ownDigest: string, bigData: Map<string, Uint8Array>, existing: ImageRecord | undefined): Record<string, unknown> {
    const sizes: Record<string, number[]> = { ...parseMetadata(existing?.metadata)['signatures-sizes'] }
    const all = new Map<string, readonly Signature[]>([[ownDigest, []], ...this.#signatures])
    for (const [digest, signatures] of all) {
      const encoded = signatures.map(encodeSignatureBlob)
      bigData.set(`signature-${digestHex(digest)}`, Buffer.concat(encoded))
      sizes[digest] = encoded.map(({ length }) => length)
    }
    const own = sizes[ownDigest]!
    if (own.length === 0) return { 'signatures-sizes': sizes }
    bigData.set('signatures', bigData.get(`signature-${digestHex(ownDigest)}`)!)
    return { 'signature-sizes': own, 'signatures-sizes': sizes }
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (errorCode(error) === 'LAYER_PARENT_GONE') {
        throw new TpodError('BLOBS_GONE', `store ${this.#shownAs}: layers that were there were deleted meanwhile`, { cause: error, remedy: 'try again' })
      }
      this.#isDiskFull ||= errorCode(error) === 'DISK_FULL'
      throw error
    }
  }
}

interface RecordParts {
  raw: RawManifest
  topLevel: RawManifest | undefined
  configDigest: string
  config: Uint8Array
  top: string | undefined
}

function creationTime({ created }: ImageConfig): string | undefined {
  return typeof created === 'string' && !Number.isNaN(Date.parse(created)) ? created : undefined
}

async function collect(bytes: AsyncIterable<Uint8Array>, shownAs: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of bytes) {
    length += chunk.length
    if (length > maxConfigBytes) throw new TpodError('BODY_TOO_LARGE', `store ${shownAs}: its config has more than ${maxConfigBytes} bytes`)
    // A copy: the chunk is the giver's again when the next is asked for.
    chunks.push(Uint8Array.from(chunk))
  }
  return Buffer.concat(chunks)
}

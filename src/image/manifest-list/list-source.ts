import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { parseManifest } from '../../oci/image-types.ts'
import type { Descriptor, ImageManifest } from '../../oci/image-types.ts'
import { digestOf } from '../../oci/digest.ts'
import type { BlobOptions, ImageIdentity, ImageSource, RawManifest, Signature } from '../types.ts'

export interface ListSourceOptions {
  description: string
  identity: ImageIdentity
  bytes: Uint8Array
  mediaType: string
  /** Opens where the entry with that digest lies. */
  openInstance: (digest: string) => Promise<ImageSource>
  /** Throws if the image must not be used, before anything but its manifest was read; absent: all may. */
  checkInstance?: (source: ImageSource, manifest: RawManifest, signal: AbortSignal | undefined) => Promise<void>
}

/**
 * A list of the store and its images, wherever they lie, as one source. An image's place is opened when its manifest is
 * asked for; blobs are then read from the place whose manifest named them.
 */
export function createListSource(options: ListSourceOptions): ImageSource {
  return new ListSource(options)
}

class ListSource implements ImageSource {
  readonly description: string
  readonly identity: ImageIdentity
  readonly #options: ListSourceOptions
  readonly #opened = new Map<string, Promise<ImageSource>>()
  /** Blob digest to the source that has it. */
  readonly #holders = new Map<string, ImageSource>()

  constructor(options: ListSourceOptions) {
    this.#options = options
    this.description = options.description
    this.identity = options.identity
  }

  async getManifest(digest?: string, options: { signal?: AbortSignal } = {}): Promise<RawManifest> {
    const { bytes, mediaType } = this.#options
    const own = { bytes, digest: digestOf(bytes), mediaType }
    if (digest === undefined || digest === own.digest) return own
    const source = await this.#instance(digest)
    const raw = await manifestOf(source, digest, options)
    await this.#options.checkInstance?.(source, raw, options.signal)
    const manifest = parseManifest(raw.bytes, raw.mediaType, source.description)
    if (manifest.kind === 'manifest') {
      this.#remember(source, manifest, await source.layersAsStored?.(manifest, digest))
    }
    return raw
  }

  async *getBlob(digest: string, options: BlobOptions = {}): AsyncGenerator<Uint8Array> {
    const holder = this.#holders.get(digest)
    if (holder === undefined) throw new TpodError('BLOB_UNKNOWN', `read blob ${digest} of ${this.description}: no image of the list has it`)
    yield* holder.getBlob(digest, options)
  }

  async layersAsStored(manifest: ImageManifest, manifestDigest: string): Promise<readonly Descriptor[] | undefined> {
    const source = await this.#instance(manifestDigest)
    const layers = await source.layersAsStored?.(manifest, manifestDigest)
    this.#remember(source, manifest, layers)
    return layers
  }

  async getSignatures(digest: string, options: { signal?: AbortSignal } = {}): Promise<readonly Signature[]> {
    // The list itself is never signed in the store.
    if (digest === digestOf(this.#options.bytes)) return []
    const source = await this.#instance(digest)
    return (await source.getSignatures?.(digest, options)) ?? []
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values())
    this.#opened.clear()
    for (const source of opened) if (source.status === 'fulfilled') await source.value.close()
  }

  #instance(digest: string): Promise<ImageSource> {
    let source = this.#opened.get(digest)
    if (source === undefined) this.#opened.set(digest, (source = this.#options.openInstance(digest)))
    return source
  }

  #remember(source: ImageSource, manifest: ImageManifest, stored: readonly Descriptor[] | undefined): void {
    for (const { digest } of [manifest.config, ...manifest.layers, ...(stored ?? [])]) this.#holders.set(digest, source)
  }
}

/** A place holds the image itself, or an index that refers to it. */
async function manifestOf(source: ImageSource, digest: string, options: { signal?: AbortSignal }): Promise<RawManifest> {
  try {
    return await source.getManifest(digest, options)
  } catch (error) {
    if (errorCode(error) !== 'MANIFEST_UNKNOWN') throw error
    const own = await source.getManifest(undefined, options)
    if (own.digest === digest) return own
    throw error
  }
}

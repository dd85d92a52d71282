/** An image of a store as a source: documents from its data, layers rebuilt from what was unpacked, without compression. */
import { errorCode, TpodError, throwIfAborted } from '../../errors/tpod-error.ts'
import { digestOf, isDigest } from '../../oci/digest.ts'
import { maxConfigBytes, parseImageConfig, parseManifest } from '../../oci/image-types.ts'
import type { Descriptor, ImageManifest } from '../../oci/image-types.ts'
import type { ImageRecord, LayerRecord, Store } from '../../storage/types.ts'
import { dockerManifest, ociManifest } from '../../oci/media-types.ts'
import type { BlobOptions, EndpointOptions, ImageSource, RawManifest, TransportContext } from '../types.ts'
import type { LayerRepositories } from '../push/layer-forms.ts'
import { findStoredImage, openStoreOf, storageIdentity } from './storage-reference.ts'
import type { StorageReference } from './storage-reference.ts'

/** Throws BAD_IMAGE_NAME, NO_SUCH_IMAGE. */
export async function openStorageSource(context: TransportContext, details: string, _options: EndpointOptions = {}): Promise<ImageSource> {
  const { store, named } = await openStoreOf(context, details)
  return storageImageSource(store, await findStoredImage(store, named), named)
}

/**
 * `named`: by which name the image is asked for; with a digest in it, that manifest is the image's own. Holds no lock:
 * an image removed meanwhile ends the reading with an error. Layers come uncompressed, byte for byte as they were
 * packed; the bytes that a registry once sent are not kept.
 */
export function storageImageSource(store: Store, image: ImageRecord, named: StorageReference = {}): ImageSource {
  const description = named.reference === undefined ? image.names?.[0] ?? image.id : storageIdentity(store, named).name
  const stored: StoredImage = { store, image, shownAs: image.names?.[0] ?? image.id.slice(0, 12), layersByDigest: new Map(), chain: [] }
  return {
    description,
    identity: storageIdentity(store, { ...named, imageId: image.id }),
    getManifest: (digest) => readManifest(stored, digest ?? ownDigest(image, named)),
    getBlob: (digest, options = {}) => readBlob(stored, digest, options),
    layersAsStored: (manifest) => layersAsStored(stored, manifest),
    async layerForms(diffId) {
      if (stored.manifest === undefined) return []
      const { layerRepositories, readLayerForms } = await import('../push/layer-forms.ts')
      stored.repositories ??= layerRepositories(store, stored.chain)
      return readLayerForms(store, stored.chain, stored.manifest, diffId, stored.repositories)
    },
    async rememberLayerForm(diffId, form) {
      const { rememberLayerForm } = await import('../push/layer-forms.ts')
      await rememberLayerForm(store, diffId, form)
    },
    getSignatures: async (digest) => {
      const { readStoredSignatures } = await import('./storage-signatures.ts')
      return readStoredSignatures(store, image, digest ?? image['big-data-digests']?.['manifest'] ?? image.digest ?? '')
    },
    close: async () => undefined,
  }
}

interface StoredImage {
  store: Store
  image: ImageRecord
  shownAs: string
  /** Diff id to a layer that has it. */
  layersByDigest: Map<string, string>
  /** Bottom first, and the manifest that lists them, once layersAsStored was asked. */
  chain: readonly LayerRecord[]
  manifest?: ImageManifest
  repositories?: LayerRepositories
}

/** The digest asked for by name, where its manifest is kept; undefined: the image's default. */
function ownDigest(image: ImageRecord, { reference }: StorageReference): string | undefined {
  const digest = reference?.digest
  return digest !== undefined && image['big-data-names']?.includes(`manifest-${digest}`) === true ? digest : undefined
}

async function readManifest({ store, image, shownAs }: StoredImage, digest: string | undefined): Promise<RawManifest> {
  const keys = image['big-data-names'] ?? []
  const isOwn = digest === undefined || image['big-data-digests']?.['manifest'] === digest
  const key = digest !== undefined && keys.includes(`manifest-${digest}`) ? `manifest-${digest}` : isOwn ? 'manifest' : undefined
  if (key === undefined) {
    throw new TpodError('MANIFEST_UNKNOWN', `read ${shownAs}: its manifest ${digest} is not in the store, which keeps one image of an index`, { remedy: 'copy the index from its registry' })
  }
  const bytes = await readData(store, image, key, shownAs)
  const actual = digestOf(bytes)
  if (digest !== undefined && actual !== digest) throw new TpodError('IMAGE_DAMAGED', `read ${shownAs}: its manifest has digest ${actual} instead of ${digest}`, { remedy: 'pull it again' })
  return { bytes, digest: actual, mediaType: mediaTypeOf(bytes) }
}

/** As far as we know the format; the parser says what is wrong with others. */
function mediaTypeOf(bytes: Uint8Array): string {
  try {
    return parseManifest(bytes, '', '').mediaType
  } catch {
    return ''
  }
}

async function readData(store: Store, image: ImageRecord, key: string, shownAs: string): Promise<Buffer> {
  try {
    return await store.readImageData(image.id, key)
  } catch (cause) {
    if (errorCode(cause) !== 'NO_SUCH_IMAGE_DATA') throw cause
    throw new TpodError('IMAGE_DAMAGED', `read image ${shownAs}: its ${key.startsWith('manifest') ? 'manifest' : 'config'} is missing from the store`, { cause, remedy: 'pull it again, or remove it' })
  }
}

const uncompressedTypes: Readonly<Record<string, string>> = {
  [ociManifest]: 'application/vnd.oci.image.layer.v1.tar',
  [dockerManifest]: 'application/vnd.docker.image.rootfs.diff.tar',
}

async function layersAsStored(stored: StoredImage, manifest: ImageManifest): Promise<readonly Descriptor[]> {
  const { store, image, shownAs, layersByDigest } = stored
  const chain: LayerRecord[] = []
  for (let id = image.layer; id !== undefined && id !== ''; id = chain[0]!.parent) {
    const layer = await store.findLayer(id)
    if (layer === undefined || chain.some((known) => known.id === id)) throw new TpodError('IMAGE_DAMAGED', `read ${shownAs}: its layer ${id.slice(0, 12)} is not in the store`, { remedy: 'pull it again' })
    chain.unshift(layer)
  }
  if (chain.length !== manifest.layers.length) {
    throw new TpodError('IMAGE_DAMAGED', `read ${shownAs}: the store has ${chain.length} layers of it, its manifest ${manifest.layers.length}`, { remedy: 'pull it again' })
  }
  Object.assign(stored, { chain, manifest })
  const mediaType = uncompressedTypes[manifest.mediaType] ?? uncompressedTypes[ociManifest]!
  const descriptors: Descriptor[] = []
  for (const [index, layer] of chain.entries()) {
    const { digest, size } = await measuredLayer(stored, manifest, layer, index)
    layersByDigest.set(digest, layer.id)
    descriptors.push({ mediaType, digest, size })
  }
  return descriptors
}

/** Some old layers have no digest or size in their record: the config knows the one, reading the layer gives the other. */
async function measuredLayer({ store, image, shownAs }: StoredImage, manifest: ImageManifest, layer: LayerRecord, index: number): Promise<{ digest: string; size: number }> {
  const recorded = layer['diff-digest']
  const digest = recorded !== undefined && isDigest(recorded)
    ? recorded
    : parseImageConfig(await readData(store, image, manifest.config.digest, shownAs), shownAs).rootfs.diff_ids[index]
  if (digest === undefined) throw new TpodError('IMAGE_DAMAGED', `read ${shownAs}: the digest of its layer ${layer.id.slice(0, 12)} is unknown`, { remedy: 'pull it again' })
  const size = layer['diff-size']
  if (size !== undefined && size >= 0) return { digest, size }
  let counted = 0
  for await (const chunk of store.readLayerTar(layer.id)) counted += chunk.length
  return { digest, size: counted }
}

async function* readBlob(stored: StoredImage, digest: string, { offset = 0, sizeBytes, signal }: BlobOptions): AsyncGenerator<Uint8Array> {
  const { store, image, shownAs, layersByDigest } = stored
  const layerId = layersByDigest.get(digest)
  if (layerId === undefined) {
    if (image['big-data-names']?.includes(digest) !== true) {
      throw new TpodError('BLOB_UNKNOWN', `read ${shownAs}: the store keeps layers uncompressed, blob ${digest.slice(7, 19)} is not there`, { remedy: 'copy the image from its registry' })
    }
    const bytes = await readData(store, image, digest, shownAs)
    if (bytes.length > maxConfigBytes) throw new TpodError('BODY_TOO_LARGE', `read ${shownAs}: its config has ${bytes.length} bytes, more than ${maxConfigBytes}`)
    yield bytes.subarray(offset)
    return
  }
  let position = 0
  for await (const chunk of store.readLayerTar(layerId)) {
    throwIfAborted(signal)
    position += chunk.length
    if (sizeBytes !== undefined && position > sizeBytes) throw new TpodError('LAYER_DAMAGED', `read ${shownAs}: layer ${layerId.slice(0, 12)} has more than its ${sizeBytes} bytes`)
    const skipped = Math.max(0, offset - (position - chunk.length))
    if (skipped < chunk.length) yield skipped === 0 ? chunk : chunk.subarray(skipped)
  }
}

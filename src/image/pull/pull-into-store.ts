/** From an open source into the store: what every pull does, from wherever. */
import { errorCode, throwIfAborted } from '../../errors/tpod-error.ts'
import { sweepTemporaryDirectories } from '../../host/fs/temporary.ts'
import { digestHex, digestOf } from '../../oci/digest.ts'
import { maxConfigBytes, parseImageConfig } from '../../oci/image-types.ts'
import { formatPlatform, suitsPlatform } from '../../oci/platform.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { copyImage } from '../copy/copy-image.ts'
import { pruneOrphanLayers } from './new-layers.ts'
import { openPartialBlobs, prunePartialBlobs, withBlobs } from './partial-blobs.ts'
import type { PartialBlobs } from './partial-blobs.ts'
import { storageImageDestination } from '../transports/storage-destination.ts'
import type { CommittedImage } from '../transports/storage-destination.ts'
import { describeNamed } from '../transports/storage-reference.ts'
import type { StorageReference } from '../transports/storage-reference.ts'
import type { ImageContext, ImageSource, PullOptions } from '../types.ts'

/** Unpacking keeps more than one processor busy per layer, and each layer at work takes about 25 MB. */
const defaultParallelLayers = 2

/**
 * Copies the source's image (of an index: the platform's) into the context's store as `named`, which may be empty.
 * What policy.json says of the source is checked first. Large blobs of registries are kept while they come, so that the
 * next run goes on where this one was interrupted; bytes kept that turn out wrong are thrown away and fetched anew, once.
 * The source is the caller's to close.
 */
export async function pullIntoStore(context: ImageContext, source: ImageSource, named: StorageReference, options: PullOptions): Promise<CommittedImage> {
  const partials = source.identity.transport === 'docker' ? openPartialBlobs(context.store) : undefined
  try {
    const committed = await copyOnce(context, source, named, options, partials).catch((error: unknown) => {
      throwIfAborted(options.signal)
      // What is kept is worth less than space for what runs here.
      if (errorCode(error) === 'DISK_FULL') partials?.dropAll()
      if (partials === undefined || !isWrongContent(error) || !partials.dropAll()) throw error
      return copyOnce(context, source, named, options, partials)
    })
    await warnOfPlatform(context, committed.image, named, options)
    return committed
  } finally {
    partials?.close()
    if (partials !== undefined) await prune(context)
  }
}

/** What earlier failures left: nobody repeated those pulls. What others left where large files go, too. */
async function prune({ store, temporaryDirectory = '/var/tmp' }: ImageContext): Promise<void> {
  await prunePartialBlobs(store)
  await pruneOrphanLayers(store)
  await sweepTemporaryDirectories(temporaryDirectory)
}

async function copyOnce(context: ImageContext, source: ImageSource, named: StorageReference, options: PullOptions, partials: PartialBlobs | undefined): Promise<CommittedImage> {
  const parallelLayers = options.parallelLayers ?? defaultParallelLayers
  const destination = storageImageDestination(context.store, named, {
    parallelLayers,
    ...(partials === undefined ? {} : { onLayerCommitted: partials.drop }),
  })
  try {
    await copyImage(context, withStoredConfigs(context.store, partials?.resuming(source) ?? source), destination, {
      parallelLayers,
      policy: await context.policy(),
      ...(options.platform === undefined ? {} : { platform: options.platform }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    })
    return destination.result()
  } finally {
    await destination.close()
  }
}

/** The config of an image that is here need not be asked for; whoever reads it compares its digest. */
function withStoredConfigs(store: Store, source: ImageSource): ImageSource {
  return withBlobs(source, async function* (digest, options = {}) {
    const image = options.sizeBytes === undefined || options.sizeBytes > maxConfigBytes ? undefined : await store.findImage(digestHex(digest))
    const bytes = image?.['big-data-digests']?.[digest] === digest ? await store.readImageData(image.id, digest).catch(() => undefined) : undefined
    // A damaged copy is replaced by a fetched one.
    if (bytes === undefined || digestOf(bytes) !== digest) yield* source.getBlob(digest, options)
    else yield bytes.subarray(options.offset ?? 0)
  })
}

function isWrongContent(error: unknown): boolean {
  return /^(?:DIGEST_MISMATCH|ARCHIVE_)/.test(errorCode(error) ?? '')
}

async function warnOfPlatform({ store, platform: host }: ImageContext, image: ImageRecord, named: StorageReference, { platform, onProgress }: PullOptions): Promise<void> {
  const key = `sha256:${image.id}`
  if (onProgress === undefined || image['big-data-names']?.includes(key) !== true) return
  const shownAs = describeNamed(named) || image.id.slice(0, 12)
  const bytes = await store.readImageData(image.id, key).catch((error: unknown) => {
    // Pulled, and removed by somebody since.
    if (errorCode(error)?.startsWith('NO_SUCH_IMAGE')) return undefined
    throw error
  })
  if (bytes === undefined) return
  const config = parseImageConfig(bytes, shownAs)
  const wanted = platform ?? host
  if (config.os === '' || suitsPlatform(config, wanted)) return
  onProgress({ type: 'warning', message: `image platform (${formatPlatform(config)}) of ${shownAs} does not match the expected platform (${formatPlatform(wanted)})` })
}

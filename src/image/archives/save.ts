/** Images of the store as files that travel: what `podman save` writes. */
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import { copyImage } from '../copy/copy-image.ts'
import type { CopyOptions } from '../copy/types.ts'
import { isManifestList } from '../local/image-data.ts'
import type { OnPullProgress } from '../progress.ts'
import { getLocalImage } from '../local/resolve-local.ts'
import type { LocalImage } from '../local/resolve-local.ts'
import { normalizeNewName } from '../local/tag.ts'
import { storageImageSource } from '../transports/storage-source.ts'
import type { EndpointOptions, ImageContext, ImageDestination } from '../types.ts'

export type SaveFormat = 'docker-archive' | 'oci-archive' | 'oci-dir' | 'docker-dir'

export interface SaveOptions {
  /** Default docker-archive. */
  format?: SaveFormat
  /** docker-dir: layers compressed. */
  compress?: boolean
  /** oci-archive, oci-dir: layers may stay uncompressed. */
  uncompressed?: boolean
  /** Names beyond the first are images of their own, not further tags of the first (docker-archive only). */
  multiImage?: boolean
  signal?: AbortSignal
  onProgress?: OnPullProgress
}

interface ImageToSave {
  local: LocalImage
  tags: QualifiedReference[]
}

/**
 * Writes images to `path`: a file that appears when it is whole (docker-archive refuses one with content, as podman does),
 * a stream (/dev/stdout), or a directory. Signatures are left out. Holds no lock; layers are read back from the store
 * byte for byte, each file compared with its checksum.
 * Throws NO_SUCH_IMAGE, IMAGE_IS_LIST, BAD_FLAG, BAD_REFERENCE, ARCHIVE_EXISTS, NO_SPACE, IMAGE_DAMAGED, LAYER_DAMAGED.
 */
export async function saveImages(context: ImageContext, names: readonly string[], path: string, options: SaveOptions = {}): Promise<void> {
  const format = options.format ?? 'docker-archive'
  if (options.multiImage === true && names.length > 1 && format !== 'docker-archive') throw new TpodError('BAD_FLAG', `unsupported format ${JSON.stringify(format)} for saving multiple images (only docker-archive)`)
  if (format === 'docker-archive') await saveDockerArchive(context, names, path, options)
  else await saveOne(context, format, names[0] ?? '', path, options)
}

async function saveDockerArchive(context: ImageContext, names: readonly string[], path: string, options: SaveOptions): Promise<void> {
  const images = await imagesToSave(context, names, options.multiImage === true)
  const { DockerArchiveWriter } = await import('../transports/docker-archive-writer.ts')
  const writer = DockerArchiveWriter.open(path, context.temporaryDirectory)
  try {
    for (const { local, tags } of images) {
      await copyFromStore(context, local, writer.destination({ transport: 'docker-archive', name: path, policyScopes: [] }, tags), { ...options, format: 'v2s2' })
    }
    await writer.finish()
  } finally {
    await writer.close()
  }
}

async function saveOne(context: ImageContext, format: Exclude<SaveFormat, 'docker-archive'>, name: string, path: string, options: SaveOptions): Promise<void> {
  const local = await localImage(context, name)
  const tag = local.isById ? '' : local.resolvedName
  const endpoint: EndpointOptions = { ...(options.signal === undefined ? {} : { signal: options.signal }), ...(options.uncompressed === true ? { acceptUncompressedLayers: true } : {}), ...(options.compress === true ? { layers: 'compressed' } : {}) }
  const { openDestination } = await import('../transports/open-destination.ts')
  const destination = await openDestination(context, format === 'docker-dir' ? { transport: 'dir', details: path } : { transport: format === 'oci-dir' ? 'oci' : 'oci-archive', details: `${path}:${tag}` }, endpoint)
  try {
    await copyFromStore(context, local, destination, { ...options, format: format === 'docker-dir' ? 'v2s2' : 'oci' })
  } finally {
    await destination.close()
  }
}

async function copyFromStore(context: ImageContext, local: LocalImage, destination: ImageDestination, { format, signal, onProgress }: { format: CopyOptions['format'] & string; signal?: AbortSignal; onProgress?: OnPullProgress }): Promise<void> {
  const source = storageImageSource(context.store, local.image)
  try {
    await copyImage(context, source, destination, {
      format,
      removeSignatures: true,
      policy: await context.policy(),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
  } finally {
    await source.close()
  }
}

/** Each image once, in the order named, with all names it was asked for by. */
async function imagesToSave(context: ImageContext, names: readonly string[], isMultiImage: boolean): Promise<ImageToSave[]> {
  const images = new Map<string, ImageToSave>()
  for (const name of isMultiImage ? names : names.slice(0, 1)) {
    const local = await localImage(context, name)
    const image = images.get(local.image.id) ?? { local, tags: [] }
    images.set(local.image.id, image)
    const tag = tagOf(local)
    if (tag !== undefined) image.tags.push(tag)
  }
  const [first] = images.values()
  if (!isMultiImage) first?.tags.unshift(...names.slice(1).map((name) => qualified(normalizeNewName(name))))
  return [...images.values()]
}

async function localImage(context: ImageContext, name: string): Promise<LocalImage> {
  const local = await getLocalImage(context.store, context.registries, name)
  if (isManifestList(local.image)) throw new TpodError('IMAGE_IS_LIST', `save ${name}: it is a manifest list`, { remedy: `push it with its images: tpod manifest push --all ${name} oci:DIRECTORY` })
  return local
}

function tagOf({ resolvedName, isById }: LocalImage): QualifiedReference | undefined {
  const reference = isById ? undefined : qualified(resolvedName)
  return reference?.tag === undefined ? undefined : reference
}

function qualified(name: string): QualifiedReference {
  const reference = parseReference(name)
  return { ...reference, name: formatReference({ domain: reference.domain, path: reference.path }) }
}

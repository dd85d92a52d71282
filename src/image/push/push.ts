/** Pushing: an image of the store to a registry, or to any other place. */
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, isShortName, parseReference, qualifyReference, withDefaultTag } from '../../oci/reference.ts'
import { copyImage } from '../copy/copy-image.ts'
import type { CopyOptions } from '../copy/types.ts'
import { isManifestList } from '../local/image-data.ts'
import { getLocalImage } from '../local/resolve-local.ts'
import type { LocalImage } from '../local/resolve-local.ts'
import { parseImageName, transportOf } from '../transports/image-name.ts'
import type { ImageName } from '../transports/image-name.ts'
import { openDestination } from '../transports/open-destination.ts'
import { storageImageSource } from '../transports/storage-source.ts'
import { parseStorageReference } from '../transports/storage-reference.ts'
import type { EndpointOptions, ImageContext } from '../types.ts'

export interface PushOptions extends Pick<CopyOptions, 'format' | 'compression' | 'removeSignatures' | 'signers' | 'parallelLayers'>, EndpointOptions {}

export interface PushedImage {
  imageId: string
  /** What was pushed to, `transport:details`. */
  destination: string
  /** Of the manifest that the destination now has. */
  digest: string
}

/**
 * Copies the local image `name` to `destination`, whose default is the image's own name on its registry; without a
 * transport it is a name on a registry. Layers are compressed while they are sent; those that the destination has are
 * not read. An interrupted push to a registry leaves what arrived, for the next one to find. Holds no lock.
 *
 * A manifest list goes with all its images. Throws NO_SUCH_IMAGE, BAD_IMAGE_NAME, BAD_REFERENCE, REGISTRY_*, and what the destination's transport throws.
 */
export async function pushImage(context: ImageContext, name: string, destination: string | undefined, options: PushOptions = {}): Promise<PushedImage> {
  const local = await getLocalImage(context.store, context.registries, localName(name))
  if (isManifestList(local.image)) return pushList(context, local, name, destination, options)
  const { endpoint, copy } = splitOptions(options)
  const target = destinationName(local, name, destination)
  const source = storageImageSource(context.store, local.image, local.isById ? {} : await parseStorageReference(context.store, local.resolvedName))
  const opened = await openDestination(context, target, { ...endpoint, ...archiveTags(local, target) })
  try {
    const { manifest } = await copyImage(context, source, opened, { ...copy, policy: await context.policy() })
    return { imageId: local.image.id, destination: `${target.transport}:${target.details}`, digest: manifest.digest }
  } finally {
    await Promise.all([opened.close(), source.close()])
  }
}

async function pushList(context: ImageContext, local: LocalImage, name: string, destination: string | undefined, options: PushOptions): Promise<PushedImage> {
  const [{ getStoredList }, { pushStoredList }] = await Promise.all([import('../manifest-list/stored-list.ts'), import('../manifest-list/push-list.ts')])
  const { endpoint, copy } = splitOptions(options)
  const target = destinationName(local, name, destination)
  const { manifest } = await pushStoredList(context, await getStoredList(context.store, context.registries, local.image.id), target, { endpoint, ...copy })
  return { imageId: local.image.id, destination: `${target.transport}:${target.details}`, digest: manifest.digest }
}

function splitOptions({ format, compression, removeSignatures, signers, parallelLayers, ...endpoint }: PushOptions): { endpoint: EndpointOptions; copy: CopyOptions } {
  const copy = {
    ...(format === undefined ? {} : { format }),
    ...(compression === undefined ? {} : { compression }),
    ...(removeSignatures === undefined ? {} : { removeSignatures }),
    ...(signers === undefined ? {} : { signers }),
    ...(parallelLayers === undefined ? {} : { parallelLayers }),
    ...(endpoint.signal === undefined ? {} : { signal: endpoint.signal }),
    ...(endpoint.onProgress === undefined ? {} : { onProgress: endpoint.onProgress }),
  }
  return { endpoint, copy }
}

/** The source may be written with its transport. */
function localName(name: string): string {
  return name.startsWith('containers-storage:') ? name.slice('containers-storage:'.length).replace(/^\[[^\]]*\]/, '').replace(/^@/, '') : name
}

function destinationName(local: LocalImage, name: string, destination: string | undefined): ImageName {
  if (destination !== undefined && destination !== '') {
    return transportOf(destination) === undefined ? { transport: 'docker', details: `//${destination}` } : parseImageName(destination)
  }
  if (local.isById) {
    throw new TpodError('BAD_REFERENCE', `push ${local.resolvedName}: an image id says nothing about where to push to`, { remedy: `push ${local.image.names?.[0] ?? `${local.resolvedName} REGISTRY/NAME`}` })
  }
  return { transport: 'docker', details: `//${ownDestination(localName(name), local.resolvedName)}` }
}

/**
 * Where an image goes that is pushed under its own name. A short name that was found as `localhost/NAME` means docker.io, as
 * with podman and docker: `localhost` is where names without a registry are kept, and seldom is one.
 */
export function ownDestination(typed: string, resolvedName: string): string {
  const reference = parseReference(resolvedName)
  if (reference.domain !== 'localhost') return formatReference(reference)
  const short = parseReference(typed)
  return formatReference(isShortName(short) ? withDefaultTag(qualifyReference(short, 'docker.io')) : reference)
}

/** The name stays with the image in a docker archive. */
function archiveTags(local: LocalImage, { transport }: ImageName): EndpointOptions {
  if (transport !== 'docker-archive' || local.isById) return {}
  const reference = parseReference(local.resolvedName)
  return reference.tag === undefined ? {} : { additionalTags: [{ ...reference, name: `${reference.domain}/${reference.path}` }] }
}

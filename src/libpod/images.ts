/** Images by engine: what the image layer does with a store and a registries.conf, for callers that have an engine. */
import type { Outcome } from '../errors/outcome.ts'
import type { ImageInspect } from '../image/inspect.ts'
import type { ImageEntry, ListOptions as ListImagesOptions } from '../image/list.ts'
import type { PulledImage } from '../image/pull.ts'
import type { RemovedImage, RemoveOptions } from '../image/remove.ts'
import type { PullOptions } from '../image/types.ts'
import type { ImageRecord } from '../storage/types.ts'
import type { Engine } from './engine.ts'
import { imageContext, registriesOf, type RegistryAccess } from './image-context.ts'

export interface PullImageOptions extends Omit<PullOptions, 'credentials'>, RegistryAccess {}

export interface RemoveImagesOptions extends Omit<RemoveOptions, 'removeContainers'> {
  signal?: AbortSignal
}

/** Makes the image exist in the store; contract and errors as in image/pull.ts. */
export async function pullImage(engine: Engine, name: string, options: PullImageOptions = {}): Promise<PulledImage> {
  const { authFile, credentials, ...pull } = options
  const { pullImage: pullInto } = await import('../image/pull.ts')
  return pullInto(imageContext(engine, { authFile, credentials }), name, pull)
}

/** Newest first. Throws BAD_FILTER. */
export async function listImages(engine: Engine, options: ListImagesOptions = {}): Promise<ImageEntry[]> {
  const { listImages: list } = await import('../image/list.ts')
  return list(engine.store, registriesOf(engine), options)
}

/** podman's `image inspect`. Throws NO_SUCH_IMAGE. */
export async function inspectImage(engine: Engine, nameOrId: string): Promise<ImageInspect> {
  const { inspectImage: inspect } = await import('../image/inspect.ts')
  return inspect(engine.store, registriesOf(engine), nameOrId)
}

/** Adds names. Throws NO_SUCH_IMAGE, BAD_REFERENCE. */
export async function tagImage(engine: Engine, nameOrId: string, newNames: readonly string[]): Promise<ImageRecord> {
  const { tagImage: tag } = await import('../image/tag.ts')
  return tag(engine.store, registriesOf(engine), nameOrId, newNames)
}

/** Takes the given names away; none: all of them. */
export async function untagImage(engine: Engine, nameOrId: string, names: readonly string[] = []): Promise<ImageRecord> {
  const { untagImage: untag } = await import('../image/tag.ts')
  return untag(engine.store, registriesOf(engine), nameOrId, names)
}

/** One outcome per name; with `force` an image's containers go first. Nothing is thrown for a single image's failure. */
export async function removeImages(engine: Engine, names: readonly string[], options: RemoveImagesOptions = {}): Promise<Outcome<RemovedImage>[]> {
  const { signal, ...rest } = options
  const { removeImages: remove } = await import('../image/remove.ts')
  return remove(engine.store, registriesOf(engine), names, { ...rest, removeContainers: ({ id }) => removeUsers(engine, id, signal) })
}

async function removeUsers(engine: Engine, imageId: string, signal: AbortSignal | undefined): Promise<void> {
  const { removeContainer } = await import('./container/remove-container.ts')
  for (const container of await engine.store.listContainers()) {
    if (container.image === imageId) await removeContainer(engine, container.id, { force: true, ...(signal === undefined ? {} : { signal }) })
  }
}

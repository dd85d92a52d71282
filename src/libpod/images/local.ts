/** Local images by engine: lists, names, history, layers, mounts, differences and removal; what image/local/ does with a store and a registries.conf. */
import { existsSync } from 'node:fs'
import type { ImageInspect } from '../../image/local/inspect.ts'
import type { ImageEntry, ListOptions as ListImagesOptions } from '../../image/local/list.ts'
import type { RemovedImage, RemoveOptions } from '../../image/local/remove.ts'
import type { HistoryStep } from '../../image/local/history.ts'
import type { ImageLayerTree } from '../../image/local/layer-tree.ts'
import type { MountedImage } from '../../image/local/mount.ts'
import type { PrunedImage, PruneOptions } from '../../image/local/prune.ts'
import type { Outcome } from '../../errors/outcome.ts'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import type { ImageRecord, LayerChange } from '../../storage/types.ts'
import type { Engine } from '../engine.ts'
import { registriesOf, temporaryDirectoryOf } from '../image-context.ts'

export interface RemoveImagesOptions extends Omit<RemoveOptions, 'removeContainers'> {
  signal?: AbortSignal
}

/** Newest first. Throws BAD_FILTER. */
export async function listImages(engine: Engine, options: ListImagesOptions = {}): Promise<ImageEntry[]> {
  const { listImages: list } = await import('../../image/local/list.ts')
  return list(engine.store, registriesOf(engine), options)
}

/** podman's `image inspect`. Throws NO_SUCH_IMAGE. */
export async function inspectImage(engine: Engine, nameOrId: string): Promise<ImageInspect> {
  const { inspectImage: inspect } = await import('../../image/local/inspect.ts')
  return inspect(engine.store, registriesOf(engine), nameOrId)
}

/** Adds names. Throws NO_SUCH_IMAGE, BAD_REFERENCE. */
export async function tagImage(engine: Engine, nameOrId: string, newNames: readonly string[]): Promise<ImageRecord> {
  const { tagImage: tag } = await import('../../image/local/tag.ts')
  return tag(engine.store, registriesOf(engine), nameOrId, newNames)
}

/** Takes the given names away; none: all of them. */
export async function untagImage(engine: Engine, nameOrId: string, names: readonly string[] = []): Promise<ImageRecord> {
  const { untagImage: untag } = await import('../../image/local/tag.ts')
  return untag(engine.store, registriesOf(engine), nameOrId, names)
}

/** One outcome per name; with `force` an image's containers go first. Nothing is thrown for a single image's failure. */
export async function removeImages(engine: Engine, names: readonly string[], options: RemoveImagesOptions = {}): Promise<Outcome<RemovedImage>[]> {
  const { signal, ...rest } = options
  const { removeImages: remove } = await import('../../image/local/remove.ts')
  return remove(engine.store, registriesOf(engine), names, { ...rest, removeContainers: ({ id }) => removeUsers(engine, id, signal) })
}

async function removeUsers(engine: Engine, imageId: string, signal: AbortSignal | undefined): Promise<void> {
  const { removeContainer } = await import('../container/remove-container.ts')
  for (const container of await engine.store.listContainers()) {
    if (container.image === imageId) await removeContainer(engine, container.id, { force: true, ...(signal === undefined ? {} : { signal }) })
  }
}

/** Newest step first. Throws NO_SUCH_IMAGE. */
export async function imageHistory(engine: Engine, nameOrId: string): Promise<HistoryStep[]> {
  const { imageHistory: history } = await import('../../image/local/history.ts')
  return history(engine.store, registriesOf(engine), nameOrId)
}

/** The image's layers; with `children` all that stands on it. Throws NO_SUCH_IMAGE. */
export async function imageLayerTree(engine: Engine, nameOrId: string, options: { children?: boolean } = {}): Promise<ImageLayerTree> {
  const { imageLayerTree: tree } = await import('../../image/local/layer-tree.ts')
  return tree(engine.store, registriesOf(engine), nameOrId, options)
}

/** Mounts images read-only (counted): those named, or with `all` each that is not in a read-only store. */
export async function mountImages(engine: Engine, names: readonly string[], options: { all?: boolean } = {}): Promise<MountedImage[]> {
  const { mountImages: mount } = await import('../../image/local/mount.ts')
  return mount(engine.store, registriesOf(engine), names, options)
}

/** Images that are mounted now, by whatever tool. */
export async function listMountedImages(engine: Engine): Promise<MountedImage[]> {
  const { listMountedImages: list } = await import('../../image/local/mount.ts')
  return list(engine.store)
}

/** Undoes one mount of each image, or all with `force`; those that are not mounted are passed over. */
export async function unmountImages(engine: Engine, names: readonly string[], options: { all?: boolean; force?: boolean } = {}): Promise<Outcome<string>[]> {
  const { unmountImages: unmount } = await import('../../image/local/mount.ts')
  return unmount(engine.store, registriesOf(engine), names, options)
}

export interface PruneImagesOptions extends Pick<PruneOptions, 'all' | 'external' | 'filters' | 'dryRun' | 'signal'> {
  /** What builds keep between their runs in RUN --mount=type=cache goes, too: buildah's directory for this user. */
  buildCache?: boolean
}

export interface PruneReport {
  images: Outcome<PrunedImage>[]
  /** Present with buildCache, where there is such a directory. */
  buildCache?: { path: string; freedBytes: number }
  /** Bytes kept of interrupted pulls, removed too; 0 with dryRun or filters. */
  partialBlobBytes: number
}

/** Contract as image/local/prune.ts; `external` are buildah's working containers, never those of podman or CRI-O. */
export async function pruneImages(engine: Engine, options: PruneImagesOptions = {}): Promise<PruneReport> {
  const { buildCache, ...prune } = options
  const { pruneImages: removeUnused } = await import('../../image/local/prune.ts')
  const isExternalContainer = (id: string): boolean => existsSync(`${engine.store.containerDirectory(id)}/buildah.json`)
  const removeContainers = async ({ id: imageId }: { id: string }): Promise<void> => {
    for (const { id, image } of await engine.store.listContainers()) if (image === imageId && isExternalContainer(id)) await engine.store.deleteContainer(id)
  }
  const temporaryDirectory = temporaryDirectoryOf(engine)
  // First: on a full disk the rest may need the space.
  const partialBlobBytes = options.dryRun !== true && (options.filters ?? []).length === 0 ? await pruneInterruptedPulls(engine, temporaryDirectory) : 0
  const images = await removeUnused(engine.store, registriesOf(engine), { ...prune, isExternalContainer, removeContainers })
  if (buildCache !== true) return { images, partialBlobBytes }
  const { pruneBuildCache } = await import('./build-cache.ts')
  const cache = await pruneBuildCache(temporaryDirectory, { dryRun: options.dryRun ?? false })
  return { images, partialBlobBytes, ...(cache === undefined ? {} : { buildCache: cache }) }
}

/** No image, so nothing that is listed: what crashes and pulls that nobody repeated have left. Gives bytes of partial blobs. */
async function pruneInterruptedPulls({ store }: Engine, temporaryDirectory: string): Promise<number> {
  const [{ prunePartialBlobs }, { pruneOrphanLayers }, { pruneLayerForms }, { sweepTemporaryDirectories }] = await Promise.all([
    import('../../image/pull/partial-blobs.ts'), import('../../image/pull/new-layers.ts'), import('../../image/push/layer-forms.ts'), import('../../host/fs/temporary.ts'),
  ])
  const freed = await prunePartialBlobs(store, { olderThanMs: 0 })
  await store.recover()
  // Where a manifest push --add-compression was killed lie whole images.
  for (const directory of new Set([temporaryDirectory, '/var/tmp'])) await sweepTemporaryDirectories(directory)
  await pruneOrphanLayers(store)
  await pruneLayerForms(store)
  return freed
}

export type DiffKind = 'image' | 'container' | 'any'

/** What podman puts into containers for their start: no change of theirs. */
const ownPaths: ReadonlySet<string> = new Set([
  '/dev', '/etc/hostname', '/etc/hosts', '/etc/mtab', '/etc/resolv.conf', '/proc', '/run', '/run/.containerenv', '/run/notify', '/run/podman-init', '/run/secrets', '/sys',
])

/**
 * Changes of an image's or container's files against its parent layer, or against `base`. With kind 'any' images come
 * first, then containers of whatever tool, then layers by (part of) their id. Throws NO_SUCH_OBJECT in podman's words.
 */
export async function diffObjects(engine: Engine, nameOrId: string, base?: string, kind: DiffKind = 'any'): Promise<LayerChange[]> {
  const layer = await layerOf(engine, nameOrId, kind)
  const from = base === undefined ? undefined : await layerOf(engine, base, kind)
  const changes = await engine.store.layerChanges(layer, from)
  return changes.filter(({ path }) => !ownPaths.has(path))
}

async function layerOf(engine: Engine, nameOrId: string, kind: DiffKind): Promise<string> {
  if (kind !== 'container') {
    const { findLocalImage } = await import('../../image/local/resolve-local.ts')
    const found = await findLocalImage(engine.store, registriesOf(engine), nameOrId).catch((error: unknown) => {
      if (kind === 'any' && ['BAD_REFERENCE', 'BAD_NAME'].includes(errorCode(error) ?? '')) return undefined
      throw error
    })
    if (found?.image.layer !== undefined && found.image.layer !== '') return found.image.layer
    if (found !== undefined) throw new TpodError('IMAGE_HAS_NO_LAYERS', `compare image ${nameOrId}: it has no layers`)
    if (kind === 'image') throw notFound(nameOrId, `${nameOrId}: image not known`)
  }
  const container = await engine.store.findContainer(nameOrId)
  if (container !== undefined) return container.layer
  if (kind === 'container') throw notFound(nameOrId, 'container not known')
  const layers = await engine.store.listLayers()
  const matches = /^[0-9a-f]+$/.test(nameOrId) ? layers.filter(({ id }) => id.startsWith(nameOrId)) : []
  if (matches.length > 1) throw new TpodError('AMBIGUOUS_ID', `find layer ${nameOrId}: ${matches.length} ids begin so`, { remedy: 'give more digits' })
  if (matches[0] === undefined) throw notFound(nameOrId, 'layer not known')
  return matches[0].id
}

function notFound(nameOrId: string, why: string): TpodError {
  return new TpodError('NO_SUCH_OBJECT', `${nameOrId} not found: ${why}`)
}

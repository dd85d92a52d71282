/** Local images by engine: history, layers, mounts and differences, for callers that have an engine. */
import { existsSync } from 'node:fs'
import type { HistoryStep } from '../../image/history.ts'
import type { ImageLayerTree } from '../../image/layer-tree.ts'
import type { MountedImage } from '../../image/mount.ts'
import type { PrunedImage, PruneOptions } from '../../image/prune.ts'
import type { Outcome } from '../../errors/outcome.ts'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import type { LayerChange } from '../../storage/types.ts'
import type { Engine } from '../engine.ts'
import { registriesOf, temporaryDirectoryOf } from '../image-context.ts'

/** Newest step first. Throws NO_SUCH_IMAGE. */
export async function imageHistory(engine: Engine, nameOrId: string): Promise<HistoryStep[]> {
  const { imageHistory: history } = await import('../../image/history.ts')
  return history(engine.store, registriesOf(engine), nameOrId)
}

/** The image's layers; with `children` all that stands on it. Throws NO_SUCH_IMAGE. */
export async function imageLayerTree(engine: Engine, nameOrId: string, options: { children?: boolean } = {}): Promise<ImageLayerTree> {
  const { imageLayerTree: tree } = await import('../../image/layer-tree.ts')
  return tree(engine.store, registriesOf(engine), nameOrId, options)
}

/** Mounts images read-only (counted): those named, or with `all` each that is not in a read-only store. */
export async function mountImages(engine: Engine, names: readonly string[], options: { all?: boolean } = {}): Promise<MountedImage[]> {
  const { mountImages: mount } = await import('../../image/mount.ts')
  return mount(engine.store, registriesOf(engine), names, options)
}

/** Images that are mounted now, by whatever tool. */
export async function listMountedImages(engine: Engine): Promise<MountedImage[]> {
  const { listMountedImages: list } = await import('../../image/mount.ts')
  return list(engine.store)
}

/** Undoes one mount of each image, or all with `force`; those that are not mounted are passed over. */
export async function unmountImages(engine: Engine, names: readonly string[], options: { all?: boolean; force?: boolean } = {}): Promise<Outcome<string>[]> {
  const { unmountImages: unmount } = await import('../../image/mount.ts')
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

/** Contract as image/prune.ts; `external` are buildah's working containers, never those of podman or CRI-O. */
export async function pruneImages(engine: Engine, options: PruneImagesOptions = {}): Promise<PruneReport> {
  const { buildCache, ...prune } = options
  const { pruneImages: removeUnused } = await import('../../image/prune.ts')
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
    import('../../image/partial-blobs.ts'), import('../../image/new-layers.ts'), import('../../image/layer-forms.ts'), import('../../host/fs/temporary.ts'),
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
    const { findLocalImage } = await import('../../image/resolve-local.ts')
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

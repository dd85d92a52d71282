/** `image prune`: which images nobody uses, what removing them frees, and removing them. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import type { Outcome } from '../../errors/outcome.ts'
import { errorCode } from '../../errors/tpod-error.ts'
import type { ImageRecord, LayerRecord, Store } from '../../storage/types.ts'
import { listImages } from './list.ts'

export interface PruneOptions {
  /** All images without containers, not the dangling ones only. */
  all?: boolean
  /** Images that only other tools' build containers use are removed with these. */
  external?: boolean
  /** Further conditions: `until=`, `label=`, `label!=` and what else filter.ts has. */
  filters?: readonly string[]
  /** Nothing is removed. */
  dryRun?: boolean
  isExternalContainer?: (containerId: string) => boolean | Promise<boolean>
  /** Removes the external containers of an image; needed by `external`. */
  removeContainers?: (image: ImageRecord) => Promise<void>
  signal?: AbortSignal
}

export interface PrunedImage {
  id: string
  names: readonly string[]
  /** Bytes that go with it: its documents, and layers that nothing after it needs. */
  freedBytes: number
}

/**
 * Removes (or with dryRun names) images until none is left that the conditions select: an image whose child went can be the
 * next. One outcome per image; one that got a container or, if dangling, a name meanwhile stays. Images of read-only stores
 * are never touched. Throws BAD_FILTER.
 */
export async function pruneImages(store: Store, registries: () => Promise<RegistriesConfig>, options: PruneOptions = {}): Promise<Outcome<PrunedImage>[]> {
  const planned = await planPrune(store, registries, options)
  const sizes = await freedBytes(store, planned)
  const outcomes: Outcome<PrunedImage>[] = []
  for (const image of planned) {
    const pruned = { id: image.id, names: image.names ?? [], freedBytes: sizes.get(image.id) ?? 0 }
    options.signal?.throwIfAborted()
    try {
      if (options.dryRun === true || (await removeUnused(store, image, options))) outcomes.push({ input: image.id, value: pruned })
    } catch (error) {
      outcomes.push({ input: image.id, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }
  return outcomes
}

/** In the order of removal. */
async function planPrune(store: Store, registries: () => Promise<RegistriesConfig>, options: PruneOptions): Promise<ImageRecord[]> {
  const given = options.filters ?? []
  // As docker's clients ask for all: dangling=false.
  const isDangling = options.all === true || given.some((filter) => filter.startsWith('dangling=')) ? [] : ['dangling=true']
  const filters = [...given, 'readonly=false', ...isDangling, options.external === true ? 'containers=external' : 'containers=false']
  const planned: ImageRecord[] = []
  for (;;) {
    const entries = await listImages(store, registries, {
      all: true, filters, without: new Set(planned.map(({ id }) => id)),
      ...(options.isExternalContainer === undefined ? {} : { isExternalContainer: options.isExternalContainer }),
    })
    if (entries.length === 0) return planned
    planned.push(...entries.map(({ image }) => image))
  }
}

/** False when it is gone, or in use, by now. */
async function removeUnused(store: Store, planned: ImageRecord, options: PruneOptions): Promise<boolean> {
  const image = (await store.listImages()).find(({ id }) => id === planned.id)
  if (image === undefined || (image.names ?? []).some((name) => planned.names?.includes(name) !== true)) return false
  try {
    if (options.external === true && options.removeContainers !== undefined) await options.removeContainers(image)
    await store.deleteImage(image.id)
    return true
  } catch (error) {
    if (errorCode(error) === 'NO_SUCH_IMAGE' || errorCode(error) === 'IMAGE_IN_USE') return false
    throw error
  }
}

/** By image id: a layer counts for the last of the removed images that stands on it, and for none if others do. */
async function freedBytes(store: Store, removed: readonly ImageRecord[]): Promise<Map<string, number>> {
  const [images, layers, containers] = await Promise.all([store.listImages(), store.listLayers(), store.listContainers()])
  const records = new Map(layers.map((layer) => [layer.id, layer]))
  const gone = new Set(removed.map(({ id }) => id))
  const needed = new Set<string>()
  const kept = images.filter(({ id }) => !gone.has(id)).flatMap(topLayers)
  const external = containers.filter(({ image }) => !gone.has(image)).map(({ layer }) => layer)
  for (const id of [...kept, ...external]) for (const layer of chainOf(records, id)) needed.add(layer.id)
  const freed = new Map<string, number>()
  for (const image of removed.toReversed()) {
    let bytes = Object.values(image['big-data-sizes'] ?? {}).reduce((sum, size) => sum + size, 0)
    for (const layer of topLayers(image).flatMap((top) => chainOf(records, top))) {
      if (needed.has(layer.id)) continue
      needed.add(layer.id)
      bytes += Math.max(layer['diff-size'] ?? 0, 0)
    }
    freed.set(image.id, bytes)
  }
  return freed
}

function topLayers(image: ImageRecord): string[] {
  return [...(image.layer === undefined ? [] : [image.layer]), ...(image['mapped-layers'] ?? [])]
}

function chainOf(records: ReadonlyMap<string, LayerRecord>, top: string): LayerRecord[] {
  const chain: LayerRecord[] = []
  for (let layer = records.get(top); layer !== undefined && chain.length <= records.size; layer = layer.parent === undefined ? undefined : records.get(layer.parent)) chain.push(layer)
  return chain
}

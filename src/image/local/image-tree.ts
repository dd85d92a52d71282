/**
 * Which image was built on which: by layers, then by history, as podman decides it. An image is the parent of another
 * if that has all its layers and its history with one entry more.
 */
import type { ImageConfig } from '../../oci/image-types.ts'
import type { ImageRecord, LayerRecord, Store } from '../../storage/types.ts'
import { isManifestList, readImageConfig } from './image-data.ts'

export interface ImageTree {
  parent(image: ImageRecord): Promise<ImageRecord | undefined>
  hasChildren(image: ImageRecord): Promise<boolean>
  /** Without a name and without children: what `image prune` removes. */
  isDangling(image: ImageRecord): Promise<boolean>
  /** Without a name but built upon: hidden unless all are asked for. */
  isIntermediate(image: ImageRecord): Promise<boolean>
}

/** On a snapshot; reads configs only where layers leave the question open. Damaged images have neither parents nor children. */
export function imageTree(store: Store, images: readonly ImageRecord[], layers: readonly LayerRecord[]): ImageTree {
  const parents = new Map(layers.map((layer) => [layer.id, layer.parent]))
  const byTopLayer = groupBy(images.filter((image) => !isManifestList(image)), (image) => image.layer ?? '')
  const layersByParent = groupBy(layers, (layer) => layer.parent ?? '')
  const configs = new Map<string, Promise<ImageConfig | undefined>>()
  const configOf = (image: ImageRecord): Promise<ImageConfig | undefined> => {
    let config = configs.get(image.id)
    if (config === undefined) configs.set(image.id, (config = readImageConfig(store, image).catch(() => undefined)))
    return config
  }
  const isParentOf = async (parent: ImageRecord, child: ImageRecord): Promise<boolean> => {
    if (parent.id === child.id) return false
    const [upper, lower] = await Promise.all([configOf(parent), configOf(child)])
    return upper !== undefined && lower !== undefined && isBuiltOn(lower, upper)
  }
  const hasChildren = async (image: ImageRecord): Promise<boolean> => {
    if (isManifestList(image)) return false
    const above = image.layer === undefined ? [] : (layersByParent.get(image.layer) ?? []).flatMap((layer) => byTopLayer.get(layer.id) ?? [])
    const candidates = [...above, ...(byTopLayer.get(image.layer ?? '') ?? [])].filter(({ id }) => id !== image.id)
    return (await findAsync(candidates, (child) => isParentOf(image, child))) !== undefined
  }
  return {
    hasChildren,
    async parent(image) {
      if (isManifestList(image)) return undefined
      const below = image.layer === undefined ? undefined : parents.get(image.layer)
      const candidates = [...(byTopLayer.get(image.layer ?? '') ?? []), ...(below === undefined ? [] : (byTopLayer.get(below) ?? []))].filter(({ id }) => id !== image.id)
      return findAsync(candidates, (parent) => isParentOf(parent, image))
    },
    isDangling: async (image) => isUnnamed(image) && !(await hasChildren(image)),
    isIntermediate: async (image) => isUnnamed(image) && hasChildren(image),
  }
}

async function findAsync<T>(candidates: readonly T[], test: (candidate: T) => Promise<boolean>): Promise<T | undefined> {
  for (const candidate of candidates) if (await test(candidate)) return candidate
  return undefined
}

function isUnnamed(image: ImageRecord): boolean {
  return (image.names?.length ?? 0) === 0
}

function isBuiltOn(child: ImageConfig, parent: ImageConfig): boolean {
  const childHistory = child.history ?? []
  const parentHistory = parent.history ?? []
  if (parentHistory.length + 1 !== childHistory.length) return false
  if (!parent.rootfs.diff_ids.every((diffId, index) => child.rootfs.diff_ids[index] === diffId)) return false
  return parentHistory.every((entry, index) => {
    const other = childHistory[index]!
    const isSameTime = entry.created === other.created || (entry.created !== undefined && other.created !== undefined && Date.parse(entry.created) === Date.parse(other.created))
    const isSameText = (['created_by', 'author', 'comment'] as const).every((key) => (entry[key] ?? '') === (other[key] ?? ''))
    return isSameTime && isSameText && (entry.empty_layer ?? false) === (other.empty_layer ?? false)
  })
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}

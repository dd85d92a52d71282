/** What `images` shows, from one snapshot of the store; expensive facts are asked for one by one. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import { splitStoredName } from '../../oci/reference.ts'
import type { ImageRecord, LayerRecord, Store } from '../../storage/types.ts'
import { parseImageFilters } from './filter.ts'
import { readImageConfig } from './image-data.ts'
import { imageTree } from './image-tree.ts'
import type { ImageTree } from './image-tree.ts'
import { imageDigests } from './resolve-local.ts'

export interface ListOptions {
  /** Intermediate images too. */
  all?: boolean
  /** `key=value` or `key!=value`, see filter.ts. */
  filters?: readonly string[]
  isExternalContainer?: (containerId: string) => boolean | Promise<boolean>
  /** Ids of images that are looked at as if they were gone. */
  without?: ReadonlySet<string>
}

export interface ImageEntry {
  image: ImageRecord
  /** As stored: `repository:tag` or `repository@digest`. With a single full `reference` filter only the names that match. */
  names: readonly string[]
  /** `repository@digest`, for each repository and digest of the image. */
  repoDigests: readonly string[]
  createdMs: number
  /** Layers uncompressed, manifest and config included, as podman counts. */
  sizeBytes: number
  isReadOnly: boolean
  /** Containers of whatever tool that use it. */
  containers: number
  /** {} for damaged images and manifest lists. */
  labels(): Promise<Record<string, string>>
  parentId(): Promise<string>
  isDangling(): Promise<boolean>
}

/** One line of the table: an image has one for each of its names. */
export interface ImageRow {
  repository: string
  tag: string
  digest: string
  entry: ImageEntry
}

/** Newest first. Throws BAD_FILTER, and NO_SUCH_IMAGE for before= and since=. */
export async function listImages(store: Store, registries: () => Promise<RegistriesConfig>, options: ListOptions = {}): Promise<ImageEntry[]> {
  const [stored, layers, containers, readOnly] = await Promise.all([store.listImages(), store.listLayers(), store.listContainers(), store.readOnlyImages()])
  const images = options.without === undefined ? stored : stored.filter(({ id }) => !options.without!.has(id))
  const users = new Map<string, string[]>()
  for (const { image, id } of containers) users.set(image, [...(users.get(image) ?? []), id])
  const tree = imageTree(store, images, layers)
  const sizeOf = layerSizes(layers)
  const entries = images.map((image) => toEntry({ store, image, tree, sizeOf, users: users.get(image.id)?.length ?? 0, isReadOnly: readOnly.has(image.id) }))
  let shown = entries
  if (options.filters !== undefined && options.filters.length > 0) {
    const filter = await parseImageFilters(options.filters, {
      images, registries, tree, containersOf: (id) => users.get(id) ?? [],
      ...(options.isExternalContainer === undefined ? {} : { isExternalContainer: options.isExternalContainer }),
    })
    shown = await filter.apply(entries)
  }
  if (options.all !== true && options.filters?.some((text) => text.startsWith('intermediate')) !== true) shown = await withoutIntermediate(shown, tree)
  return shown.toSorted((a, b) => b.createdMs - a.createdMs)
}

/** A row per tag; names with a digest count only where there is no tag, as one `<none>`. */
export function imageRows(entries: readonly ImageEntry[]): ImageRow[] {
  return entries.flatMap((entry) => {
    const digest = entry.image.digest ?? ''
    if (entry.names.length === 0) return [{ repository: '<none>', tag: '<none>', digest, entry }]
    const rows = entry.names.map((name) => {
      const { repository, tag } = splitStoredName(name)
      return { repository, tag: tag ?? '<none>', digest, entry }
    })
    const tagged = rows.filter(({ tag }) => tag !== '<none>')
    return tagged.length > 0 ? tagged : rows.slice(0, 1)
  })
}

/** `repository@digest` for each pair, in order. */
export function repoDigestsOf(image: ImageRecord): string[] {
  const repositories = new Set((image.names ?? []).map((name) => splitStoredName(name).repository))
  const digests = [...imageDigests(image)]
  return [...repositories].flatMap((repository) => digests.map((digest) => `${repository}@${digest}`))
}

interface EntryParts {
  store: Store
  image: ImageRecord
  tree: ImageTree
  sizeOf: (layerId: string | undefined) => number
  users: number
  isReadOnly: boolean
}

function toEntry({ store, image, tree, sizeOf, users, isReadOnly }: EntryParts): ImageEntry {
  const dataBytes = Object.values(image['big-data-sizes'] ?? {}).reduce((sum, size) => sum + size, 0)
  return {
    image,
    names: image.names ?? [],
    repoDigests: repoDigestsOf(image),
    createdMs: Date.parse(image.created) || 0,
    sizeBytes: sizeOf(image.layer) + dataBytes,
    isReadOnly,
    containers: users,
    labels: async () => (await readImageConfig(store, image).catch(() => undefined))?.config?.Labels ?? {},
    parentId: async () => (await tree.parent(image))?.id ?? '',
    isDangling: () => tree.isDangling(image),
  }
}

/** Bytes of a layer with all below it. */
function layerSizes(layers: readonly LayerRecord[]): (layerId: string | undefined) => number {
  const records = new Map(layers.map((layer) => [layer.id, layer]))
  const totals = new Map<string, number>()
  return (layerId) => {
    const chain: LayerRecord[] = []
    let id = layerId
    for (; id !== undefined && !totals.has(id); id = records.get(id)?.parent) {
      const layer = records.get(id)
      // A cycle in a damaged layers.json must not hang `images`.
      if (layer === undefined || chain.length > layers.length) break
      chain.push(layer)
    }
    let total = id === undefined ? 0 : (totals.get(id) ?? 0)
    for (const layer of chain.toReversed()) totals.set(layer.id, (total += Math.max(layer['diff-size'] ?? 0, 0)))
    return total
  }
}

async function withoutIntermediate(entries: readonly ImageEntry[], tree: ImageTree): Promise<ImageEntry[]> {
  const isHidden = await Promise.all(entries.map(({ image }) => tree.isIntermediate(image)))
  return entries.filter((_, index) => !isHidden[index])
}

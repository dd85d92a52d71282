/** `history`: how an image came to be, newest step first, with the layers and images that belong to the steps. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import type { Store } from '../../storage/types.ts'
import { readImageConfig } from './image-data.ts'
import { getLocalImage } from './resolve-local.ts'

export interface HistoryStep {
  /** Full id of the image that ends with this step, as far as it is in the store; else `<missing>`. */
  id: string
  /** RFC 3339 as the image's configuration has it; absent where that says nothing. */
  created?: string
  createdBy: string
  /** Uncompressed bytes of the step's layer; 0 where it made none. */
  sizeBytes: number
  comment: string
  /** Names of the layer, which hardly any has. */
  tags: readonly string[]
}

/** Throws NO_SUCH_IMAGE, IMAGE_DAMAGED, IMAGE_IS_LIST. Layers that a damaged store has lost count as empty. */
export async function imageHistory(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string): Promise<HistoryStep[]> {
  const { image } = await getLocalImage(store, registries, nameOrId)
  const [config, layers, images] = await Promise.all([readImageConfig(store, image), store.listLayers(), store.listImages()])
  const records = new Map(layers.map((layer) => [layer.id, layer]))
  // As podman: of several images on one layer, the first of the store.
  const imageOnLayer = new Map(images.toReversed().map(({ id, layer }) => [layer, id]))
  const used = new Set<string>()
  let layer = image.layer === undefined ? undefined : records.get(image.layer)
  return (config.history ?? []).toReversed().map((entry) => {
    const isEmpty = entry.empty_layer === true
    const owner = layer === undefined ? undefined : imageOnLayer.get(layer.id)
    const step: HistoryStep = {
      id: owner === undefined || used.has(owner) ? '<missing>' : owner,
      ...(entry.created === undefined ? {} : { created: entry.created }),
      createdBy: entry.created_by ?? '',
      sizeBytes: isEmpty ? 0 : Math.max(layer?.['diff-size'] ?? 0, 0),
      comment: entry.comment ?? '',
      tags: layer?.names ?? [],
    }
    if (owner !== undefined) used.add(owner)
    if (!isEmpty && layer?.parent !== undefined) layer = records.get(layer.parent)
    return step
  })
}

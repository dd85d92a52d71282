/** `image tree`: the layers of an image, or with its children all that stands on it. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import type { ImageRecord, LayerRecord, Store } from '../../storage/types.ts'
import { getLocalImage } from './resolve-local.ts'

export interface LayerNode {
  id: string
  /** Uncompressed bytes. */
  sizeBytes: number
  /** Names of the images whose top layer it is. */
  topLayerOf: readonly string[]
  children: LayerNode[]
}

export interface ImageLayerTree {
  image: ImageRecord
  /** As `images` counts it. */
  sizeBytes: number
  /** Lowest first; with `children` only the image's top layer, whose descendants hang below it. Empty for an image without layers. */
  layers: readonly LayerNode[]
}

/** Throws NO_SUCH_IMAGE. With `children`, the layers that stand on the image are followed, too. */
export async function imageLayerTree(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string, options: { children?: boolean } = {}): Promise<ImageLayerTree> {
  const { image } = await getLocalImage(store, registries, nameOrId)
  const [layers, images] = await Promise.all([store.listLayers(), store.listImages()])
  const names = namesByTopLayer(images)
  const chain = layerChain(layers, image.layer)
  const dataBytes = Object.values(image['big-data-sizes'] ?? {}).reduce((sum, size) => sum + size, 0)
  const toNode = (layer: LayerRecord): LayerNode => ({ id: layer.id, sizeBytes: sizeOf(layer), topLayerOf: names.get(layer.id) ?? [], children: [] })
  const top = chain[0]
  const shown = options.children !== true ? chain.toReversed().map(toNode) : top === undefined ? [] : [withDescendants(top, layers, toNode)]
  return { image, sizeBytes: chain.reduce((sum, layer) => sum + sizeOf(layer), dataBytes), layers: shown }
}

/** Top layer first. A cycle in a damaged layers.json ends it. */
function layerChain(layers: readonly LayerRecord[], top: string | undefined): LayerRecord[] {
  const records = new Map(layers.map((layer) => [layer.id, layer]))
  const chain: LayerRecord[] = []
  for (let id = top; id !== undefined && id !== '' && chain.length <= layers.length; ) {
    const layer = records.get(id)
    if (layer === undefined) break
    chain.push(layer)
    id = layer.parent
  }
  return chain
}

function withDescendants(top: LayerRecord, layers: readonly LayerRecord[], toNode: (layer: LayerRecord) => LayerNode): LayerNode {
  const childrenOf = new Map<string, LayerRecord[]>()
  for (const layer of layers) if (layer.parent !== undefined) childrenOf.set(layer.parent, [...(childrenOf.get(layer.parent) ?? []), layer])
  const root = toNode(top)
  const pending = [root]
  const seen = new Set([root.id])
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    for (const child of childrenOf.get(node.id) ?? []) {
      if (seen.has(child.id)) continue
      seen.add(child.id)
      const childNode = toNode(child)
      node.children.push(childNode)
      pending.push(childNode)
    }
  }
  return root
}

function namesByTopLayer(images: readonly ImageRecord[]): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const { layer, names: own = [] } of images) {
    if (layer !== undefined) names.set(layer, [...(names.get(layer) ?? []), ...own.filter((name) => !name.includes('@'))])
  }
  return names
}

function sizeOf(layer: LayerRecord): number {
  return Math.max(layer['diff-size'] ?? 0, 0)
}

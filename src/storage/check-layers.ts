import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { errorMessage } from '../errors/tpod-error.ts'
import { readLayerTarBytes } from './read-layer-tar.ts'
import { isIncomplete } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { layerDirectory } from './store-paths.ts'
import type { LayerProblem, LayerRecord } from './types.ts'

/**
 * Rebuilds the archive of each layer and compares its digest with the recorded one: finds overwritten, truncated and
 * missing files, which a look at records alone does not. Containers' layers have no digest: only their directories are
 * checked. Reads every byte, takes no lock; a layer deleted meanwhile is no problem.
 */
export async function checkLayerContents(context: StoreContext, layerIds?: readonly string[]): Promise<LayerProblem[]> {
  const layers = context.layers.read()
  const problems: LayerProblem[] = []
  for (const layerId of layerIds ?? layers.all.map(layer => layer.id)) {
    const layer = layers.get(layerId)
    const problem = layer === undefined ? 'not in the store' : await findProblem(context, layer, layers.get(layer.parent ?? ''))
    if (problem === undefined) continue
    const isDeleted = layer !== undefined && context.layers.read().get(layerId) === undefined
    if (!isDeleted) problems.push({ layerId, problem })
  }
  return problems
}

async function findProblem(context: StoreContext, layer: LayerRecord, parent: LayerRecord | undefined): Promise<string | undefined> {
  if (isIncomplete(layer)) return 'left incomplete by an interrupted command'
  if (layer.parent !== undefined && parent === undefined && context.additional.length === 0) return `its parent ${layer.parent} is missing`
  if (!existsSync(`${layerDirectory(context.paths, layer.id)}/diff`)) return 'its directory is missing'
  if (layer['diff-digest'] === undefined) return undefined
  try {
    const hash = createHash('sha256')
    for await (const bytes of readLayerTarBytes(context, layer.id)) hash.update(bytes)
    const found = `sha256:${hash.digest('hex')}`
    return found === layer['diff-digest'] ? undefined : `digest is ${found}, recorded is ${layer['diff-digest']}`
  } catch (error) {
    return errorMessage(error)
  }
}

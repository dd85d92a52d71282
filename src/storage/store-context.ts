import { existsSync } from 'node:fs'
import { RecordTable } from './records/record-table.ts'
import type { Snapshot } from './records/record-table.ts'
import { storePaths } from './store-paths.ts'
import type { StorePaths } from './store-paths.ts'
import type { ContainerRecord, ImageRecord, LayerRecord, StoreOptions } from './types.ts'

/** A store that is only read: additionalimagestores of storage.conf. */
export interface AdditionalStore {
  readonly paths: StorePaths
  readonly layers: RecordTable<LayerRecord>
  readonly images: RecordTable<ImageRecord>
}

/** What every operation of the store works on. */
export interface StoreContext extends AdditionalStore {
  readonly options: StoreOptions
  readonly containers: RecordTable<ContainerRecord>
  /** Searched after the store itself, in order. */
  readonly additional: readonly AdditionalStore[]
}

export function makeContext(options: StoreOptions): StoreContext {
  const paths = storePaths(options.graphRoot, options.runRoot)
  return {
    options,
    ...openTables(paths),
    containers: new RecordTable({
      lockPath: `${paths.containers}/containers.lock`,
      mainPath: `${paths.containers}/containers.json`,
      volatilePath: `${paths.containers}/volatile-containers.json`,
    }),
    additional: options.additionalImageStores.map(root => openTables(storePaths(root, options.runRoot))),
  }
}

function openTables(paths: StorePaths): AdditionalStore {
  return {
    paths,
    layers: new RecordTable({
      lockPath: `${paths.layers}/layers.lock`,
      mainPath: `${paths.layers}/layers.json`,
      volatilePath: `${paths.layers}/volatile-layers.json`,
    }),
    images: new RecordTable({ lockPath: `${paths.images}/images.lock`, mainPath: `${paths.images}/images.json` }),
  }
}

export function isIncomplete(layer: LayerRecord): boolean {
  return layer.flags?.['incomplete'] === true
}

/** A complete layer of this store or of an additional one, with the store it was found in. */
export function findLayerWithStore(
  context: StoreContext,
  id: string,
  own: Snapshot<LayerRecord> = context.layers.read(),
): { record: LayerRecord; store: AdditionalStore } | undefined {
  const record = own.get(id)
  if (record !== undefined) return isIncomplete(record) ? undefined : { record, store: context }
  for (const store of context.additional) {
    const found = store.layers.read().get(id)
    if (found !== undefined && !isIncomplete(found)) return { record: found, store }
  }
  return undefined
}

/** The layer and its ancestors, top first, as far as they are known. */
export function layerChain(context: StoreContext, topLayerId: string): { record: LayerRecord; store: AdditionalStore }[] {
  const own = context.layers.read()
  const chain: { record: LayerRecord; store: AdditionalStore }[] = []
  const seen = new Set<string>()
  for (let id: string | undefined = topLayerId; id !== undefined && id !== '' && !seen.has(id); ) {
    seen.add(id)
    const layer = findLayerWithStore(context, id, own)
    if (layer === undefined) break
    chain.push(layer)
    id = layer.record.parent
  }
  return chain
}

/** ROOT/overlay directories of the additional stores, where lowers may live. */
export function otherOverlays(context: StoreContext): string[] {
  return context.additional.map(store => store.paths.overlay).filter(path => existsSync(path))
}

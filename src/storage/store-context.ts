import { accessSync, constants, existsSync } from 'node:fs'
import { TpodError, errorMessage } from '../errors/tpod-error.ts'
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
  let additional: readonly AdditionalStore[] | undefined
  return {
    options,
    ...openTables(paths),
    containers: new RecordTable({
      lockPath: `${paths.containers}/containers.lock`,
      mainPath: `${paths.containers}/containers.json`,
      volatilePath: `${paths.containers}/volatile-containers.json`,
    }),
    // When first asked for: what concerns this store alone goes on while a file server is away.
    get additional() {
      return (additional ??= openAdditional(options))
    },
  }
}

/**
 * Nothing in them is ever opened for writing, no lock taken: a reader of their files needs none (see RecordTable). One that
 * cannot be read is left out with a warning where somebody listens, else it is an error.
 */
function openAdditional({ additionalImageStores, graphRoot, runRoot, onWarning }: StoreOptions): AdditionalStore[] {
  return additionalImageStores.filter(root => root !== graphRoot).flatMap(root => {
    try {
      accessSync(root, constants.R_OK | constants.X_OK)
    } catch (cause) {
      const message = `open additional image store ${root}: ${errorMessage(cause)}`
      if (onWarning === undefined) throw new TpodError('IMAGE_STORE_UNREADABLE', message, { remedy: 'mount it, or take it out of additionalimagestores in storage.conf', cause })
      onWarning(`${message}; its images are missing`)
      return []
    }
    return [openTables(storePaths(root, runRoot))]
  })
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

/** ROOT/overlay directories of the additional stores that are there, where lowers may live. */
export function otherOverlays({ options }: StoreContext): string[] {
  return options.additionalImageStores.filter(root => root !== options.graphRoot).map(root => `${root}/overlay`).filter(path => existsSync(path))
}

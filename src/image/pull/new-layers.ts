/**
 * Which layers a pull of ours has put into the store without an image yet: one empty file each in ROOT/tpod/new-layers,
 * written before the layer and removed after the image's record. What a failed pull leaves is so told apart from other
 * tools' layers, which may be anything.
 */
import { closeSync, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'
import { listHexNames } from '../../host/fs/list-hex-names.ts'
import type { Store } from '../../storage/types.ts'

/** Young ones may be a running pull's, and the next attempt's to reuse. */
const dayMs = 24 * 60 * 60 * 1000

export function markNewLayer(store: Store, layerId: string): void {
  const directory = markerDirectory(store)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  closeSync(openSync(`${directory}/${layerId}`, 'w', 0o600))
}

/** Now an image has them. */
export function unmarkNewLayers(store: Store, layerIds: readonly string[]): void {
  for (const id of layerIds) unlinkIfThere(`${markerDirectory(store)}/${id}`)
}

/**
 * Removes layers that pulls of tpod left without an image `olderThanMs` ago (default: a day) and that nothing has come to
 * use since. Gives their ids. Cheap when there are none.
 */
export async function pruneOrphanLayers(store: Store, options: { olderThanMs?: number } = {}): Promise<string[]> {
  const directory = markerDirectory(store)
  const before = Date.now() - (options.olderThanMs ?? dayMs)
  const old = listHexNames(directory).filter((id) => (statSync(`${directory}/${id}`, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) <= before)
  if (old.length === 0) return []
  const removed = await store.deleteUnusedLayers(old)
  unmarkNewLayers(store, old)
  return removed
}

function markerDirectory(store: Store): string {
  return `${store.ownDirectory}/new-layers`
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

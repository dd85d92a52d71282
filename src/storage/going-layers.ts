/**
 * Layers whose image is being deleted: one empty file each in ROOT/tpod/going-layers, from before the image's record goes
 * until after theirs have. A kill in between leaves layers without an image, which nobody would ever look for.
 */
import { closeSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { deleteUnusedLayers } from './delete-layers.ts'
import type { StoreContext } from './store-context.ts'
import type { StorePaths } from './store-paths.ts'

/** Never throws: a full or read-only disk must not keep anybody from deleting. */
export function markGoing(paths: StorePaths, layerIds: readonly string[]): void {
  if (layerIds.length === 0) return
  quietly(() => {
    mkdirSync(directoryOf(paths), { recursive: true, mode: 0o700 })
    for (const id of layerIds) closeSync(openSync(`${directoryOf(paths)}/${id}`, 'w', 0o600))
  })
}

export function unmarkGoing(paths: StorePaths, layerIds: readonly string[]): void {
  for (const id of layerIds) quietly(() => unlinkSync(`${directoryOf(paths)}/${id}`))
}

/** Deletes those that a killed removal left, unless something stands on them by now. One directory read when there are none. */
export async function finishRemovals(context: StoreContext): Promise<void> {
  const left = listGoing(context.paths)
  if (left.length === 0) return
  await deleteUnusedLayers(context, left)
  unmarkGoing(context.paths, left)
}

function listGoing(paths: StorePaths): string[] {
  try {
    return readdirSync(directoryOf(paths)).filter(name => /^[0-9a-f]{64}$/.test(name))
  } catch {
    return []
  }
}

function directoryOf({ root }: StorePaths): string {
  return `${root}/tpod/going-layers`
}

function quietly(act: () => void): void {
  try {
    act()
  } catch {
    // See above.
  }
}

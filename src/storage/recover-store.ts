import { existsSync, readdirSync } from 'node:fs'
import { dropIncompleteLayers, Trash } from './layer-writes.ts'
import { isIncomplete } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { sweepTemporaryDirectories } from './temporary-directory.ts'

/**
 * Removes what crashes left: incomplete layers (with container records that stand on them) and abandoned temporary
 * directories. Never waits: an incomplete layer whose lock is held is being worked on.
 */
export async function recoverStore(context: StoreContext): Promise<void> {
  if (context.layers.read().all.some(isIncomplete)) {
    const trash = new Trash(context.paths.overlayTemporary)
    try {
      await context.layers.tryWrite(transaction => dropIncompleteLayers(context, transaction, trash))
    } finally {
      await trash.empty()
    }
  }
  await sweepTemporaryDirectories(context.paths.overlayTemporary)
  await sweepTemporaryDirectories(context.paths.layersTemporary)
}

/** Whether there may be something to recover; a few system calls. */
export function needsRecovery(context: StoreContext): boolean {
  const { overlayTemporary, layersTemporary } = context.paths
  const hasLeftovers = [overlayTemporary, layersTemporary].some(path => existsSync(path) && readdirSync(path).length > 0)
  return hasLeftovers || context.layers.read().all.some(isIncomplete)
}

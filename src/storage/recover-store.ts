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

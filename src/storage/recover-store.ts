import { dropOrphans } from './containers.ts'
import { dropIncompleteLayers, Trash } from './layer-writes.ts'
import { isIncomplete } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { sweepTemporaryDirectories } from './temporary-directory.ts'

/**
 * Removes what crashes left: incomplete layers (with container records that stand on them), layers of containers that are
 * not there, and abandoned temporary directories. Never waits: an incomplete layer whose lock is held is being worked on.
 */
export async function recoverStore(context: StoreContext): Promise<void> {
  const trash = new Trash(context.paths.overlayTemporary)
  try {
    if (context.layers.read().all.some(isIncomplete)) {
      await context.layers.tryWrite(transaction => dropIncompleteLayers(context, transaction, trash))
    }
    await dropOrphans(context, trash)
  } finally {
    await trash.empty()
  }
  await sweepTemporaryDirectories(context.paths.overlayTemporary)
  await sweepTemporaryDirectories(context.paths.layersTemporary)
}

import { listHexNames } from '../host/fs/list-hex-names.ts'
import { removeTree } from '../host/fs/remove-tree.ts'
import { dropOrphans } from './containers.ts'
import { finishRemovals } from './going-layers.ts'
import { dropIncompleteLayers, Trash } from './layer-writes.ts'
import { isIncomplete } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { imageDirectory } from './store-paths.ts'
import { sweepTemporaryDirectories } from './temporary-directory.ts'

/**
 * Removes what crashes left: incomplete layers (with container records that stand on them), layers of containers that are
 * not there, data of images that are not, layers of a removal that was killed, and abandoned temporary directories. Waits for those layers alone: an incomplete layer whose lock is held is being worked on.
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
  await dropImageData(context)
  await finishRemovals(context)
}

/** An image's data is written before its record, and removed after it, all under the lock: with the lock, none without a record is anybody's. */
async function dropImageData(context: StoreContext): Promise<void> {
  const known = context.images.read()
  if (listHexNames(context.paths.images).every(id => known.get(id) !== undefined)) return
  await context.images.tryWrite(async ({ snapshot }) => {
    for (const id of listHexNames(context.paths.images)) if (snapshot.get(id) === undefined) await removeTree(imageDirectory(context.paths, id))
  })
}

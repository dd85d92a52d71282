import { renameSync, rmSync } from 'node:fs'
import { TpodError, errorCode } from '../errors/tpod-error.ts'
import type { CompressionName, StagedContent } from '../archive/types.ts'
import { layerIdFor } from './layer-id.ts'
import { createLayerDirectory, unlinkShortLink } from './overlay/layer-directory.ts'
import { isLayerMounted, unmountPath } from './overlay/mount-layer.ts'
import { withMountCounts } from './mountpoints.ts'
import type { Transaction } from './records/record-table.ts'
import { findLayerWithStore, isIncomplete } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { ensureStoreDirectories, layerDirectory, mergedDirectory, tarSplitPath } from './store-paths.ts'
import { TemporaryDirectory } from './temporary-directory.ts'
import type { LayerRecord } from './types.ts'

export type LayerTransaction = Transaction<LayerRecord>

/** containers/storage's numbers for LayerRecord.compression. */
const COMPRESSION: Readonly<Record<CompressionName, number>> = { none: 0, bzip2: 1, gzip: 2, xz: 3, zstd: 4 }

/** Collects directories of deleted layers: renamed away under the lock, removed when all locks are released. */
export class Trash {
  readonly #parent: string
  #directory: TemporaryDirectory | undefined

  constructor(parent: string) {
    this.#parent = parent
  }

  take(path: string): void {
    this.#directory ??= TemporaryDirectory.create(this.#parent)
    this.#directory.take(path)
  }

  async empty(): Promise<void> {
    try {
      await this.#directory?.remove()
    } catch (error) {
      // Still a mount point for somebody; it is out of the store already, and a later sweep removes it.
      if (errorCode(error) !== 'EBUSY') throw error
    }
  }
}

/**
 * Runs fn under the layers write lock, after removing what a crashed writer left incomplete (whoever has the lock knows
 * that nobody is at work on those). Files of deleted layers vanish after the lock is released.
 */
export async function writeLayers<R>(
  context: StoreContext,
  fn: (transaction: LayerTransaction, trash: Trash) => Promise<R>,
): Promise<R> {
  ensureStoreDirectories(context.paths)
  const trash = new Trash(context.paths.overlayTemporary)
  try {
    return await context.layers.write(async transaction => {
      await dropIncompleteLayers(context, transaction, trash)
      return fn(transaction, trash)
    })
  } finally {
    await trash.empty()
  }
}

/** Deletes layers marked incomplete, and container records that stand on one. Caller holds the layers write lock. */
export async function dropIncompleteLayers(context: StoreContext, transaction: LayerTransaction, trash: Trash): Promise<void> {
  const stale = transaction.snapshot.all.filter(isIncomplete).map(layer => layer.id)
  if (stale.length === 0) return
  await removeLayers(context, transaction, trash, stale)
  if (!context.containers.read().all.some(container => stale.includes(container.layer))) return
  await context.containers.write(async containers => {
    for (const container of containers.snapshot.all) {
      if (stale.includes(container.layer)) containers.remove(container.id)
    }
    await containers.save()
  })
}

/**
 * Deletes the layers, mounted or not. Caller holds the layers write lock and checked that nobody needs them.
 * Marked incomplete first: after a crash in the middle the next writer finishes the work.
 */
export async function removeLayers(context: StoreContext, transaction: LayerTransaction, trash: Trash, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const record = transaction.snapshot.get(id)
    if (record !== undefined && !isIncomplete(record)) transaction.put({ ...record, flags: { ...record.flags, incomplete: true } })
  }
  await transaction.save()
  for (const id of ids) {
    await unmountCompletely(context, id)
    unlinkShortLink(context.paths.overlay, id)
    trash.take(layerDirectory(context.paths, id))
    rmSync(tarSplitPath(context.paths, id), { force: true })
    rmSync(`${context.paths.layers}/${id}`, { recursive: true, force: true })
    transaction.remove(id)
  }
  await transaction.save()
}

/** Caller holds the layers write lock. */
export async function unmountCompletely(context: StoreContext, layerId: string): Promise<void> {
  const merged = mergedDirectory(context.paths, layerId)
  await withMountCounts(context.paths, counts => {
    while (isLayerMounted(merged)) unmountPath(merged)
    if (counts.get(layerId) > 0) counts.set(layerId, '', 0)
  })
}

export interface StagedFiles {
  content: StagedContent
  /** Becomes overlay/<id>/diff. */
  directory: string
  tarSplit: string
}

/**
 * Makes a staged layer part of the store, in one lock period without unpacking. When the layer exists already
 * (somebody else was faster) its record is returned and the staged files stay where they are.
 * Throws LAYER_PARENT_GONE when the parent was deleted since: start the pull again.
 */
export async function commitStagedLayer(context: StoreContext, staged: StagedFiles, parentId: string | undefined): Promise<LayerRecord> {
  const id = layerIdFor(parentId, staged.content.diffId)
  const existing = findLayerWithStore(context, id)
  if (existing !== undefined) return existing.record
  return writeLayers(context, async transaction => {
    const found = findLayerWithStore(context, id, transaction.snapshot)
    if (found !== undefined) return found.record
    const parentDirectory = parentId === undefined ? undefined : parentDirectoryOf(context, transaction, parentId)
    const record = newLayerRecord(id, parentId, staged.content)
    transaction.put({ ...record, flags: { incomplete: true } })
    await transaction.save()
    await createLayerDirectory({ overlay: context.paths.overlay, id, parentDirectory, content: staged.directory })
    renameSync(staged.tarSplit, tarSplitPath(context.paths, id))
    transaction.put(record)
    await transaction.save()
    return record
  })
}

/** ROOT/overlay/<parent> in whichever store has it. Throws LAYER_PARENT_GONE. */
export function parentDirectoryOf(context: StoreContext, transaction: LayerTransaction, parentId: string): string {
  const parent = findLayerWithStore(context, parentId, transaction.snapshot)
  if (parent === undefined) {
    throw new TpodError('LAYER_PARENT_GONE', `add layer on top of ${parentId.slice(0, 12)}: that layer was deleted meanwhile`, {
      remedy: 'try again',
    })
  }
  return layerDirectory(parent.store.paths, parentId)
}

function newLayerRecord(id: string, parentId: string | undefined, content: StagedContent): LayerRecord {
  return {
    id,
    ...(parentId === undefined ? {} : { parent: parentId }),
    created: new Date().toISOString(),
    'compressed-diff-digest': content.blobDigest,
    'compressed-size': content.blobSizeBytes,
    'diff-digest': content.diffId,
    'diff-size': content.diffSizeBytes,
    ...(content.compression === 'none' ? {} : { compression: COMPRESSION[content.compression] }),
    ...(content.uids.length === 0 ? {} : { uidset: content.uids }),
    ...(content.gids.length === 0 ? {} : { gidset: content.gids }),
  }
}

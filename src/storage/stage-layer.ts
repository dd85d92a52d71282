import { closeSync, mkdirSync, openSync } from 'node:fs'
import { native } from '../host/native/native.ts'
import { ensureStoreDirectories } from './store-paths.ts'
import { commitStagedLayer } from './layer-writes.ts'
import { sweepTemporaryDirectories, TemporaryDirectory } from './temporary-directory.ts'
import type { StoreContext } from './store-context.ts'
import type { LayerRecord, StagedLayer } from './types.ts'
import type { StagedContent } from '../archive/types.ts'

/** A staged layer of this store, with the files that commit moves. */
export class StagedLayerFiles implements StagedLayer {
  readonly diffId: string
  readonly diffSizeBytes: number
  readonly blobDigest: string
  readonly blobSizeBytes: number
  readonly compression: StagedContent['compression']
  readonly uids: number[]
  readonly gids: number[]
  readonly #content: StagedContent
  readonly #files: TemporaryDirectory
  readonly #tarSplit: TemporaryDirectory

  constructor(content: StagedContent, files: TemporaryDirectory, tarSplit: TemporaryDirectory) {
    this.#content = content
    this.#files = files
    this.#tarSplit = tarSplit
    this.diffId = content.diffId
    this.diffSizeBytes = content.diffSizeBytes
    this.blobDigest = content.blobDigest
    this.blobSizeBytes = content.blobSizeBytes
    this.compression = content.compression
    this.uids = content.uids
    this.gids = content.gids
  }

  async commit(context: StoreContext, parentId: string | undefined): Promise<LayerRecord> {
    const staged = { content: this.#content, directory: contentPath(this.#files), tarSplit: tarSplitFile(this.#tarSplit) }
    const record = await commitStagedLayer(context, staged, parentId)
    await this.discard()
    return record
  }

  async discard(): Promise<void> {
    await Promise.all([this.#files.remove(), this.#tarSplit.remove()])
  }
}

/**
 * Unpacks a blob beside the store's layers. No lock but the staging directory's own is held; a crash leaves a directory
 * that the next sweep removes. Two places, because ROOT/overlay is a mount of its own and rename does not cross mounts.
 */
export async function stageLayerFiles(
  context: StoreContext,
  blob: AsyncIterable<Uint8Array>,
  options: { signal?: AbortSignal; verifiedDigest?: string } = {},
): Promise<StagedLayer> {
  const { stageLayer } = await import('../archive/stage-layer.ts')
  ensureStoreDirectories(context.paths)
  sweepOnce(context)
  spreadLayers(context.paths.overlayTemporary)
  const files = TemporaryDirectory.create(context.paths.overlayTemporary)
  const tarSplit = TemporaryDirectory.create(context.paths.layersTemporary)
  try {
    const directory = contentPath(files)
    mkdirSync(directory, { mode: 0o755 })
    const { driverOptions, userXattr } = context.options
    const whiteouts = userXattr ? 'overlay-user' : 'overlay-trusted'
    const content = await stageLayer(blob, {
      directory,
      tarSplitPath: tarSplitFile(tarSplit),
      whiteouts: driverOptions['mount_program'] === undefined ? whiteouts : 'aufs',
      ignoreChownErrors: driverOptions['ignore_chown_errors'] === 'true',
      ...options,
    })
    startWriteBack(directory)
    return new StagedLayerFiles(content, files, tarSplit)
  } catch (error) {
    await Promise.all([files.remove(), tarSplit.remove()])
    throw error
  }
}

const swept = new WeakSet<StoreContext>()

/** What killed pulls unpacked may be gigabytes. Nobody waits for it: what is left of that at this process's end is for the next one. */
function sweepOnce(context: StoreContext): void {
  if (swept.has(context)) return
  swept.add(context)
  for (const parent of [context.paths.overlayTemporary, context.paths.layersTemporary]) sweepTemporaryDirectories(parent).catch(() => undefined)
}

/**
 * Asks ext4 to place each layer in block groups of its own, so that layers unpacked at a time don't queue for the same
 * ones. Without a journal it matters more: ext4 then steps over inodes freed within the last minutes one by one for
 * every new file, and packed together a layer would get the numbers of those just deleted: 39,000 files pulled after
 * an rmi took 8 to 22 s instead of 4.
 */
function spreadLayers(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const fd = openSync(directory, 'r')
  try {
    native.setTopDirectory(fd)
  } catch {
    // Only a hint: other file systems know no such flag, and a user may not be allowed to set it.
  } finally {
    closeSync(fd)
  }
}

/**
 * Starts writing this layer to disk while the next ones are unpacked, so that the flush before the image's record
 * (docs/decisions/0003-durability.md) finds little left. That flush alone is relied on.
 */
function startWriteBack(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    native.syncfs(fd).catch(() => undefined)
  } finally {
    closeSync(fd)
  }
}

function contentPath(files: TemporaryDirectory): string {
  return `${files.path}/content`
}

function tarSplitFile(tarSplit: TemporaryDirectory): string {
  return `${tarSplit.path}/tar-split.gz`
}

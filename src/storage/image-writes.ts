import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { TpodError } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { removeTree } from '../host/fs/remove-tree.ts'
import { writeFileAtomic } from '../host/fs/write-file-atomic.ts'
import { readBigData, storeOfImage } from './find-image.ts'
import type { Transaction } from './records/record-table.ts'
import { findLayerWithStore } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { bigDataFileName, ensureStoreDirectories, imageDirectory } from './store-paths.ts'
import type { ImageRecord, NewImage } from './types.ts'

/**
 * Creates the image, or adds names and missing data to the one that has the id. All layer files are on disk before the
 * image can be seen (docs/decisions/0003-durability.md); a crash leaves at most layers without an image.
 * Throws LAYER_PARENT_GONE when the top layer was deleted since it was committed: start the pull again.
 */
export async function putImageRecord(context: StoreContext, wanted: NewImage): Promise<ImageRecord> {
  checkNewImage(wanted)
  ensureStoreDirectories(context.paths)
  if (context.images.read().get(wanted.id) === undefined) await flushLayerFiles(context)
  // The read lock on layers: nobody deletes the top layer between our look and the record that protects it.
  return context.layers.locked('read', layers =>
    context.images.write(async transaction => {
      if (wanted.layer !== undefined && findLayerWithStore(context, wanted.layer, layers) === undefined) {
        throw new TpodError('LAYER_PARENT_GONE', `create image ${wanted.id.slice(0, 12)}: its layer ${wanted.layer.slice(0, 12)} was deleted meanwhile`, {
          remedy: 'try again',
        })
      }
      if (wanted.namesMustBeFree === true) checkNamesFree(context, transaction, wanted)
      const existing = transaction.snapshot.get(wanted.id)
      const base = existing ?? newImageRecord(wanted)
      const withData = await addBigData(context, base, wanted.bigData)
      const record = existing === undefined ? withData : { ...withData, digest: wanted.digest, ...(wanted.metadata === undefined ? {} : { metadata: wanted.metadata }) }
      transaction.put(giveNames(transaction, record, union(record.names ?? [], wanted.names), wanted.names))
      await transaction.save()
      return transaction.snapshot.get(wanted.id)!
    }),
  )
}

/**
 * Changes the names of an image. A name given to it is taken from the image that had it, in the same save. An image of an
 * additional store is copied up (record and data, not layers) for a new name, and the copy goes with its last name.
 * Throws NO_SUCH_IMAGE, IMAGE_READ_ONLY for a name to be removed that an additional store gives it.
 */
export async function changeNames(
  context: StoreContext,
  imageId: string,
  mode: 'set' | 'add' | 'remove',
  names: readonly string[],
): Promise<ImageRecord> {
  const store = storeOfImage(context, imageId)
  ensureStoreDirectories(context.paths)
  return context.images.write(async transaction => {
    const own = transaction.snapshot.get(imageId)
    checkRemovable(context, imageId, own, mode, names)
    const record = own ?? (await copyUp(context, store.images.read().get(imageId), imageId))
    const current = record.names ?? []
    const next = { set: [...new Set(names)], add: union(current, names), remove: current.filter(name => !names.includes(name)) }[mode]
    if (next.length === 0 && isCopy(context, record)) {
      transaction.remove(imageId)
      await transaction.save()
      await removeTree(imageDirectory(context.paths, imageId))
      return record
    }
    transaction.put(giveNames(transaction, record, next, mode === 'remove' ? [] : names))
    await transaction.save()
    return transaction.snapshot.get(imageId)!
  })
}

function checkNamesFree(context: StoreContext, transaction: Transaction<ImageRecord>, { id, names }: NewImage): void {
  for (const images of [transaction.snapshot.all, ...context.additional.map(store => store.images.read().all)]) {
    for (const image of images) {
      const taken = image.id === id ? undefined : names.find(name => image.names?.includes(name))
      if (taken !== undefined) throw new TpodError('IMAGE_NAME_IN_USE', `image name "${taken}" is already associated with image "${image.id}": that name is already in use`)
    }
  }
}

/** What another store's administrator gave cannot be taken away here. */
function checkRemovable(context: StoreContext, imageId: string, own: ImageRecord | undefined, mode: 'set' | 'add' | 'remove', names: readonly string[]): void {
  if (mode === 'add') return
  const foreign = context.additional.flatMap(store => store.images.read().get(imageId)?.names ?? [])
  const isForeign = mode === 'set' ? own === undefined : names.some(name => foreign.includes(name) && own?.names?.includes(name) !== true)
  if (!isForeign) return
  throw new TpodError('IMAGE_READ_ONLY', `cannot untag read-only image "${imageId}"`, { remedy: 'change its names with the tool that owns that store' })
}

/** The record alone is here: image and layers are in an additional store. */
function isCopy(context: StoreContext, { id, layer }: ImageRecord): boolean {
  const isElsewhere = context.additional.some(store => store.images.read().get(id) !== undefined)
  return isElsewhere && (layer === undefined || context.layers.read().get(layer) === undefined)
}

/** The record with its new names; takes `next` away from all others. */
function giveNames(transaction: Transaction<ImageRecord>, record: ImageRecord, next: readonly string[], given: readonly string[]): ImageRecord {
  for (const other of transaction.snapshot.all) {
    if (other.id === record.id || !other.names?.some(name => next.includes(name))) continue
    transaction.put({ ...other, names: other.names.filter(name => !next.includes(name)) })
  }
  const { names: _dropped, ...rest } = record
  const history = union(given.toReversed(), record['names-history'] ?? [])
  return {
    ...rest,
    id: record.id,
    created: record.created,
    ...(next.length === 0 ? {} : { names: [...next] }),
    ...(history.length === 0 ? {} : { 'names-history': history }),
  }
}

async function copyUp(context: StoreContext, record: ImageRecord | undefined, imageId: string): Promise<ImageRecord> {
  if (record === undefined) throw new TpodError('NO_SUCH_IMAGE', `image ${imageId.slice(0, 12)} is not in the store any more: image not known`, { exitCode: 1 })
  const { names: _names, 'big-data-names': keys, ...rest } = record
  const data = new Map((keys ?? []).map(key => [key, readBigData(context, imageId, key)]))
  return addBigData(context, { ...rest, id: record.id, created: record.created }, data)
}

/** Writes the items and lists them in the record. Caller holds the images write lock. */
async function addBigData(context: StoreContext, record: ImageRecord, data: ReadonlyMap<string, Uint8Array>): Promise<ImageRecord> {
  const directory = imageDirectory(context.paths, record.id)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const names = [...(record['big-data-names'] ?? [])]
  const sizes = { ...record['big-data-sizes'] }
  const digests = { ...record['big-data-digests'] }
  for (const [key, bytes] of data) {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const path = `${directory}/${bigDataFileName(key)}`
    // The file is compared too: a writer that was killed between file and record left another one under the recorded digest.
    if (names.includes(key) && digests[key] === digest && holds(path, bytes)) continue
    await writeFileAtomic(path, bytes, { isLocked: true })
    if (!names.includes(key)) names.push(key)
    sizes[key] = bytes.length
    digests[key] = digest
  }
  return { ...record, 'big-data-names': names, 'big-data-sizes': sizes, 'big-data-digests': digests }
}

function holds(path: string, bytes: Uint8Array): boolean {
  try {
    return readFileSync(path).equals(bytes)
  } catch {
    return false
  }
}

function newImageRecord(wanted: NewImage): ImageRecord {
  return {
    id: wanted.id,
    digest: wanted.digest,
    ...(wanted.layer === undefined ? {} : { layer: wanted.layer }),
    metadata: wanted.metadata ?? '{}',
    created: wanted.created ?? new Date().toISOString(),
  }
}

/** One bad value here makes the whole file unreadable for the Go tools. */
function checkNewImage(wanted: NewImage): void {
  if (!/^[0-9a-f]{64}$/.test(wanted.id)) throw new TpodError('BAD_IMAGE', `create image: id ${JSON.stringify(wanted.id)} is not 64 hexadecimal digits`)
  if (!/^sha256:[0-9a-f]{64}$/.test(wanted.digest)) throw new TpodError('BAD_IMAGE', `create image: digest ${JSON.stringify(wanted.digest)} is not sha256:<hex>`)
  if (wanted.created !== undefined && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(wanted.created)) {
    throw new TpodError('BAD_IMAGE', `create image: time ${JSON.stringify(wanted.created)} is not RFC 3339`)
  }
}

async function flushLayerFiles(context: StoreContext): Promise<void> {
  const fd = openSync(context.paths.overlay, 'r')
  try {
    await native.syncfs(fd)
  } finally {
    closeSync(fd)
  }
}

function union(first: readonly string[], second: readonly string[]): string[] {
  return [...new Set([...first, ...second])]
}

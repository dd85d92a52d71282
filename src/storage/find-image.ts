import { readFileSync } from 'node:fs'
import { TpodError, errorCode } from '../errors/tpod-error.ts'
import { layerChain } from './store-context.ts'
import type { AdditionalStore, StoreContext } from './store-context.ts'
import { bigDataFileName, imageDirectory } from './store-paths.ts'
import type { ImageRecord } from './types.ts'

/**
 * Images of this store, then those of additional stores. A name means the image of the first store that has it: records show
 * only names that lead to them. An image that is in several stores is one record, the first, with the names of all.
 */
export function listImageRecords(context: StoreContext): ImageRecord[] {
  const own = context.images.read().all
  if (context.additional.length === 0) return [...own]
  const images = new Map<string, ImageRecord>()
  const taken = new Set<string>()
  for (const { images: table } of [context, ...context.additional]) {
    for (const image of table.read().all) {
      const free = (image.names ?? []).filter(name => !taken.has(name))
      for (const name of free) taken.add(name)
      const first = images.get(image.id)
      images.set(image.id, first === undefined ? withNames(image, free) : withNames(first, [...(first.names ?? []), ...free]))
    }
  }
  return [...images.values()]
}

function withNames(image: ImageRecord, names: readonly string[]): ImageRecord {
  return (image.names ?? []).length === names.length ? image : { ...image, names: [...names] }
}

/**
 * An image by exact name, id (also `sha256:<id>`), manifest digest, `name@digest`, or unique prefix of an id.
 * Throws AMBIGUOUS_ID when a prefix fits several.
 */
export function findImageRecord(context: StoreContext, nameOrId: string): ImageRecord | undefined {
  const own = context.images.read()
  const quick = own.get(nameOrId) ?? own.findByName(nameOrId)
  if (quick !== undefined) return context.options.additionalImageStores.length === 0 ? quick : (listImageRecords(context).find(({ id }) => id === quick.id) ?? quick)
  const images = listImageRecords(context)
  const byName = images.find(image => image.id === nameOrId || image.names?.includes(nameOrId))
  return byName ?? findByDigest(images, nameOrId) ?? findByPrefix(images, nameOrId)
}

/** As findImageRecord for an exact id; throws NO_SUCH_IMAGE. */
export function getImageRecord(context: StoreContext, nameOrId: string): ImageRecord {
  const image = findImageRecord(context, nameOrId)
  if (image === undefined) throw new TpodError('NO_SUCH_IMAGE', `no image ${nameOrId} in the store`, { exitCode: 1, remedy: `pull it: tpod pull ${nameOrId}` })
  return image
}

/** All manifest digests under which the image may be asked for. */
function manifestDigests(image: ImageRecord): Set<string> {
  const digests = Object.entries(image['big-data-digests'] ?? {}).filter(([key]) => key.startsWith('manifest'))
  return new Set([...(image.digest === undefined ? [] : [image.digest]), ...digests.map(([, digest]) => digest)])
}

/** The bytes of one big-data item. Throws NO_SUCH_IMAGE or NO_SUCH_IMAGE_DATA. */
export function readBigData(context: StoreContext, imageId: string, key: string): Buffer {
  const store = storeOfImage(context, imageId)
  const path = `${imageDirectory(store.paths, imageId)}/${bigDataFileName(key)}`
  try {
    return readFileSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    throw new TpodError('NO_SUCH_IMAGE_DATA', `image ${imageId.slice(0, 12)} has no ${key} (${path})`, {
      remedy: 'pull the image again',
      cause: error,
    })
  }
}

/** Sum of the uncompressed sizes of the image's layers, bytes; layers without a recorded size count as zero. */
export function imageSize(context: StoreContext, imageId: string): number {
  const { layer } = getImageRecord(context, imageId)
  if (layer === undefined) return 0
  return layerChain(context, layer).reduce((sum, { record }) => sum + Math.max(record['diff-size'] ?? 0, 0), 0)
}

export function storeOfImage(context: StoreContext, imageId: string): AdditionalStore {
  const store = [context, ...context.additional].find(each => each.images.read().get(imageId) !== undefined)
  if (store === undefined) throw new TpodError('NO_SUCH_IMAGE', `image ${imageId.slice(0, 12)} is not in the store any more: image not known`, { exitCode: 1 })
  return store
}

function findByDigest(images: readonly ImageRecord[], text: string): ImageRecord | undefined {
  const at = text.indexOf('@')
  const digest = text.slice(at + 1)
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) return undefined
  if (at === -1) {
    const id = digest.slice('sha256:'.length)
    return images.find(image => image.id === id) ?? images.find(image => manifestDigests(image).has(digest))
  }
  const repository = repositoryOf(text.slice(0, at))
  return images.find(image => manifestDigests(image).has(digest) && image.names?.some(name => repositoryOf(name) === repository))
}

/** The reference without tag and digest. */
function repositoryOf(name: string): string {
  const base = name.split('@', 1)[0] ?? name
  const colon = base.lastIndexOf(':')
  return colon > base.lastIndexOf('/') ? base.slice(0, colon) : base
}

function findByPrefix(images: readonly ImageRecord[], text: string): ImageRecord | undefined {
  const prefix = text.startsWith('sha256:') ? text.slice('sha256:'.length) : text
  if (!/^[0-9a-f]+$/.test(prefix)) return undefined
  const matches = images.filter(image => image.id.startsWith(prefix))
  if (matches.length > 1) {
    throw new TpodError('AMBIGUOUS_ID', `find image ${text}: ${matches.length} ids begin so`, { remedy: 'give more digits' })
  }
  return matches[0]
}

/**
 * Manifest lists in the store, where libimage (podman) and buildah keep them: an image record without layers, with the list
 * as big data `manifest`, and `instances.json`, which tells for each entry's digest where its image lies. Reading and
 * changing it is one step under the image's digest lock, so that two `manifest add` at once lose nothing; no lock is held
 * while a registry is asked.
 */
import { randomBytes } from 'node:crypto'
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import { formatReference, isShortName, parseReference, qualifyReference, withDefaultTag, withoutRedundantTag } from '../../oci/reference.ts'
import { withImageDigestLock } from '../../storage/digest-lock.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { getLocalImage } from '../local/resolve-local.ts'
import { notAList, parseListDocument, serializeList } from './list-document.ts'
import type { ListDocument } from './list-document.ts'

export interface StoredList {
  image: ImageRecord
  list: ListDocument
  /** The bytes of the list as stored. */
  bytes: Uint8Array
  /** Digest of an entry to `transport:details`. */
  instances: Map<string, string>
}

const instancesKey = 'instances.json'
const maxInstancesBytes = 16 * 1024 * 1024

/**
 * The list that a name, an id or a digest means. Throws NO_SUCH_IMAGE, NOT_A_MANIFEST_LIST for single images, BAD_MANIFEST
 * or IMAGE_DAMAGED for broken lists.
 */
export async function getStoredList(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string): Promise<StoredList> {
  const { image, resolvedName } = await getLocalImage(store, registries, nameOrId)
  return readStoredList(store, image.id, resolvedName)
}

/**
 * Makes an image that holds the list. Short names get `localhost/`, as podman's do. Throws IMAGE_NAME_IN_USE when an image or a
 * list has the name, BAD_REFERENCE.
 */
export async function createStoredList(store: Store, name: string, list: ListDocument): Promise<ImageRecord> {
  const id = randomBytes(32).toString('hex')
  return writeList(store, { id, names: [listName(name)], list, instances: new Map(), isNew: true })
}

/** `name` as a list is called in the store: with registry (`localhost` for short names) and tag. Throws BAD_REFERENCE. */
export function listName(name: string): string {
  const reference = withoutRedundantTag(parseReference(name))
  return formatReference(withDefaultTag(qualifyReference(reference, isShortName(reference) ? 'localhost' : reference.domain)))
}

/**
 * Reads the list, lets `change` edit it in place, and writes it, all under its lock. Nothing is written when `change`
 * throws. A crash leaves the old list or the new one; `instances.json` may then name images that the list has not.
 */
export async function changeStoredList(store: Store, imageId: string, change: (stored: StoredList) => void, signal?: AbortSignal): Promise<ImageRecord> {
  return withImageDigestLock(store, imageId, async () => {
    const stored = await readStoredList(store, imageId, imageId)
    const former = new Set(stored.instances.keys())
    change(stored)
    const isAddition = [...stored.instances.keys()].some((digest) => !former.has(digest))
    // What a killed command left over stays while one adds: the order of writing can be right for one of both only.
    const gone = isAddition ? [] : [...stored.instances.keys()].filter((digest) => stored.list.entries.every((entry) => entry.digest !== digest))
    for (const digest of gone) stored.instances.delete(digest)
    // An image of a read-only store is copied up with its names; one of our own has them, perhaps changed meanwhile.
    const names = store.options.additionalImageStores.length > 0 ? (stored.image.names ?? []) : []
    return writeList(store, { id: imageId, names, list: stored.list, instances: stored.instances, isNew: false, isRemoval: gone.length > 0, created: stored.image.created })
  }, signal)
}

async function readStoredList(store: Store, imageId: string, shownAs: string): Promise<StoredList> {
  const image = await store.getImage(imageId)
  const bytes = await store.readImageData(image.id, 'manifest').catch((cause: unknown) => {
    if (errorCode(cause) !== 'NO_SUCH_IMAGE_DATA') throw cause
    throw new TpodError('IMAGE_DAMAGED', `read manifest list ${shownAs}: its manifest is missing from the store`, { cause, remedy: 'remove it, and create it again' })
  })
  const list = parseListDocument(bytes, shownAs)
  if (image['big-data-names']?.includes(instancesKey) !== true) throw notAList(shownAs)
  return { image, list, bytes, instances: parseInstances(await store.readImageData(image.id, instancesKey), shownAs) }
}

function parseInstances(bytes: Uint8Array, shownAs: string): Map<string, string> {
  let json: unknown
  try {
    json = bytes.length > maxInstancesBytes ? undefined : JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    json = undefined
  }
  if (typeof json !== 'object' || json === null) throw new TpodError('IMAGE_DAMAGED', `read manifest list ${shownAs}: its ${instancesKey} is not valid`, { remedy: 'remove it, and create it again' })
  return new Map(Object.entries(json).filter((entry): entry is [string, string] => entry[0] !== '' && typeof entry[1] === 'string'))
}

interface ListToWrite {
  id: string
  names: readonly string[]
  list: ListDocument
  instances: ReadonlyMap<string, string>
  isNew: boolean
  /** Locations were taken out; none was added. */
  isRemoval?: boolean
  /** Of a list that is copied up. */
  created?: string
}

async function writeList(store: Store, { id, names, list, instances, isNew, isRemoval, created }: ListToWrite): Promise<ImageRecord> {
  // The empty key names the list's own image, as libimage has it once it has loaded a list.
  const locations: [string, string][] = isNew ? [] : [['', id], ...instances]
  const manifest = serializeList(list)
  const instancesBytes = Buffer.from(JSON.stringify(Object.fromEntries(locations.toSorted(([a], [b]) => (a < b ? -1 : 1)))))
  const manifestItem: [string, Uint8Array] = ['manifest', manifest]
  const instancesItem: [string, Uint8Array] = [instancesKey, instancesBytes]
  return store.putImage({
    id, names, digest: digestOf(manifest), metadata: '',
    // Locations come before the list that needs them, and go after it: killed in between, no list names an image that nobody knows.
    bigData: new Map(isNew || isRemoval === true ? [manifestItem, instancesItem] : [instancesItem, manifestItem]),
    ...(isNew ? { namesMustBeFree: true } : {}),
    ...(created === undefined ? {} : { created }),
  })
}

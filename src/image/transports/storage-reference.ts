/**
 * Names of images in a store, as containers-transports(5) writes them: `[driver@graphroot+runroot:options]name[:tag][@digest][@id]`
 * or an id alone; the part in brackets only for another store than the usual one.
 */
import { TpodError } from '../../errors/tpod-error.ts'
import { isDigest } from '../../oci/digest.ts'
import { formatReference, parseNormalizedReference, withDefaultTag } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { storagePolicyScopes } from '../trust/policy-scopes.ts'
import type { ImageIdentity, StorePlace, TransportContext } from '../types.ts'

export interface StorageReference {
  /** With a tag or a digest. */
  reference?: QualifiedReference
  /** 64 hex digits. */
  imageId?: string
}

/** Below that many digits a word is taken for a name, not for the beginning of an id. */
const minimumIdPrefix = 3

/** The store named in brackets; undefined without brackets. Throws BAD_IMAGE_NAME. */
export function parseStorePlace(details: string): { place: StorePlace | undefined; rest: string } {
  if (!details.startsWith('[')) return { place: undefined, rest: details }
  const end = details.indexOf(']')
  if (end < 1) throw badName(details, 'its store specifier does not end')
  const rest = details.slice(end + 1)
  let text = details.slice(1, end)
  const at = text.indexOf('@')
  const driver = at < 0 ? undefined : text.slice(0, at)
  if (at >= 0) text = text.slice(at + 1)
  if (driver === '' || text === '') throw badName(details, 'its store specifier is empty')
  const colon = text.indexOf(':')
  const options = colon < 0 ? [] : text.slice(colon + 1).split(',').filter((option) => option !== '')
  const [graphRoot = '', runRoot] = (colon < 0 ? text : text.slice(0, colon)).split(/\+(.*)/s)
  for (const path of [graphRoot, runRoot ?? '']) if (path !== '' && !path.startsWith('/')) throw badName(details, 'the path of a store must be absolute')
  return {
    place: {
      ...(driver === undefined ? {} : { driver }),
      ...(graphRoot === '' ? {} : { graphRoot }),
      ...(runRoot === undefined || runRoot === '' ? {} : { runRoot }),
      ...(options.length === 0 ? {} : { options }),
    },
    rest,
  }
}

/** Opens the store that `details` names, or the context's, and gives what is named in it. */
export async function openStoreOf(context: TransportContext, details: string): Promise<{ store: Store; named: StorageReference }> {
  const { place, rest } = parseStorePlace(details)
  const store = await context.openStore(place)
  return { store, named: await parseStorageReference(store, rest) }
}

/** What follows the brackets; the beginning of an image's id counts as the id. Throws BAD_IMAGE_NAME, BAD_REFERENCE. */
export async function parseStorageReference(store: Store, text: string): Promise<StorageReference> {
  if (text === '') throw badName(text, 'it is empty')
  let name = text
  let imageId: string | undefined
  const at = text.lastIndexOf('@')
  if (at >= 0 && !isDigest(text.slice(at + 1))) {
    imageId = await findId(store, text.slice(at + 1))
    if (imageId === undefined) throw badName(text, `${JSON.stringify(text.slice(at + 1))} does not look like an image ID or digest`)
    name = text.slice(0, at)
  } else if (at < 0 && !text.includes(':') && text.length >= minimumIdPrefix) {
    imageId = await findId(store, text)
    if (imageId !== undefined) name = ''
  }
  return {
    ...(name === '' ? {} : { reference: withDefaultTag(parseNormalizedReference(name)) }),
    ...(imageId === undefined ? {} : { imageId }),
  }
}

/** The image that is meant, by name, by a digest of its repository, or by id. Throws NO_SUCH_IMAGE. */
export async function findStoredImage(store: Store, { reference, imageId }: StorageReference): Promise<ImageRecord> {
  const wanted = imageId ?? formatReference(reference!)
  const image = await store.findImage(wanted)
  if (image === undefined || (imageId !== undefined && image.id !== imageId)) {
    throw new TpodError('NO_SUCH_IMAGE', `reference "${describeStored(store, { ...(reference === undefined ? {} : { reference }), ...(imageId === undefined ? {} : { imageId }) })}" does not resolve to an image ID`, { remedy: 'see tpod images for what is there' })
  }
  return image
}

/** As containers/image writes such a name within its transport. */
export function describeStored(store: Store, named: StorageReference): string {
  return `[${store.driverName}@${store.graphRoot}+${store.runRoot}]${describeNamed(named)}`
}

/** `name@id`, either of them alone, or ''. */
export function describeNamed({ reference, imageId }: StorageReference): string {
  return `${reference === undefined ? '' : formatReference(reference)}${imageId === undefined ? '' : `@${imageId}`}`
}

export function storageIdentity(store: Store, named: StorageReference): ImageIdentity {
  return {
    transport: 'containers-storage',
    name: describeStored(store, named),
    ...(named.reference === undefined ? {} : { dockerReference: named.reference }),
    policyScopes: storagePolicyScopes({ driver: store.driverName, graphRoot: store.graphRoot, ...named }),
  }
}

async function findId(store: Store, text: string): Promise<string | undefined> {
  if (/^[0-9a-f]{64}$/.test(text)) return text
  if (text.length < minimumIdPrefix || !/^[0-9a-f]+$/.test(text)) return undefined
  const image = await store.findImage(text)
  return image?.id.startsWith(text) === true ? image.id : undefined
}

function badName(text: string, why: string): TpodError {
  return new TpodError('BAD_IMAGE_NAME', `invalid name of a stored image ${JSON.stringify(text)}: ${why}`, { remedy: 'write containers-storage:[DRIVER@GRAPHROOT+RUNROOT]NAME[:TAG][@ID]' })
}

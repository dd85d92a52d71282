/** Where the image of a list's entry lies: `transport:details`, as libimage writes it into instances.json. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { parseImageName, transportOf } from '../transports/image-name.ts'
import type { ImageName } from '../transports/image-name.ts'
import type { Store } from '../../storage/types.ts'
import { findLocalImage, imageDigests } from '../local/resolve-local.ts'

/** What `[driver@root+run:options]` before a reference of containers-storage: names. */
const placePattern = /^\[overlay2?@([^+\]:]+)(?:\+[^\]:]*)?(?::[^\]]*)?\](.*)$/

/**
 * What a user means by an image to add: `transport:…` as it is; a name without transport is an image of the store, if there is one (by id,
 * so that a new image of that name later is not taken for it), else `docker://NAME`.
 */
export async function resolveInstanceName(store: Store, registries: () => Promise<RegistriesConfig>, text: string): Promise<string> {
  if (transportOf(text) !== undefined && !text.startsWith('containers-storage:')) return text
  const isStorage = text.startsWith('containers-storage:')
  const details = isStorage ? text.slice('containers-storage:'.length) : text
  if (isStorage && details.startsWith('[')) return text
  const local = await findLocalImage(store, registries, details.replace(/^@/, '')).catch((error: unknown) => {
    if (errorCode(error) === 'BAD_REFERENCE' && !isStorage) return undefined
    throw error
  })
  if (local !== undefined) return storeLocation(store, local.image.id)
  return isStorage ? text : `docker://${text}`
}

function storeLocation(store: Pick<Store, 'graphRoot' | 'runRoot'>, imageId: string): string {
  return `containers-storage:[overlay@${store.graphRoot}+${store.runRoot}]@${imageId}`
}

/**
 * The name under which the entry's image is opened now. An image of this store, or of its read-only ones, is found by the
 * entry's digest, whatever it is called and wherever the list was made. Without a digest (an image that is to be added) by
 * its name alone. Throws NO_SUCH_IMAGE for one that is gone.
 */
export async function openableLocation(store: Store, location: string, digest?: string): Promise<ImageName> {
  const name = parseImageName(location)
  if (name.transport !== 'containers-storage') return name
  const match = placePattern.exec(name.details)
  const isElsewhere = match !== null && match[1] !== store.graphRoot
  if (digest === undefined) return isElsewhere || match === null ? name : { ...name, details: match[2] as string }
  const image = (await store.listImages()).find((candidate) => imageDigests(candidate).has(digest))
  if (image !== undefined) return { ...name, details: `@${image.id}` }
  if (isElsewhere) return name
  throw new TpodError('NO_SUCH_IMAGE', `image instance ${digest}, added as ${match === null ? name.details : match[2]}, is not in the store any more: image not known`, { remedy: 'pull or build it again, or remove the entry: tpod manifest remove' })
}

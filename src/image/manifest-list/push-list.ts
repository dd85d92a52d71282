import { TpodError } from '../../errors/tpod-error.ts'
import { dockerList, ociIndex } from '../../oci/media-types.ts'
import type { CopyOptions, CopyResult } from '../copy/types.ts'
import { openDestination } from '../transports/open-destination.ts'
import type { ImageName } from '../transports/image-name.ts'
import { openSource } from '../transports/open-source.ts'
import type { EndpointOptions, ImageContext, ImageSource } from '../types.ts'
import { openableLocation } from './instance-location.ts'
import type { AddedCompression } from './add-compression.ts'
import { preferredFormat, serializeList } from './list-document.ts'
import { createListSource } from './list-source.ts'
import type { StoredList } from './stored-list.ts'

export interface PushListOptions extends Omit<CopyOptions, 'instances'> {
  /** Its images, too; else the list alone, for a destination that has them. Default true. */
  all?: boolean
  /** Push the images in these compressions, too, as further entries. */
  addCompression?: readonly AddedCompression[]
  /** How the destination is reached, and the images' places. */
  endpoint?: EndpointOptions
}

/** Copies a list of the store with its images, from wherever they lie and as far as policy.json accepts each there. Throws what reaching them and copying throws. */
export async function pushStoredList(context: ImageContext, stored: StoredList, destinationName: ImageName, options: PushListOptions = {}): Promise<CopyResult> {
  const { addCompression = [], ...push } = options
  if (addCompression.length === 0) return pushSource(context, openStoredList(context, stored, options.endpoint), destinationName, push)
  if (push.all === false) throw new TpodError('BAD_FLAG', 'push with added compressions: they are images, which --all=false leaves out')
  if (push.compression?.format === 'zstd') throw new TpodError('BAD_FLAG', 'push with added compressions: the images themselves are then gzip, not zstd', { remedy: '--add-compression zstd alone pushes both' })
  const { addCompressions } = await import('./add-compression.ts')
  const { endpoint: _endpoint, all: _all, ...copy } = push
  const source = openStoredList(context, stored, options.endpoint)
  try {
    const added = await addCompressions(context, stored.list, source, addCompression, copy)
    try {
      const more: StoredList = { ...stored, list: added.list, bytes: serializeList(added.list), instances: new Map([...stored.instances, ...added.locations]) }
      // Forced, it would make the added ones like the others again.
      const kept = push.compression === undefined ? {} : { compression: { ...push.compression, force: false } }
      return await pushSource(context, openStoredList(context, more, options.endpoint, new Set(added.locations.keys())), destinationName, { ...push, ...kept })
    } finally {
      await added.discard()
    }
  } finally {
    await source.close()
  }
}

/** Closes the source. */
async function pushSource(context: ImageContext, source: ImageSource, destinationName: ImageName, options: Omit<PushListOptions, 'addCompression'>): Promise<CopyResult> {
  const { all = true, endpoint = {}, ...copy } = options
  try {
    const { copyImage } = await import('../copy/copy-image.ts')
    const destination = await openDestination(context, destinationName, endpoint)
    try {
      return await copyImage(context, source, destination, { ...copy, instances: all ? 'all' : 'index-only' })
    } finally {
      await destination.close()
    }
  } finally {
    await source.close()
  }
}

/** The list as a source; its images are opened one by one as they are read. `ownMade`: digests of images that come from this process, which no policy knows. */
function openStoredList(context: ImageContext, stored: StoredList, endpoint: EndpointOptions = {}, ownMade: ReadonlySet<string> = new Set()): ImageSource {
  const { image, instances, bytes, list } = stored
  const description = image.names?.[0] ?? image.id.slice(0, 12)
  return createListSource({
    description,
    identity: { transport: 'containers-storage', name: `@${image.id}`, policyScopes: [] },
    bytes,
    mediaType: preferredFormat(list) === 'oci' ? ociIndex : dockerList,
    openInstance: async (digest) => {
      const location = instances.get(digest)
      if (location === undefined) throw new TpodError('MANIFEST_UNKNOWN', `read ${digest} of ${description}: the store does not know where that image lies`, { remedy: 'remove the entry, and add the image again' })
      return openSource(context, await openableLocation(context.store, location, digest), endpoint)
    },
    checkInstance: async (source, manifest, signal) => {
      if (ownMade.has(manifest.digest)) return
      const { checkTrust } = await import('../trust/check-trust.ts')
      await checkTrust(await context.policy(), source, manifest, { ...(signal === undefined ? {} : { signal }), ...(context.temporaryDirectory === undefined ? {} : { temporaryDirectory: context.temporaryDirectory }) })
    },
  })
}

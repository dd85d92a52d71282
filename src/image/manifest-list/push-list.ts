import { TpodError } from '../../errors/tpod-error.ts'
import { dockerList, ociIndex } from '../../oci/media-types.ts'
import type { CopyOptions, CopyResult } from '../copy/types.ts'
import { openDestination } from '../transports/open-destination.ts'
import type { ImageName } from '../transports/image-name.ts'
import { openSource } from '../transports/open-source.ts'
import type { EndpointOptions, ImageContext, ImageSource } from '../types.ts'
import { openableLocation } from './instance-location.ts'
import { preferredFormat } from './list-document.ts'
import { createListSource } from './list-source.ts'
import type { StoredList } from './stored-list.ts'

export interface PushListOptions extends Omit<CopyOptions, 'instances'> {
  /** Its images, too; else the list alone, for a destination that has them. Default true. */
  all?: boolean
  /** How the destination is reached, and the images' places. */
  endpoint?: EndpointOptions
}

/** Copies a list of the store with its images, from wherever they lie. Throws what reaching them and copying throws. */
export async function pushStoredList(context: ImageContext, stored: StoredList, destinationName: ImageName, options: PushListOptions = {}): Promise<CopyResult> {
  const { all = true, endpoint = {}, ...copy } = options
  const { copyImage } = await import('../copy/copy-image.ts')
  const source = openStoredList(context, stored, endpoint)
  try {
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

/** The list as a source; its images are opened one by one as they are read. */
export function openStoredList(context: ImageContext, stored: StoredList, endpoint: EndpointOptions = {}): ImageSource {
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
  })
}

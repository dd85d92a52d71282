import { TpodError } from '../../errors/tpod-error.ts'
import type { Platform } from '../../oci/image-types.ts'
import { chooseInstance, formatPlatform } from '../../oci/platform.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { isManifestList, readImageManifest } from '../local/image-data.ts'
import { imageDigests } from '../local/resolve-local.ts'

/**
 * The image that a name means to who wants to run or inspect it: of a manifest list the image of the store that it lists for
 * `platform`, anything else itself. Throws NO_SUCH_IMAGE when the list has none for it or the store has not that image.
 */
export async function imageOrInstance(store: Store, image: ImageRecord, platform: Platform): Promise<ImageRecord> {
  if (!isManifestList(image)) return image
  const { manifest } = await readImageManifest(store, image)
  if (manifest.kind !== 'index') return image
  const name = image.names?.[0] ?? image.id.slice(0, 12)
  const chosen = chooseInstance(manifest.manifests, platform)
  if (chosen === undefined) throw new TpodError('NO_SUCH_IMAGE', `${name}: no image found in manifest list for ${formatPlatform(platform)}: image not known`, { remedy: `add one with: tpod manifest add ${name} IMAGE` })
  const instance = (await store.listImages()).find((candidate) => candidate.id !== image.id && imageDigests(candidate).has(chosen.digest))
  if (instance === undefined) throw new TpodError('NO_SUCH_IMAGE', `${name}: could not find image instance ${chosen.digest} of manifest list ${image.id} in local containers storage: image not known`, { remedy: 'pull that image, or run it from where it lies' })
  return instance
}

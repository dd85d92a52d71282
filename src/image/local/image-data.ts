/** Documents of an image in the store, read when needed: listing 500 images must not read 500 configs. */
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { parseImageConfig, parseManifest } from '../../oci/image-types.ts'
import type { ImageConfig, ImageIndex, ImageManifest } from '../../oci/image-types.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'

/** Throws IMAGE_DAMAGED when the store has not (all of) it: podman lists such images too, so that they can be removed. */
export async function readImageConfig(store: Store, image: ImageRecord): Promise<ImageConfig> {
  const shownAs = image.names?.[0] ?? image.id.slice(0, 12)
  const key = `sha256:${image.id}`
  if (image['big-data-names']?.includes(key) === true) return parseImageConfig(await readData(store, image, key, shownAs), shownAs)
  // Ids other than the config's digest: images made by partial pulls ("@With TOC:").
  const { manifest } = await readImageManifest(store, image)
  if (manifest.kind === 'index') throw new TpodError('IMAGE_IS_LIST', `read ${shownAs}: it is a manifest list, not an image`)
  return parseImageConfig(await readData(store, image, manifest.config.digest, shownAs), shownAs)
}

/** The image's own manifest, or its index for a manifest list. Throws IMAGE_DAMAGED. */
export async function readImageManifest(store: Store, image: ImageRecord): Promise<{ manifest: ImageManifest | ImageIndex; bytes: Uint8Array }> {
  const shownAs = image.names?.[0] ?? image.id.slice(0, 12)
  const bytes = await readData(store, image, 'manifest', shownAs)
  return { manifest: parseManifest(bytes, '', shownAs), bytes }
}

/** True for what `podman manifest create` makes: a list, without layers. */
export function isManifestList(image: ImageRecord): boolean {
  return image.layer === undefined && image['big-data-names']?.includes(`sha256:${image.id}`) !== true
}

async function readData(store: Store, image: ImageRecord, key: string, shownAs: string): Promise<Buffer> {
  try {
    return await store.readImageData(image.id, key)
  } catch (cause) {
    const code = errorCode(cause)
    if (code !== 'ENOENT' && code !== 'NO_SUCH_IMAGE_DATA') throw cause
    throw new TpodError('IMAGE_DAMAGED', `read image ${shownAs}: its ${key === 'manifest' ? 'manifest' : 'config'} is missing from the store`, { cause, remedy: 'pull it again, or remove it' })
  }
}

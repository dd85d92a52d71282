/** Mounting images read-only on the host, to look into them. The store counts the mounts, for all tools. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import type { Outcome } from '../../errors/outcome.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { getLocalImage } from './resolve-local.ts'

export interface MountedImage {
  image: ImageRecord
  path: string
}

type Registries = () => Promise<RegistriesConfig>

/**
 * Mounts the images named, or with `all` each of the store's own that has layers. All names are looked up before any is
 * mounted. Throws NO_SUCH_IMAGE, IMAGE_HAS_NO_LAYERS, MOUNT_FAILED.
 */
export async function mountImages(store: Store, registries: Registries, names: readonly string[], options: { all?: boolean } = {}): Promise<MountedImage[]> {
  const images = options.all === true ? (await ownImages(store)).filter(({ layer }) => (layer ?? '') !== '') : await findAll(store, registries, names)
  const mounted: MountedImage[] = []
  for (const image of images) mounted.push({ image, path: await store.mountImage(image.id) })
  return mounted
}

/** Of whatever tool, as the kernel tells. */
export async function listMountedImages(store: Store): Promise<MountedImage[]> {
  const mounted: MountedImage[] = []
  for (const image of await store.listImages()) {
    const path = await store.imageMountpoint(image.id)
    if (path !== undefined) mounted.push({ image, path })
  }
  return mounted
}

/** One outcome with the id per image that was mounted; with `all` for all of them. Throws NO_SUCH_IMAGE before anything is undone. */
export async function unmountImages(store: Store, registries: Registries, names: readonly string[], options: { all?: boolean; force?: boolean } = {}): Promise<Outcome<string>[]> {
  const images = options.all === true ? await store.listImages() : await findAll(store, registries, names)
  const outcomes: Outcome<string>[] = []
  for (const image of images) {
    try {
      if ((await store.imageMountpoint(image.id)) === undefined) continue
      await store.unmountImage(image.id, { force: options.force ?? false })
      outcomes.push({ input: image.id, value: image.id })
    } catch (error) {
      outcomes.push({ input: image.id, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }
  return outcomes
}

async function findAll(store: Store, registries: Registries, names: readonly string[]): Promise<ImageRecord[]> {
  const images = new Map<string, ImageRecord>()
  for (const name of names) {
    const { image } = await getLocalImage(store, registries, name)
    images.set(image.id, image)
  }
  return [...images.values()]
}

async function ownImages(store: Store): Promise<ImageRecord[]> {
  const [images, readOnly] = await Promise.all([store.listImages(), store.readOnlyImages()])
  return images.filter(({ id }) => !readOnly.has(id))
}

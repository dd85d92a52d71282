/** Removing images by podman's rules (libimage): untag while there are other names, delete with dangling parents else. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import type { Outcome } from '../../errors/outcome.ts'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import type { ImageRecord, LayerRecord, Store } from '../../storage/types.ts'
import { imageTree } from './image-tree.ts'
import { listImages } from './list.ts'
import { getLocalImage } from './resolve-local.ts'
import type { LocalImage } from './resolve-local.ts'

export interface RemoveOptions {
  /** Containers that use it are removed through `removeContainers`; ids with several names are accepted. */
  force?: boolean
  /** Every image, or with `filters` those they select; `names` must be empty. */
  all?: boolean
  filters?: readonly string[]
  /** Names that do not exist are no error. */
  ignore?: boolean
  /** Dangling parents stay. */
  noPrune?: boolean
  /** Removes all containers of an image, running or not; given by the container layer. Throws for those it cannot. */
  removeContainers?: (image: ImageRecord) => Promise<void>
}

export interface RemovedImage {
  /** In podman's order: print `Untagged: NAME` for each, then `Deleted: ID` for each. */
  untagged: string[]
  deleted: string[]
}

/**
 * One outcome per name (with `all`, per image). Errors: NO_SUCH_IMAGE (exit status 1), IMAGE_IN_USE (2), IMAGE_HAS_NAMES
 * for an id with several names without force. Images that somebody else removes meanwhile count as removed.
 */
export async function removeImages(store: Store, registries: () => Promise<RegistriesConfig>, names: readonly string[], options: RemoveOptions = {}): Promise<Outcome<RemovedImage>[]> {
  if (options.all === true) return removeAll(store, registries, options)
  const outcomes: Outcome<RemovedImage>[] = []
  // Looked up before anything is removed, so that `rmi ID NAME` finds both.
  const targets = await Promise.all(names.map((name) => lookUp(store, registries, name)))
  for (const [index, input] of names.entries()) {
    const target = targets[index]!
    if (target instanceof Error) {
      if (options.ignore !== true || errorCode(target) !== 'NO_SUCH_IMAGE') outcomes.push({ input, error: target })
      continue
    }
    outcomes.push(await toOutcome(input, () => removeTarget(store, target, options)))
  }
  return outcomes
}

async function lookUp(store: Store, registries: () => Promise<RegistriesConfig>, name: string): Promise<LocalImage | Error> {
  try {
    return await getLocalImage(store, registries, name)
  } catch (error) {
    if (!(error instanceof TpodError)) throw error
    // `rmi` documents 1 for "not found"; other commands end with 125.
    if (error.code !== 'NO_SUCH_IMAGE') return error
    return new TpodError(error.code, error.message, { exitCode: 1, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
}

/** Children first: an image that others are built on is gone when its turn comes, or can then go. */
async function removeAll(store: Store, registries: () => Promise<RegistriesConfig>, options: RemoveOptions): Promise<Outcome<RemovedImage>[]> {
  const entries = await listImages(store, registries, { all: true, ...(options.filters === undefined ? {} : { filters: options.filters }) })
  const outcomes: Outcome<RemovedImage>[] = []
  for (const { image, isReadOnly } of entries) {
    if (isReadOnly) continue
    outcomes.push(await toOutcome(image.names?.[0] ?? image.id, () => deleteWithParents(store, image, options)))
  }
  return outcomes
}

async function toOutcome(input: string, remove: () => Promise<RemovedImage>): Promise<Outcome<RemovedImage>> {
  try {
    return { input, value: await remove() }
  } catch (error) {
    return { input, error: error instanceof Error ? error : new Error(String(error)) }
  }
}

async function removeTarget(store: Store, { image: found, resolvedName, isById }: LocalImage, options: RemoveOptions): Promise<RemovedImage> {
  const image = await store.findImage(found.id)
  if (image === undefined || image.id !== found.id) return { untagged: [], deleted: [] }
  const names = image.names ?? []
  if (isById && names.length > 1 && options.force !== true) {
    throw new TpodError('IMAGE_HAS_NAMES', `unable to delete image "${image.id}" by ID with more than one tag ([${names.join(' ')}]): please force removal`, { remedy: 'remove the names one by one, or give --force' })
  }
  if (!isById && names.length > 1) {
    // name@digest that is not stored as such names the image, not one of its names.
    const name = names.includes(resolvedName) ? resolvedName : undefined
    if (name !== undefined) {
      await store.changeImageNames(image.id, 'remove', [name])
      return { untagged: [name], deleted: [] }
    }
    if (options.force !== true) throw new TpodError('IMAGE_HAS_NAMES', `unable to delete image "${image.id}" by digest with more than one tag ([${names.join(' ')}]): please force removal`, { remedy: 'remove the names one by one, or give --force' })
  }
  return deleteWithParents(store, image, options)
}

async function deleteWithParents(store: Store, image: ImageRecord, options: RemoveOptions): Promise<RemovedImage> {
  const removed: RemovedImage = { untagged: [], deleted: [] }
  let current: ImageRecord | undefined = image
  while (current !== undefined) {
    const [images, layers, readOnly]: [ImageRecord[], LayerRecord[], ReadonlySet<string>] = await Promise.all([store.listImages(), store.listLayers(), store.readOnlyImages()])
    const tree = imageTree(store, images, layers)
    const [hasChildren, parent]: [boolean, ImageRecord | undefined] = await Promise.all([tree.hasChildren(current), options.noPrune === true ? undefined : tree.parent(current)])
    const result = await deleteOne(store, current, options)
    if (result === undefined) return removed
    removed.untagged.push(...result)
    // As podman and docker: the data of an image that others are built on is still there, so it is not called deleted.
    if (!hasChildren) removed.deleted.push(current.id)
    current = parent !== undefined && !readOnly.has(parent.id) && (parent.names?.length ?? 0) === 0 && (await isWithoutChildren(store, parent)) ? parent : undefined
  }
  return removed
}

async function isWithoutChildren(store: Store, image: ImageRecord): Promise<boolean> {
  const [images, layers] = await Promise.all([store.listImages(), store.listLayers()])
  return !(await imageTree(store, images, layers).hasChildren(image))
}

/** The names it had; undefined when it was gone already. */
async function deleteOne(store: Store, image: ImageRecord, options: RemoveOptions): Promise<string[] | undefined> {
  try {
    if (options.force === true && options.removeContainers !== undefined) await options.removeContainers(image)
    const { untagged } = await store.deleteImage(image.id)
    return untagged
  } catch (error) {
    if (errorCode(error) === 'NO_SUCH_IMAGE') return undefined
    throw error
  }
}

import { mkdirSync } from 'node:fs'
import { TpodError } from '../errors/tpod-error.ts'
import { findImageRecord, getImageRecord, imageSize, listImageRecords, readBigData } from './find-image.ts'
import { layerIdFor } from './layer-id.ts'
import { isIncomplete, findLayerWithStore, makeContext } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { layerDirectory, runUserdataDirectory, userdataDirectory } from './store-paths.ts'
import type {
  ContainerRecord,
  DeletedImage,
  ImageRecord,
  LayerChange,
  LayerProblem,
  LayerRecord,
  NewContainer,
  NewImage,
  StagedLayer,
  Store,
  StoreOptions,
} from './types.ts'

/**
 * Opens the store. Reads and creates nothing: a store that does not exist yet is empty, and is made by the first write.
 * Concurrent operations on one Store are safe, in one process and across processes.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const stores = options.additionalImageStores.map(path => ['additional image store', path] as const)
  for (const [name, path] of [['graph root', options.graphRoot], ['run root', options.runRoot], ...stores] as const) {
    // mount(2) splits its options at commas, and overlayfs its lowers at colons.
    if (!path.startsWith('/') || /[,:"\\\n]/.test(path)) {
      throw new TpodError('BAD_STORE_PATH', `open store: ${name} ${JSON.stringify(path)} must be absolute and free of , : " and \\`)
    }
  }
  return new OverlayStore(options)
}

/** Everything that only some commands need is loaded by the method that needs it. */
class OverlayStore implements Store {
  readonly driverName = 'overlay'
  readonly options: StoreOptions
  readonly #context: StoreContext

  constructor(options: StoreOptions) {
    this.options = options
    this.#context = makeContext(options)
  }

  get graphRoot(): string {
    return this.options.graphRoot
  }

  get runRoot(): string {
    return this.options.runRoot
  }

  get ownDirectory(): string {
    return `${this.graphRoot}/tpod`
  }

  get ownRunDirectory(): string {
    return `${this.runRoot}/tpod`
  }

  async listImages(): Promise<ImageRecord[]> {
    return listImageRecords(this.#context)
  }

  async findImage(nameOrId: string): Promise<ImageRecord | undefined> {
    return findImageRecord(this.#context, nameOrId)
  }

  async getImage(nameOrId: string): Promise<ImageRecord> {
    return getImageRecord(this.#context, nameOrId)
  }

  async readImageData(imageId: string, key: string): Promise<Buffer> {
    return readBigData(this.#context, imageId, key)
  }

  async readOnlyImages(): Promise<ReadonlySet<string>> {
    const own = this.#context.images.read()
    return new Set(this.#context.additional.flatMap(store => store.images.read().all.map(image => image.id)).filter(id => own.get(id) === undefined))
  }

  async listLayers(): Promise<LayerRecord[]> {
    const stores = [this.#context, ...this.#context.additional]
    const layers = stores.flatMap(store => store.layers.read().all).filter(layer => !isIncomplete(layer))
    return [...new Map(layers.toReversed().map(layer => [layer.id, layer])).values()].toReversed()
  }

  layerDirectory(id: string): string {
    return layerDirectory(findLayerWithStore(this.#context, id)?.store.paths ?? this.#context.paths, id)
  }

  async findLayer(id: string): Promise<LayerRecord | undefined> {
    return findLayerWithStore(this.#context, id)?.record
  }

  async listContainers(): Promise<ContainerRecord[]> {
    return [...this.#context.containers.read().all]
  }

  async findContainer(nameOrId: string): Promise<ContainerRecord | undefined> {
    const { findContainerRecord } = await import('./containers.ts')
    return findContainerRecord(this.#context, nameOrId)
  }

  async imageSizeBytes(imageId: string): Promise<number> {
    return imageSize(this.#context, imageId)
  }

  async containerSizeBytes(containerId: string): Promise<number> {
    const { measureContainer } = await import('./containers.ts')
    return measureContainer(this.#context, containerId)
  }

  async stageLayer(blob: AsyncIterable<Uint8Array>, options: { signal?: AbortSignal; verifiedDigest?: string } = {}): Promise<StagedLayer> {
    const { stageLayerFiles } = await import('./stage-layer.ts')
    return stageLayerFiles(this.#context, blob, options)
  }

  layerIdFor(parentLayerId: string | undefined, diffId: string): string {
    return layerIdFor(parentLayerId, diffId)
  }

  async commitLayer(staged: StagedLayer, parentLayerId: string | undefined): Promise<LayerRecord> {
    const { StagedLayerFiles } = await import('./stage-layer.ts')
    if (!(staged instanceof StagedLayerFiles)) throw new Error('commitLayer: the layer was not staged by this store')
    return staged.commit(this.#context, parentLayerId)
  }

  async putImage(image: NewImage): Promise<ImageRecord> {
    const { putImageRecord } = await import('./image-writes.ts')
    const record = await putImageRecord(this.#context, image)
    const { keepReserve } = await import('./reserve.ts')
    keepReserve(this.#context.paths)
    return record
  }

  async changeImageNames(imageId: string, mode: 'set' | 'add' | 'remove', names: readonly string[]): Promise<ImageRecord> {
    const { changeNames } = await import('./image-writes.ts')
    return changeNames(this.#context, imageId, mode, names)
  }

  async deleteImage(imageId: string): Promise<DeletedImage> {
    const { deleteImageRecord } = await import('./delete-image.ts')
    const { withReserve } = await import('./reserve.ts')
    const { finishRemovals } = await import('./going-layers.ts')
    return withReserve(this.#context.paths, async () => {
      const deleted = await deleteImageRecord(this.#context, imageId)
      await finishRemovals(this.#context)
      return deleted
    })
  }

  async deleteUnusedLayers(layerIds: readonly string[]): Promise<string[]> {
    const { deleteUnusedLayers } = await import('./delete-layers.ts')
    const { withReserve } = await import('./reserve.ts')
    return withReserve(this.#context.paths, () => deleteUnusedLayers(this.#context, layerIds))
  }

  async *readLayerTar(layerId: string): AsyncGenerator<Uint8Array> {
    const { readLayerTarBytes } = await import('./read-layer-tar.ts')
    yield* readLayerTarBytes(this.#context, layerId)
  }

  async layerChanges(layerId: string, fromLayerId?: string): Promise<LayerChange[]> {
    const { layerChanges } = await import('./layer-changes.ts')
    return layerChanges(this.#context, fromLayerId, layerId)
  }

  async checkLayers(layerIds?: readonly string[]): Promise<LayerProblem[]> {
    const { checkLayerContents } = await import('./check-layers.ts')
    return checkLayerContents(this.#context, layerIds)
  }

  async createContainer(container: NewContainer): Promise<ContainerRecord> {
    const { createContainerRecord } = await import('./containers.ts')
    return createContainerRecord(this.#context, container)
  }

  async renameContainer(id: string, names: readonly string[]): Promise<void> {
    const { renameContainerRecord } = await import('./containers.ts')
    await renameContainerRecord(this.#context, id, names)
  }

  async deleteContainer(id: string): Promise<void> {
    const { deleteContainerRecord } = await import('./containers.ts')
    await deleteContainerRecord(this.#context, id)
  }

  async mountContainer(id: string): Promise<string> {
    const { mountContainerLayer } = await import('./mounts.ts')
    return mountContainerLayer(this.#context, id)
  }

  async unmountContainer(id: string, options: { force?: boolean } = {}): Promise<boolean> {
    const { unmountContainerLayer } = await import('./mounts.ts')
    return unmountContainerLayer(this.#context, id, options.force ?? false)
  }

  async containerMountpoint(id: string): Promise<string | undefined> {
    const { containerMountpoint } = await import('./mounts.ts')
    return containerMountpoint(this.#context, id)
  }

  async mountImage(imageId: string): Promise<string> {
    const { mountImageLayer } = await import('./mounts.ts')
    return mountImageLayer(this.#context, imageId)
  }

  async unmountImage(imageId: string, options: { force?: boolean } = {}): Promise<boolean> {
    const { unmountImageLayer } = await import('./mounts.ts')
    return unmountImageLayer(this.#context, imageId, options.force ?? false)
  }

  async imageMountpoint(imageId: string): Promise<string | undefined> {
    const { imageMountpoint } = await import('./mounts.ts')
    return imageMountpoint(this.#context, imageId)
  }

  containerDirectory(id: string): string {
    return userdataDirectory(this.#context.paths, id)
  }

  containerRunDirectory(id: string): string {
    return madeDirectory(runUserdataDirectory(this.#context.paths, id))
  }

  async recover(): Promise<void> {
    const { recoverStore } = await import('./recover-store.ts')
    await recoverStore(this.#context)
  }
}

function madeDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  return path
}

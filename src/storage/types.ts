/**
 * What the store offers to the layers above (image, libpod, commands). The records are containers/storage's own,
 * their JSON keys kept exactly; unknown fields of other writers survive a rewrite.
 */
import type { CompressionName, IdMap, StagedContent } from '../archive/types.ts'

export interface LayerRecord {
  id: string
  names?: string[]
  parent?: string
  metadata?: string
  mountlabel?: string
  created: string
  'compressed-diff-digest'?: string
  'compressed-size'?: number
  'diff-digest'?: string
  'diff-size'?: number
  'toc-digest'?: string
  compression?: number
  uidset?: number[]
  gidset?: number[]
  flags?: Record<string, unknown>
  'big-data-names'?: string[]
  [other: string]: unknown
}

export interface ImageRecord {
  id: string
  digest?: string
  names?: string[]
  'names-history'?: string[]
  layer?: string
  'mapped-layers'?: string[]
  metadata?: string
  'big-data-names'?: string[]
  'big-data-sizes'?: Record<string, number>
  'big-data-digests'?: Record<string, string>
  created: string
  flags?: Record<string, unknown>
  [other: string]: unknown
}

export interface ContainerRecord {
  id: string
  names?: string[]
  image: string
  layer: string
  metadata?: string
  created: string
  flags?: Record<string, unknown>
  'big-data-names'?: string[]
  [other: string]: unknown
}

export interface StoreOptions {
  /** Default /var/lib/containers/storage as root. */
  graphRoot: string
  runRoot: string
  driver: 'overlay'
  /** From storage.conf [storage.options.overlay] and --storage-opt: `mountopt`, `mount_program`, `ignore_chown_errors`, … */
  driverOptions: Readonly<Record<string, string>>
  /** Read-only stores searched after this one. */
  additionalImageStores: readonly string[]
  /** Told of an additional store that cannot be read, which is left out then; absent: an error, when one is needed. */
  onWarning?: (warning: string) => void
  /** Mount with user.* xattrs, no device nodes: decided by the host layer, never by asking "am I root" here. */
  userXattr: boolean
}

/** A layer unpacked under ROOT/overlay/staging, not yet part of the store; no lock is held for it but its own. */
export interface StagedLayer extends StagedContent {
  /** Removes it. Idempotent; called after commit too, harmlessly. */
  discard(): Promise<void>
}

export interface NewImage {
  /** Hex of the config digest. */
  id: string
  /** Manifest digest. */
  digest: string
  /** Fully qualified references; each is taken away from the image that had it. */
  names: readonly string[]
  /** Throw IMAGE_NAME_IN_USE instead of taking a name away. */
  namesMustBeFree?: boolean
  /** Top layer id; absent for an image without layers. */
  layer?: string
  /** Key to bytes, in insertion order: config digest, `manifest-<digest>`, `manifest`, … */
  bigData: ReadonlyMap<string, Uint8Array>
  /** RFC 3339; the image config's time. */
  created?: string
  metadata?: string
}

export interface NewContainer {
  /** 64 hex; made when absent. */
  id?: string
  names: readonly string[]
  /** Image id; '' for a rootfs container. */
  imageId: string
  /** Lower layer; default the image's top layer. */
  parentLayer?: string
  /** JSON string for other tools: podman's keys image-name, image-id, name, created-at. Never pod-name/pod-id. */
  metadata: string
  /** Recorded in volatile-*.json, mounted with `volatile`: for --rm containers. */
  volatile: boolean
  mountLabel?: string
  processLabel?: string
}

export interface DeletedImage {
  id: string
  untagged: string[]
  /** False when only a name was removed. */
  deleted: boolean
  removedLayers: string[]
}

/** `C` changed, `A` added, `D` deleted. */
export interface LayerChange {
  kind: 'C' | 'A' | 'D'
  /** From the image's root, beginning with a slash; the name's bytes as latin1 text (they need not be UTF-8). */
  path: string
}

/** Result of a full check of one layer against its recorded digest. */
export interface LayerProblem {
  layerId: string
  problem: string
}

export interface Store {
  readonly graphRoot: string
  readonly runRoot: string
  readonly driverName: 'overlay'
  readonly options: StoreOptions
  /** ROOT/tpod: the one folder of our own. */
  readonly ownDirectory: string
  /** RUN/tpod. */
  readonly ownRunDirectory: string

  // Reading: a fresh, consistent snapshot each call (cached by the lock file's token).
  listImages(): Promise<ImageRecord[]>
  /** Exact name, id, unique id prefix (>= 1 char hex), or digest. Names must be fully qualified: short names are image/'s. */
  findImage(nameOrId: string): Promise<ImageRecord | undefined>
  getImage(nameOrId: string): Promise<ImageRecord>
  readImageData(imageId: string, key: string): Promise<Buffer>
  /** Ids of the images that are in additional stores only: never changed, never removed. */
  readOnlyImages(): Promise<ReadonlySet<string>>
  listLayers(): Promise<LayerRecord[]>
  findLayer(id: string): Promise<LayerRecord | undefined>
  /** STORE/overlay/<id> of the store that has the layer. */
  layerDirectory(id: string): string
  /** All containers of all tools in both files. */
  listContainers(): Promise<ContainerRecord[]>
  findContainer(nameOrId: string): Promise<ContainerRecord | undefined>
  /** Sum of diff sizes of a layer and its parents, bytes. */
  imageSizeBytes(imageId: string): Promise<number>
  /** Bytes in the container's own read-write layer (walks it). */
  containerSizeBytes(containerId: string): Promise<number>

  // Layers and images
  /** `verifiedDigest`: `blob` throws at its end unless it has that digest. */
  stageLayer(blob: AsyncIterable<Uint8Array>, options?: { signal?: AbortSignal; verifiedDigest?: string }): Promise<StagedLayer>
  /** Layer id that (parent, diffId) has in every containers/storage. */
  layerIdFor(parentLayerId: string | undefined, diffId: string): string
  /** Short lock period. If the id exists already the staged copy is discarded and the existing record returned. */
  commitLayer(staged: StagedLayer, parentLayerId: string | undefined): Promise<LayerRecord>
  /** Creates the image or, if it exists, adds the names and missing data. */
  putImage(image: NewImage): Promise<ImageRecord>
  /** Replaces the names (mode 'set'), adds or removes some. */
  changeImageNames(imageId: string, mode: 'set' | 'add' | 'remove', names: readonly string[]): Promise<ImageRecord>
  /** Deletes image, data and layers nobody else uses. Throws IMAGE_IN_USE naming the containers of whatever tool. */
  deleteImage(imageId: string): Promise<DeletedImage>
  /** Deletes those of the layers that no image, container or layer needs; gives their ids. */
  deleteUnusedLayers(layerIds: readonly string[]): Promise<string[]>
  /** Reads the layer back as the tar it was made from, byte for byte (tar-split). */
  readLayerTar(layerId: string): AsyncIterable<Uint8Array>
  /** Against the layer's parent, or against another layer. Throws NO_SUCH_LAYER. */
  layerChanges(layerId: string, fromLayerId?: string): Promise<LayerChange[]>
  /** Recomputes digests of all (or the given) layers. */
  checkLayers(layerIds?: readonly string[]): Promise<LayerProblem[]>

  // Containers
  createContainer(container: NewContainer): Promise<ContainerRecord>
  renameContainer(id: string, names: readonly string[]): Promise<void>
  /** Deletes its layer, record and both userdata directories. Idempotent; unmounts first. */
  deleteContainer(id: string): Promise<void>
  /** Mounts the container's layer (counted); returns ROOT/overlay/<layer>/merged. */
  mountContainer(id: string): Promise<string>
  /** Undoes one mount, or all with force. True when it is no longer mounted. */
  unmountContainer(id: string, options?: { force?: boolean }): Promise<boolean>
  /** Mounted path or undefined, as the kernel's mount table says. */
  containerMountpoint(id: string): Promise<string | undefined>
  /** Mounts an image read-only (counted). */
  mountImage(imageId: string): Promise<string>
  unmountImage(imageId: string, options?: { force?: boolean }): Promise<boolean>
  /** Where the image is mounted now, if it is. */
  imageMountpoint(imageId: string): Promise<string | undefined>
  /** ROOT/overlay-containers/<id>/userdata, there as long as the container's record. */
  containerDirectory(id: string): string
  /** RUN/overlay-containers/<id>/userdata, made 0700. */
  containerRunDirectory(id: string): string

  /** Removes what crashes left: incomplete layers, stale staging folders. Cheap when there is nothing. */
  recover(): Promise<void>
}

export type { CompressionName, IdMap }

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { TpodError } from '../errors/tpod-error.ts'
import { listHexNames } from '../host/fs/list-hex-names.ts'
import { removeTree } from '../host/fs/remove-tree.ts'
import { createLayerDirectory, unlinkShortLink } from './overlay/layer-directory.ts'
import { newRandomId } from './layer-id.ts'
import { parentDirectoryOf, removeLayers, unmountCompletely, writeLayers, type LayerTransaction, type Trash } from './layer-writes.ts'
import type { Snapshot } from './records/record-table.ts'
import { findImageRecord } from './find-image.ts'
import type { StoreContext } from './store-context.ts'
import { layerDirectory, userdataDirectory } from './store-paths.ts'
import type { ContainerRecord, LayerRecord, NewContainer } from './types.ts'

/**
 * Creates a container's read-write layer and its record. Holds the layers write lock, inside it shortly the containers one:
 * nobody can delete the image meanwhile. Directories first, then both records with one wait for the disk. What a crash leaves,
 * deleteContainerRecord and dropOrphans find: the container's directory tells the id, and the layer's id follows from it.
 * Throws NO_SUCH_IMAGE, CONTAINER_NAME_IN_USE, CONTAINER_EXISTS, LAYER_PARENT_GONE.
 */
export async function createContainerRecord(context: StoreContext, wanted: NewContainer): Promise<ContainerRecord> {
  const id = wanted.id ?? newRandomId()
  checkFree(context.containers.read(), id, wanted.names)
  return writeLayers(context, async (layers, trash) => {
    const parent = wanted.parentLayer ?? topLayerOf(context, wanted.imageId)
    const parentDirectory = parent === undefined ? undefined : parentDirectoryOf(context, layers, parent)
    const layer = newLayerRecord(layers.snapshot, parent, wanted, containerLayerId(id))
    const volatile = wanted.volatile && !isSharedWithOldPodman(context)
    mkdirSync(userdataDirectory(context.paths, id), { recursive: true, mode: 0o700 })
    await createLayerDirectory({ overlay: context.paths.overlay, id: layer.id, parentDirectory })
    try {
      const record = newContainerRecord(id, layer.id, wanted)
      await context.containers.write(async containers => {
        checkFree(containers.snapshot, id, wanted.names)
        layers.put(layer, { volatile })
        containers.put(record, { volatile })
        await Promise.all([layers.save(), containers.save()])
      })
      return record
    } catch (error) {
      // On a full disk this may fail too; the first error is the one to report.
      await dropNewLayer(context, layers, trash, layer.id).catch(() => undefined)
      throw error
    }
  })
}

/** Same container, same layer id, so that a broken-off creation or deletion can be finished without any record. */
function containerLayerId(containerId: string): string {
  return createHash('sha256').update(`layer of container ${containerId}`).digest('hex')
}

async function dropNewLayer(context: StoreContext, layers: LayerTransaction, trash: Trash, layerId: string): Promise<void> {
  layers.remove(layerId)
  dropLayerDirectory(context, trash, layerId)
  await layers.save()
}

function dropLayerDirectory(context: StoreContext, trash: Trash, layerId: string): void {
  const directory = layerDirectory(context.paths, layerId)
  if (!existsSync(directory)) return
  unlinkShortLink(context.paths.overlay, layerId)
  trash.take(directory)
}

/** Replaces a container's names. Throws NO_SUCH_CONTAINER or CONTAINER_NAME_IN_USE. */
export async function renameContainerRecord(context: StoreContext, id: string, names: readonly string[]): Promise<void> {
  await context.containers.write(async containers => {
    const record = containers.snapshot.get(id)
    if (record === undefined) throw noSuchContainer(id)
    checkNamesFree(containers.snapshot, id, names)
    containers.put({ ...record, names: [...names], metadata: renamedMetadata(record.metadata, names[0]) })
    await containers.save()
  })
}

/**
 * Deletes records, layer and directories, unmounting first. Idempotent: directories without a record are removed too, so
 * that a deletion broken off by a crash is finished by another one. The container's directory goes last: see dropOrphans.
 */
export async function deleteContainerRecord(context: StoreContext, id: string): Promise<void> {
  await writeLayers(context, async (layers, trash) => {
    await context.containers.write(async containers => {
      const record = containers.snapshot.get(id)
      const layerId = record?.layer ?? containerLayerId(id)
      const isOwn = isUsedByThisAlone(containers.snapshot, layers.snapshot, id, layerId)
      // Another tool's layer, whose id nobody could guess after a crash: marked in the records first.
      if (isOwn && layerId !== containerLayerId(id)) await removeLayers(context, layers, trash, [layerId])
      else if (isOwn) {
        await unmountCompletely(context, layerId)
        layers.remove(layerId)
      }
      containers.remove(id)
      await Promise.all([layers.save(), containers.save()])
      if (isOwn) dropLayerDirectory(context, trash, layerId)
      await removeTree(`${context.paths.containers}/${id}`)
      await removeTree(`${context.paths.runContainers}/${id}`)
    })
  })
}

/** Removes layers of containers whose creation or deletion a crash broke off. Never waits for those who are at it. */
export async function dropOrphans(context: StoreContext, trash: Trash): Promise<void> {
  const isOrphan = (id: string): boolean => context.containers.read().get(id) === undefined && existsSync(layerDirectory(context.paths, containerLayerId(id)))
  const ids = listHexNames(context.paths.containers).filter(isOrphan)
  if (ids.length === 0) return
  await context.layers.tryWrite(async layers => {
    for (const id of ids.filter(isOrphan)) {
      await unmountCompletely(context, containerLayerId(id))
      await dropNewLayer(context, layers, trash, containerLayerId(id))
    }
  })
}

/** Name, id or unique id prefix, in both files. Throws AMBIGUOUS_ID. */
export function findContainerRecord(context: StoreContext, nameOrId: string): ContainerRecord | undefined {
  const snapshot = context.containers.read()
  const exact = snapshot.get(nameOrId) ?? snapshot.findByName(nameOrId)
  if (exact !== undefined || !/^[0-9a-f]+$/.test(nameOrId)) return exact
  const matches = snapshot.all.filter(record => record.id.startsWith(nameOrId))
  if (matches.length > 1) {
    throw new TpodError('AMBIGUOUS_ID', `find container ${nameOrId}: ${matches.length} ids begin so`, { remedy: 'give more digits' })
  }
  return matches[0]
}

export function getContainerRecord(context: StoreContext, id: string): ContainerRecord {
  const record = context.containers.read().get(id)
  if (record === undefined) throw noSuchContainer(id)
  return record
}

/** Bytes of the files in the container's own layer, hard links counted once. */
export async function measureContainer(context: StoreContext, id: string): Promise<number> {
  const { measureTree } = await import('./measure-tree.ts')
  return measureTree(`${layerDirectory(context.paths, getContainerRecord(context, id).layer)}/diff`)
}

function topLayerOf(context: StoreContext, imageId: string): string | undefined {
  if (imageId === '') return undefined
  const image = findImageRecord(context, imageId)
  if (image === undefined) {
    throw new TpodError('NO_SUCH_IMAGE', `create container: image ${imageId.slice(0, 12)} is not in the store`, { remedy: 'pull it again' })
  }
  return image.layer === '' ? undefined : image.layer
}

function newLayerRecord(layers: Snapshot<LayerRecord>, parent: string | undefined, wanted: NewContainer, id: string): LayerRecord {
  const name = wanted.names[0] === undefined ? undefined : `${wanted.names[0]}-layer`
  const label = wanted.mountLabel ?? ''
  return {
    id,
    // A name left over from another tool's crash must not keep the container from being made.
    ...(name === undefined || layers.findByName(name) !== undefined ? {} : { names: [name] }),
    ...(parent === undefined ? {} : { parent }),
    ...(label === '' ? {} : { mountlabel: label }),
    created: new Date().toISOString(),
  }
}

/**
 * podman up to 4.3 does not read the volatile files: it would delete the image under such a container and, knowing of no
 * mount, detach it from the host at the end of each command. Up to 4.7 podman's database is this file; where it exists
 * the records go to the files that every version reads, at the price of some fdatasyncs.
 */
function isSharedWithOldPodman(context: StoreContext): boolean {
  return existsSync(`${context.paths.root}/libpod/bolt_state.db`)
}

function newContainerRecord(id: string, layer: string, wanted: NewContainer): ContainerRecord {
  return {
    id,
    names: [...wanted.names],
    image: wanted.imageId,
    layer,
    metadata: wanted.metadata,
    created: new Date().toISOString(),
    flags: {
      MountLabel: wanted.mountLabel ?? '',
      ProcessLabel: wanted.processLabel ?? '',
      ...(wanted.volatile ? { Volatile: true } : {}),
    },
  }
}

function checkFree(containers: Snapshot<ContainerRecord>, id: string, names: readonly string[]): void {
  if (containers.get(id) !== undefined) {
    throw new TpodError('CONTAINER_EXISTS', `create container ${id}: the id exists already`)
  }
  checkNamesFree(containers, id, names)
}

function checkNamesFree(containers: Snapshot<ContainerRecord>, id: string, names: readonly string[]): void {
  for (const name of names) {
    const holder = containers.findByName(name)
    if (holder === undefined || holder.id === id) continue
    throw new TpodError('CONTAINER_NAME_IN_USE', `name "${name}" is in use by container ${holder.id.slice(0, 12)}`, {
      remedy: `remove or rename that container, or choose another name`,
    })
  }
}

/** A layer that became the ground of another one (or belongs to two containers) outlives this container. */
function isUsedByThisAlone(containers: Snapshot<ContainerRecord>, layers: Snapshot<LayerRecord>, id: string, layerId: string): boolean {
  return (
    !containers.all.some(container => container.layer === layerId && container.id !== id) &&
    !layers.all.some(layer => layer.parent === layerId)
  )
}

/** podman reads a container's name from its metadata too. */
function renamedMetadata(metadata: string | undefined, name: string | undefined): string | undefined {
  if (metadata === undefined || name === undefined) return metadata
  try {
    const value: unknown = JSON.parse(metadata)
    if (typeof value === 'object' && value !== null && 'name' in value) return JSON.stringify({ ...value, name })
  } catch {
    // Free text of another tool.
  }
  return metadata
}

function noSuchContainer(id: string): TpodError {
  return new TpodError('NO_SUCH_CONTAINER', `no container with id ${id} in the store`, { exitCode: 1 })
}

import { existsSync } from 'node:fs'
import { TpodError } from '../errors/tpod-error.ts'
import { removeTree } from '../host/fs/remove-tree.ts'
import { createLayerDirectory } from './overlay/layer-directory.ts'
import { newRandomId } from './layer-id.ts'
import { parentDirectoryOf, removeLayers, writeLayers } from './layer-writes.ts'
import type { Snapshot } from './records/record-table.ts'
import { findImageRecord } from './find-image.ts'
import type { StoreContext } from './store-context.ts'
import { layerDirectory } from './store-paths.ts'
import type { ContainerRecord, LayerRecord, NewContainer } from './types.ts'

/**
 * Creates a container's read-write layer and its record. Holds the layers write lock, inside it shortly the containers one:
 * nobody can delete the image meanwhile. The layer stays marked incomplete until the record is there, so after a crash at
 * any point the next writer removes both, and the name is free.
 * Throws NO_SUCH_IMAGE, CONTAINER_NAME_IN_USE, CONTAINER_EXISTS, LAYER_PARENT_GONE.
 */
export async function createContainerRecord(context: StoreContext, wanted: NewContainer): Promise<ContainerRecord> {
  const id = wanted.id ?? newRandomId()
  checkFree(context.containers.read(), id, wanted.names)
  return writeLayers(context, async (transaction, trash) => {
    const parent = wanted.parentLayer ?? topLayerOf(context, wanted.imageId)
    const parentDirectory = parent === undefined ? undefined : parentDirectoryOf(context, transaction, parent)
    const layer = newLayerRecord(transaction.snapshot, parent, wanted)
    const volatile = wanted.volatile && !isSharedWithOldPodman(context)
    transaction.put({ ...layer, flags: { incomplete: true } }, { volatile })
    await transaction.save()
    try {
      await createLayerDirectory({ overlay: context.paths.overlay, id: layer.id, parentDirectory })
      const record = newContainerRecord(id, layer.id, wanted)
      await context.containers.write(async containers => {
        checkFree(containers.snapshot, id, wanted.names)
        containers.put(record, { volatile })
        await containers.save()
      })
      transaction.put(layer)
      await transaction.save()
      return record
    } catch (error) {
      // On a full disk this fails too; the layer stays marked incomplete, and the first error is the one to report.
      await removeLayers(context, transaction, trash, [layer.id]).catch(() => undefined)
      throw error
    }
  })
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
 * Deletes layer, directories and record, unmounting first. Idempotent: directories without a record are removed too.
 * The record goes last, so that after a crash the container can be deleted again.
 */
export async function deleteContainerRecord(context: StoreContext, id: string): Promise<void> {
  await writeLayers(context, async (layers, trash) => {
    await context.containers.write(async containers => {
      const record = containers.snapshot.get(id)
      const layer = record === undefined ? undefined : layers.snapshot.get(record.layer)
      if (layer !== undefined && isUsedByThisAlone(containers.snapshot, layers.snapshot, id, layer.id)) {
        await removeLayers(context, layers, trash, [layer.id])
      }
      await removeTree(`${context.paths.containers}/${id}`)
      await removeTree(`${context.paths.runContainers}/${id}`)
      containers.remove(id)
      await containers.save()
    })
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

function newLayerRecord(layers: Snapshot<LayerRecord>, parent: string | undefined, wanted: NewContainer): LayerRecord {
  const name = wanted.names[0] === undefined ? undefined : `${wanted.names[0]}-layer`
  const label = wanted.mountLabel ?? ''
  return {
    id: newRandomId(),
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

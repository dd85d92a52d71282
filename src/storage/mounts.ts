import { mkdirSync, rmdirSync } from 'node:fs'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { LockFile } from '../host/lock/lock-file.ts'
import { getContainerRecord } from './containers.ts'
import { getImageRecord } from './find-image.ts'
import { withMountCounts } from './mountpoints.ts'
import type { MountCounts } from './mountpoints.ts'
import { repairShortLinks } from './overlay/layer-directory.ts'
import { isLayerMounted, mountLayer, unmountPath } from './overlay/mount-layer.ts'
import type { LayerMount } from './overlay/mount-layer.ts'
import { makeHomePrivate } from './overlay/private-home.ts'
import { findLayerWithStore, layerChain, otherOverlays } from './store-context.ts'
import type { AdditionalStore, StoreContext } from './store-context.ts'
import { ensureStoreDirectories, mergedDirectory } from './store-paths.ts'

/** Mounts a container's layer, or counts one more user of the mount. Returns the path of the merged directory. */
export async function mountContainerLayer(context: StoreContext, containerId: string): Promise<string> {
  const { layer, flags } = getContainerRecord(context, containerId)
  const own = flags?.['MountOpts']
  return mountCounted(context, {
    layerId: layer,
    readOnly: false,
    volatile: flags?.['Volatile'] === true && context.options.driverOptions['disable_volatile'] !== 'true',
    mountLabel: typeof flags?.['MountLabel'] === 'string' ? flags['MountLabel'] : '',
    extraOptions: Array.isArray(own) && own.length > 0 ? own.map(String) : configuredOptions(context),
  })
}

/**
 * Mounts an image's layers read-only. Layers of an additional store, which has no place to mount them, are mounted below
 * RUN/tpod and counted there: podman drops counts of layers that are not its own. Throws IMAGE_HAS_NO_LAYERS, LAYER_PARENT_GONE.
 */
export async function mountImageLayer(context: StoreContext, imageId: string): Promise<string> {
  const { layerId, store } = imageLayer(context, imageId)
  const request = { layerId, readOnly: true, volatile: false, mountLabel: '', extraOptions: configuredOptions(context) }
  if (store === context) return mountCounted(context, request)
  const place = foreignPlace(context, layerId)
  return withMountCounts(place, async counts => {
    mkdirSync(place.merged, { recursive: true, mode: 0o700 })
    const others = isLayerMounted(place.merged) ? Math.max(counts.get(layerId), 1) : 0
    if (others === 0) await mountLayer({ ...layerMount(context, request), overlay: store.paths.overlay, otherOverlays: overlaysExcept(context, store), target: place.merged })
    counts.set(layerId, place.merged, others + 1)
    return place.merged
  })
}

export async function unmountContainerLayer(context: StoreContext, containerId: string, force: boolean): Promise<boolean> {
  return unmountCounted(context, getContainerRecord(context, containerId).layer, force)
}

export async function unmountImageLayer(context: StoreContext, imageId: string, force: boolean): Promise<boolean> {
  const { layerId, store } = imageLayer(context, imageId)
  if (store === context) return unmountCounted(context, layerId, force)
  const place = foreignPlace(context, layerId)
  return withMountCounts(place, counts => {
    const isGone = unmountOnce(counts, layerId, place.merged, force)
    if (isGone) for (const path of [place.merged, place.directory]) removeEmptyDirectory(path)
    return isGone
  })
}

/** The directory an image is mounted at now, by whatever tool. */
export function imageMountpoint(context: StoreContext, imageId: string): string | undefined {
  const image = getImageRecord(context, imageId)
  const found = image.layer === undefined ? undefined : findLayerWithStore(context, image.layer)
  if (found === undefined) return undefined
  const merged = found.store === context ? mergedDirectory(context.paths, found.record.id) : foreignPlace(context, found.record.id).merged
  return isLayerMounted(merged) ? merged : undefined
}

/** Never recursively: if something is mounted there again, it stays. */
function removeEmptyDirectory(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (!['ENOENT', 'EBUSY', 'ENOTEMPTY'].includes(errorCode(error) ?? '')) throw error
  }
}

interface ForeignPlace { runLayers: string; directory: string; merged: string }

/** Where a layer of an additional store is mounted; like all of the run root it does not outlive the boot. */
function foreignPlace(context: StoreContext, layerId: string): ForeignPlace {
  const runLayers = `${context.paths.run}/tpod/image-mounts`
  return { runLayers, directory: `${runLayers}/${layerId}`, merged: `${runLayers}/${layerId}/merged` }
}

function overlaysExcept(context: StoreContext, store: AdditionalStore): string[] {
  return [context.paths.overlay, ...otherOverlays(context)].filter(overlay => overlay !== store.paths.overlay)
}

/** The merged directory if something is mounted there now. */
export function containerMountpoint(context: StoreContext, containerId: string): string | undefined {
  const merged = mergedDirectory(context.paths, getContainerRecord(context, containerId).layer)
  return isLayerMounted(merged) ? merged : undefined
}

type MountRequest = Pick<LayerMount, 'layerId' | 'readOnly' | 'volatile' | 'mountLabel' | 'extraOptions'>

/**
 * Locks as podman's mount: storage.lock, layers.lock, mountpoints.lock, all for writing. storage.lock keeps podman's
 * closing umount of ROOT/overlay away until the count that forbids it is written.
 */
async function mountCounted(context: StoreContext, request: MountRequest): Promise<string> {
  ensureStoreDirectories(context.paths)
  const storeLock = await LockFile.acquire(`${context.paths.root}/storage.lock`, 'write')
  try {
    if (context.options.driverOptions['skip_mount_home'] !== 'true') makeHomePrivate(context.paths.root)
    return await context.layers.locked('write', () =>
      withMountCounts(context.paths, async counts => {
        const merged = mergedDirectory(context.paths, request.layerId)
        // Mounted with a lost count: another user is there, so ours is the second at least.
        const others = isLayerMounted(merged) ? Math.max(counts.get(request.layerId), 1) : 0
        if (others === 0) await mountOrRepair(context, request)
        counts.set(request.layerId, merged, others + 1)
        return merged
      }),
    )
  } finally {
    storeLock.release()
  }
}

async function mountOrRepair(context: StoreContext, request: MountRequest): Promise<void> {
  const mount = layerMount(context, request)
  try {
    await mountLayer(mount)
  } catch (error) {
    if (!(error instanceof TpodError) || errorCode(error.cause) !== 'ENOENT') throw error
    // A power cut can lose short links; their targets tell what they were.
    const chain = layerChain(context, request.layerId).filter(layer => layer.store === context)
    repairShortLinks(context.paths.overlay, chain.map(layer => layer.record.id))
    await mountLayer(mount)
  }
}

function layerMount(context: StoreContext, request: MountRequest): LayerMount {
  const program = context.options.driverOptions['mount_program']
  return {
    ...request,
    overlay: context.paths.overlay,
    otherOverlays: otherOverlays(context),
    userXattr: context.options.userXattr,
    ...(program === undefined || program === '' ? {} : { mountProgram: program }),
  }
}

async function unmountCounted(context: StoreContext, layerId: string, force: boolean): Promise<boolean> {
  return context.layers.locked('write', () =>
    withMountCounts(context.paths, counts => unmountOnce(counts, layerId, mergedDirectory(context.paths, layerId), force)),
  )
}

/** True when nothing is mounted any more. */
function unmountOnce(counts: MountCounts, layerId: string, merged: string, force: boolean): boolean {
  const count = counts.get(layerId)
  const isMounted = isLayerMounted(merged)
  if (isMounted && count > 1 && !force) {
    counts.set(layerId, merged, count - 1)
    return false
  }
  if (isMounted) unmountPath(merged)
  if (count > 0) counts.set(layerId, '', 0)
  return true
}

function imageLayer(context: StoreContext, imageId: string): { layerId: string; store: AdditionalStore } {
  const { layer } = getImageRecord(context, imageId)
  if (layer === undefined || layer === '') {
    throw new TpodError('IMAGE_HAS_NO_LAYERS', `mount image ${imageId.slice(0, 12)}: it has no layers`)
  }
  const found = findLayerWithStore(context, layer)
  if (found === undefined) {
    throw new TpodError('LAYER_DAMAGED', `mount image ${imageId.slice(0, 12)}: its layer ${layer.slice(0, 12)} is in no store`, { remedy: 'remove the image and pull it again' })
  }
  return { layerId: layer, store: found.store }
}

function configuredOptions(context: StoreContext): string[] {
  const text = context.options.driverOptions['mountopt'] ?? ''
  return text.split(',').map(option => option.trim()).filter(option => option !== '')
}

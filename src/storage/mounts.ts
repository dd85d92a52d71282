import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { LockFile } from '../host/lock/lock-file.ts'
import { getContainerRecord } from './containers.ts'
import { getImageRecord } from './find-image.ts'
import { withMountCounts } from './mountpoints.ts'
import { repairShortLinks } from './overlay/layer-directory.ts'
import { isLayerMounted, mountLayer, unmountPath } from './overlay/mount-layer.ts'
import type { LayerMount } from './overlay/mount-layer.ts'
import { makeHomePrivate } from './overlay/private-home.ts'
import { layerChain, otherOverlays } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
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

/** Mounts an image's layers read-only. Throws IMAGE_HAS_NO_LAYERS, IMAGE_READ_ONLY for one of an additional store. */
export async function mountImageLayer(context: StoreContext, imageId: string): Promise<string> {
  return mountCounted(context, {
    layerId: imageLayer(context, imageId),
    readOnly: true,
    volatile: false,
    mountLabel: '',
    extraOptions: configuredOptions(context),
  })
}

export async function unmountContainerLayer(context: StoreContext, containerId: string, force: boolean): Promise<boolean> {
  return unmountCounted(context, getContainerRecord(context, containerId).layer, force)
}

export async function unmountImageLayer(context: StoreContext, imageId: string, force: boolean): Promise<boolean> {
  return unmountCounted(context, imageLayer(context, imageId), force)
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
  const program = context.options.driverOptions['mount_program']
  const mount: LayerMount = {
    ...request,
    overlay: context.paths.overlay,
    otherOverlays: otherOverlays(context),
    userXattr: context.options.userXattr,
    ...(program === undefined || program === '' ? {} : { mountProgram: program }),
  }
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

async function unmountCounted(context: StoreContext, layerId: string, force: boolean): Promise<boolean> {
  return context.layers.locked('write', () =>
    withMountCounts(context.paths, counts => {
      const merged = mergedDirectory(context.paths, layerId)
      const count = counts.get(layerId)
      const isMounted = isLayerMounted(merged)
      if (isMounted && count > 1 && !force) {
        counts.set(layerId, merged, count - 1)
        return false
      }
      if (isMounted) unmountPath(merged)
      if (count > 0) counts.set(layerId, '', 0)
      return true
    }),
  )
}

function imageLayer(context: StoreContext, imageId: string): string {
  const image = getImageRecord(context, imageId)
  if (image.layer === undefined || image.layer === '') {
    throw new TpodError('IMAGE_HAS_NO_LAYERS', `mount image ${imageId.slice(0, 12)}: it has no layers`)
  }
  if (context.layers.read().get(image.layer) === undefined) {
    throw new TpodError('IMAGE_READ_ONLY', `mount image ${imageId.slice(0, 12)}: its layers are in a read-only store`, {
      remedy: 'create a container from it and mount that',
    })
  }
  return image.layer
}

function configuredOptions(context: StoreContext): string[] {
  const text = context.options.driverOptions['mountopt'] ?? ''
  return text.split(',').map(option => option.trim()).filter(option => option !== '')
}

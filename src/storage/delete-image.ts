import { existsSync } from 'node:fs'
import { TpodError } from '../errors/tpod-error.ts'
import { removeTree } from '../host/fs/remove-tree.ts'
import { markGoing, unmarkGoing } from './going-layers.ts'
import { removeLayers, writeLayers } from './layer-writes.ts'
import type { Snapshot } from './records/record-table.ts'
import { storeOfImage } from './find-image.ts'
import type { StoreContext } from './store-context.ts'
import { imageDirectory, userdataDirectory } from './store-paths.ts'
import type { ContainerRecord, DeletedImage, ImageRecord, LayerRecord } from './types.ts'

/**
 * Deletes an image with its data, and those of its layers that no other image, container or layer needs.
 * Layers, images and containers are locked together (in that order), so no tool can begin to use it meanwhile.
 * A crash leaves the image whole, or gone with layers that the next deletion or recovery removes.
 * Throws NO_SUCH_IMAGE, IMAGE_IN_USE (containers of whatever tool), IMAGE_READ_ONLY (additional store).
 */
export async function deleteImageRecord(context: StoreContext, imageId: string): Promise<DeletedImage> {
  if (storeOfImage(context, imageId) !== context) {
    throw new TpodError('IMAGE_READ_ONLY', `cannot remove read-only image "${imageId}"`, {
      remedy: 'remove it with the tool that owns that store',
    })
  }
  return writeLayers(context, async (layers, trash) =>
    context.images.write(async images =>
      context.containers.locked('write', async containers => {
        const image = images.snapshot.get(imageId)
        if (image === undefined) throw new TpodError('NO_SUCH_IMAGE', `image ${imageId.slice(0, 12)} is not in the store any more: image not known`, { exitCode: 1 })
        checkUnused(context, image, containers)
        images.remove(imageId)
        const unused = unusedLayers(image, layers.snapshot, images.snapshot, containers)
        markGoing(context.paths, unused)
        await images.save()
        await removeTree(imageDirectory(context.paths, imageId))
        if (unused.length > 0) await removeLayers(context, layers, trash, unused)
        unmarkGoing(context.paths, unused)
        return { id: imageId, untagged: [...(image.names ?? [])], deleted: true, removedLayers: unused }
      }),
    ),
  )
}

function checkUnused(context: StoreContext, image: ImageRecord, containers: Snapshot<ContainerRecord>): void {
  const users = containers.all.filter(container => container.image === image.id)
  if (users.length === 0) return
  const ids = users.map(user => user.id).join(', ')
  const names = users.map(user => `${user.names?.[0] ?? user.id.slice(0, 12)}${ownerOf(context, user)}`).join(', ')
  // podman's words, which scripts look for.
  throw new TpodError('IMAGE_IN_USE', `image used by ${ids}: image is in use by a container: consider listing external containers and force-removing image`, {
    remedy: `remove the container first (${names}), or give --force`,
    exitCode: 2,
  })
}

/** Which other tool made the container, as far as its record tells. */
function ownerOf(context: StoreContext, container: ContainerRecord): string {
  const isBuildahs = [`${context.paths.containers}/${container.id}`, userdataDirectory(context.paths, container.id)].some(path => existsSync(`${path}/buildah.json`))
  if (isBuildahs) return ' (buildah)'
  return container.metadata?.includes('"pod-id"') ? ' (CRI-O)' : ''
}

/** The image's layers from the top down to the first one that something else stands on. Parents come after children. */
function unusedLayers(
  image: ImageRecord,
  layers: Snapshot<LayerRecord>,
  images: Snapshot<ImageRecord>,
  containers: Snapshot<ContainerRecord>,
): string[] {
  const needed = new Set<string | undefined>(containers.all.map(container => container.layer))
  for (const other of images.all) for (const id of [other.layer, ...(other['mapped-layers'] ?? [])]) needed.add(id)
  const children = new Map<string, string[]>()
  for (const layer of layers.all) {
    if (layer.parent !== undefined) children.set(layer.parent, [...(children.get(layer.parent) ?? []), layer.id])
  }
  const unused: string[] = []
  for (const top of [...(image['mapped-layers'] ?? []), image.layer]) {
    for (let id = top; id !== undefined && !needed.has(id); ) {
      const layer = layers.get(id)
      if (layer === undefined || unused.includes(id)) break
      if (children.get(id)?.some(child => !unused.includes(child))) break
      unused.push(id)
      id = layer.parent
    }
  }
  return unused
}

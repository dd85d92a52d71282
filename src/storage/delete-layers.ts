import { removeLayers, writeLayers } from './layer-writes.ts'
import type { StoreContext } from './store-context.ts'

/**
 * Deletes those of the layers that no image, no container and no other layer needs; the rest stays. Gives the ids of the
 * deleted ones. Layers, images and containers are locked together (in that order), so no tool can begin to use one meanwhile.
 */
export async function deleteUnusedLayers(context: StoreContext, ids: readonly string[]): Promise<string[]> {
  return writeLayers(context, async (layers, trash) =>
    context.images.locked('read', images =>
      context.containers.locked('read', async containers => {
        const needed = new Set<string | undefined>(containers.all.map(container => container.layer))
        for (const image of images.all) for (const id of [image.layer, ...(image['mapped-layers'] ?? [])]) needed.add(id)
        const unused: string[] = []
        const candidates = new Set(ids.filter(id => layers.snapshot.get(id) !== undefined && !needed.has(id)))
        // From the top down: a layer is free once those on it are.
        for (let found = true; found; ) {
          found = false
          const parents = new Set(layers.snapshot.all.filter(({ id }) => !unused.includes(id)).map(({ parent }) => parent))
          for (const id of candidates) {
            if (parents.has(id)) continue
            candidates.delete(id)
            unused.push(id)
            found = true
          }
        }
        if (unused.length > 0) await removeLayers(context, layers, trash, unused)
        return unused
      }),
    ),
  )
}

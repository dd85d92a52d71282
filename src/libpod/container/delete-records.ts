/** Takes a container out of the store and out of our own records, in an order that a kill -9 cannot spoil. */
import { rmSync, writeFileSync } from 'node:fs'
import { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import type { ContainerConfig } from '../types.ts'
import { containerPaths } from '../state/container-paths.ts'
import { isOwned, removeMarker } from '../state/live-marker.ts'

/** Content of a pending marker that means: delete, whatever is there. */
export const removalMark = 'remove'
/** The same, and its anonymous volumes too. */
export const removalWithVolumesMark = 'remove with volumes'

/**
 * Caller holds the container's lock; its processes, mounts and network are gone (cleanupLocked).
 * The pending marker says from the first step on that this is under way: the next command finishes it.
 */
export async function deleteRecords(engine: Engine, config: Pick<ContainerConfig, 'id' | 'mounts'>, options: { removeAnonymousVolumes: boolean }): Promise<void> {
  const own = containerPaths(engine.state, config.id)
  const pending = await LockFile.acquire(own.pending, 'write')
  try {
    const takesVolumes = options.removeAnonymousVolumes && config.mounts.some((mount) => mount.type === 'volume' && mount.anonymous === true)
    writeFileSync(own.pending, takesVolumes ? removalWithVolumesMark : removalMark)
    await engine.store.deleteContainer(config.id)
    if (takesVolumes) {
      const { removeAnonymousVolumes } = await import('./container-volumes.ts')
      await removeAnonymousVolumes(engine, config)
    }
    // The configuration goes last: it says which volumes those were.
    rmSync(own.directory, { recursive: true, force: true })
    // A living foreground process has yet to read it.
    if (!isOwned(engine.state, config.id)) removeMarker(own.exit)
    removeMarker(own.live)
    removeMarker(own.pending)
  } finally {
    pending.release()
  }
}

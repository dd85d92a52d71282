/** A container's named and anonymous volumes over its life: made and filled at its start, unmounted at its end, removed with it. */
import type { Engine } from '../engine.ts'
import type { ContainerConfig } from '../types.ts'
import { listContainerIds, observeState, readConfig, unlessDamaged } from '../state/container-files.ts'
import { isActive } from '../state/derive-state.ts'

/** Idempotent. Copy-up happens at most once in a volume's life. Takes each volume's lock in turn. */
export async function prepareVolumes(engine: Engine, config: ContainerConfig, rootfs: string): Promise<void> {
  const paths = await engine.volumes()
  const { createVolume } = await import('../volume/volume-store.ts')
  const { mountVolume } = await import('../volume/mount-volume.ts')
  for (const mount of config.mounts) {
    if (mount.type !== 'volume' || mount.name === undefined) continue
    mountVolume(await createVolume(paths, { name: mount.name, anonymous: mount.anonymous === true }, true))
    if (mount.copyUp === true && !mount.options.includes('nocopy')) {
      const { fillVolume } = await import('../volume/fill-volume.ts')
      await fillVolume(paths, mount.name, rootfs, mount.destination, config.process.user)
    }
  }
}

/** Unmounts volumes that are mounts of their own (driver options) and that no other running container has. */
export async function releaseVolumes(engine: Engine, config: ContainerConfig): Promise<void> {
  const paths = await engine.volumes()
  const { findVolume } = await import('../volume/volume-store.ts')
  for (const mount of config.mounts) {
    if (mount.type !== 'volume' || mount.name === undefined) continue
    const volume = findVolume(paths, mount.name)
    if (volume === undefined || (volume.options['type'] === undefined && volume.options['device'] === undefined)) continue
    if (volumeUsers(engine, mount.name).some((user) => user.id !== config.id && mayRun(engine, user.id))) continue
    const { unmountVolume } = await import('../volume/mount-volume.ts')
    unmountVolume(volume.mountpoint)
  }
}

function mayRun(engine: Engine, id: string): boolean {
  const state = unlessDamaged(() => observeState(engine.state, id))
  return state === undefined || isActive(state.status)
}

/** Removes the container's anonymous volumes that no other container uses. */
export async function removeAnonymousVolumes(engine: Engine, config: Pick<ContainerConfig, 'id' | 'mounts'>): Promise<void> {
  const paths = await engine.volumes()
  const { removeVolume } = await import('../volume/volume-store.ts')
  for (const mount of config.mounts) {
    if (mount.type !== 'volume' || mount.name === undefined || mount.anonymous !== true) continue
    const users = volumeUsers(engine, mount.name).filter((user) => user.id !== config.id)
    if (users.length === 0) await removeVolume(paths, mount.name, async () => [], { ifMissing: true })
  }
}

/** Containers whose configuration has the volume, running or not; of a damaged one nobody knows. */
function volumeUsers(engine: Engine, name: string): ContainerConfig[] {
  return listContainerIds(engine.state).flatMap((id) => {
    const config = unlessDamaged(() => readConfig(engine.state, id))
    return config?.mounts.some((mount) => mount.type === 'volume' && mount.name === name) === true ? [config] : []
  })
}

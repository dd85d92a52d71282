/**
 * What has to happen after a container's process ended: runtime state, cgroup, network, mounts, record. Done by whoever is there
 * first: the foreground process, `stop`, conmon's exit command, or the next command (recover). Idempotent at each step, so
 * that a kill -9 in the middle is finished by the next.
 */
import { existsSync, readdirSync, rmSync, unlinkSync } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import type { Engine } from '../engine.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { containerPaths } from '../state/container-paths.ts'
import { withContainerLock } from '../state/container-lock.ts'
import { isActive, zeroTime } from '../state/derive-state.ts'
import { readState, observeState } from '../state/container-files.ts'
import { saveState } from '../state/sync-state.ts'
import { isOwned, removeMarker } from '../state/live-marker.ts'
import { deleteRecords } from './delete-records.ts'

const detachMount = 2

/** Volatile files of one start; the log and user files stay. */
const bundleFiles: ReadonlySet<string> = new Set(['attach', 'ctl', 'winsz', 'pidfile', 'config.json', 'exit'])

/**
 * Undoes a start whose process is gone and records the end. Does nothing while it lives. Caller holds the container's lock.
 * Returns the state as it is then. With `isRemovedNext` the live marker stays, for deleteRecords to remove.
 */
export async function cleanupLocked(engine: Engine, config: ContainerConfig, { isRemovedNext = false } = {}): Promise<ContainerState> {
  const { id } = config
  const own = containerPaths(engine.state, id)
  const state = observeState(engine.state, id)
  if (isActive(state.status)) return state
  const saved = readState(engine.state, id)
  if (saved.status === state.status && !existsSync(own.live)) return state
  state.oomKilled = state.oomKilled || hasOomFile(engine, id)
  await deleteRuntimeState(engine, config)
  if (config.spec.network.mode === 'bridge') await (await engine.network()).release(id)
  await engine.store.unmountContainer(id, { force: true })
  if (config.spec.ipc.mode === 'shareable') unmountShm(engine, id)
  await unmountVolumes(engine, config)
  await saveState(engine.state, config, { ...state, mountpoint: '', interfaces: [] })
  // What is removed next needs no tidying, and keeps its marker until the removal has one.
  if (isRemovedNext || (config.spec.remove && state.startedAt !== zeroTime)) return state
  const bundle = engine.store.containerRunDirectory(id)
  for (const name of readdirSync(bundle)) {
    if (bundleFiles.has(name) || name.startsWith('exec-')) rmSync(`${bundle}/${name}`, { recursive: true, force: true })
  }
  // A foreground process reads the exit file and removes it. Last: the marker makes the next command come back if we are killed before.
  if (!isOwned(engine.state, id)) removeMarker(own.exit)
  removeMarker(own.live)
  return { ...state, mountpoint: '' }
}

/**
 * cleanupLocked, then --rm is followed: a container goes whose run has ended, and also one whose start was begun and will be
 * finished by nobody (the live marker tells). One that was only created stays.
 */
export async function cleanupAndRemove(engine: Engine, config: ContainerConfig): Promise<ContainerState> {
  const wasBegun = existsSync(containerPaths(engine.state, config.id).live)
  const state = await cleanupLocked(engine, config, { isRemovedNext: config.spec.remove && wasBegun })
  if (config.spec.remove && !isActive(state.status) && (wasBegun || state.startedAt !== zeroTime)) {
    await deleteRecords(engine, config, { removeAnonymousVolumes: true })
  }
  return state
}

/**
 * `container cleanup`: conmon's exit command. Leaves everything to a living foreground process. `remove` follows --rm.
 * Succeeds for containers that are gone. Waits for the container's lock.
 */
export async function cleanupContainer(engine: Engine, id: string): Promise<void> {
  if (isOwned(engine.state, id)) return
  try {
    // Waits: whoever starts a container that ends at once still holds the lock, and nobody else would come to remove it.
    await withContainerLock(engine.state, id, async ({ config }) => {
      if (!isOwned(engine.state, id)) await cleanupAndRemove(engine, config)
    })
  } catch (error) {
    if (errorCode(error) !== 'NO_SUCH_CONTAINER') throw error
  }
}

async function deleteRuntimeState(engine: Engine, config: ContainerConfig): Promise<void> {
  const runtime = await engine.runtimeOf(config)
  await runtime.forget(config.id, config.cgroupPath)
}

/** See shmDirectory in write-bundle.ts. Success means it is not mounted. */
export function unmountShm(engine: Engine, id: string): void {
  try {
    native.umount2(`${engine.store.containerDirectory(id)}/shm`, detachMount)
  } catch (error) {
    // EINVAL: not mounted.
    if (errorCode(error) !== 'EINVAL' && errorCode(error) !== 'ENOENT') throw error
  }
}

async function unmountVolumes(engine: Engine, config: ContainerConfig): Promise<void> {
  if (!config.mounts.some((mount) => mount.type === 'volume')) return
  const { releaseVolumes } = await import('./container-volumes.ts')
  await releaseVolumes(engine, config)
}

/** conmon makes it when the kernel reported an out-of-memory kill in the container's group. */
function hasOomFile(engine: Engine, id: string): boolean {
  try {
    unlinkSync(`${engine.store.containerRunDirectory(id)}/oom`)
    return true
  } catch {
    return false
  }
}

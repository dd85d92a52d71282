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
import { tryWithContainerLock } from '../state/container-lock.ts'
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
 * Returns the state as it is then.
 */
export async function cleanupLocked(engine: Engine, config: ContainerConfig): Promise<ContainerState> {
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
  unmountShm(engine, config)
  await unmountVolumes(engine, config)
  await saveState(engine.state, config, { ...state, mountpoint: '', interfaces: [] })
  // What is removed next needs no tidying, and keeps its marker until the removal has one.
  if (config.spec.remove && state.startedAt !== zeroTime) return state
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
 * `container cleanup`: conmon's exit command. Leaves everything to a living foreground process. `remove` follows --rm.
 * Succeeds for containers that are gone.
 */
export async function cleanupContainer(engine: Engine, id: string): Promise<void> {
  if (isOwned(engine.state, id)) return
  await tryWithContainerLock(engine.state, id, async ({ config }) => {
    const state = await cleanupLocked(engine, config)
    if (config.spec.remove && !isActive(state.status) && state.startedAt !== zeroTime) await deleteRecords(engine, config, { removeAnonymousVolumes: true })
  })
}

async function deleteRuntimeState(engine: Engine, config: ContainerConfig): Promise<void> {
  const runtime = await engine.runtimeOf(config)
  await runtime.forget(config.id, config.cgroupPath)
}

/** See shmDirectory in write-bundle.ts. */
function unmountShm(engine: Engine, config: ContainerConfig): void {
  if (config.spec.ipc.mode !== 'shareable') return
  try {
    native.umount2(`${engine.store.containerDirectory(config.id)}/shm`, detachMount)
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

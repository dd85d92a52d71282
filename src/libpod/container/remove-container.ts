import { existsSync } from 'node:fs'
import { ExitCode } from '../../errors/exit-codes.ts'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { listContainerIds, observeState, readConfig, unlessDamaged } from '../state/container-files.ts'
import { noSuchContainer, withContainerLock } from '../state/container-lock.ts'
import { containerPaths } from '../state/container-paths.ts'
import { isActive } from '../state/derive-state.ts'
import { foreignContainer } from '../state/find-container.ts'
import { cleanupLocked } from './cleanup-container.ts'
import { deleteRecords } from './delete-records.ts'
import { recoverQuietly } from './recover.ts'
import { endProcess } from './stop-container.ts'

export interface RemoveOptions {
  /** Ends a running container first; also removes what another tool or a crash left in the store. */
  force?: boolean
  /** Anonymous volumes too. */
  volumes?: boolean
  /** Containers that use this one's namespaces or volumes are removed first. */
  depend?: boolean
  /** Seconds before KILL, with force. */
  timeoutSec?: number
  signal?: AbortSignal
}

/**
 * Removes one container and all that belongs to it; returns the ids removed, dependents first. Throws NO_SUCH_CONTAINER (exit
 * code 1), CONTAINER_RUNNING (2), CONTAINER_IN_USE (125 for dependents, 2 when mounted), FOREIGN_CONTAINER (2) without force.
 */
export async function removeContainer(engine: Engine, nameOrId: string, options: RemoveOptions = {}): Promise<string[]> {
  const record = await engine.store.findContainer(nameOrId)
  if (record === undefined) {
    throw new TpodError('NO_SUCH_CONTAINER', noSuchContainer(nameOrId).message, { exitCode: ExitCode.notFound })
  }
  if (options.force === true && isDamaged(engine, record.id)) {
    const { removeDamaged } = await import('./remove-damaged.ts')
    await removeDamaged(engine, record.id)
    return [record.id]
  }
  const config = readConfig(engine.state, record.id) ?? await awaitCreation(engine, record.id)
  if (config === undefined) {
    if (options.force !== true) throw inUse(foreignContainer(nameOrId, record))
    return removeForeign(engine, record.id, nameOrId)
  }
  const removed = await removeDependents(engine, config, nameOrId, options)
  try {
    await removeOwn(engine, config, nameOrId, options)
  } catch (error) {
    // conmon's exit command was faster with a --rm container that --force ended.
    if (errorCode(error) !== 'NO_SUCH_CONTAINER') throw error
  }
  await recoverQuietly(engine)
  return [...removed, config.id]
}

/** One that another process is creating has a record and no configuration yet: it is ours, not another tool's. */
async function awaitCreation(engine: Engine, id: string): Promise<ContainerConfig | undefined> {
  const { pending } = containerPaths(engine.state, id)
  if (!existsSync(pending)) return readConfig(engine.state, id)
  const lock = await LockFile.acquire(pending, 'write')
  lock.release()
  const { finishPending } = await import('./recover.ts')
  await finishPending(engine, id)
  return readConfig(engine.state, id)
}

function isDamaged(engine: Engine, id: string): boolean {
  return unlessDamaged(() => [readConfig(engine.state, id), observeState(engine.state, id)]) === undefined
}

async function removeOwn(engine: Engine, config: ContainerConfig, nameOrId: string, options: RemoveOptions): Promise<void> {
  await endIfForced(engine, config, nameOrId, options)
  await withContainerLock(engine.state, config.id, async (locked) => {
    const { settleLocked, undoStart } = await import('./undo-start.ts')
    let state = await settleLocked(engine, locked.config, { isRemovedNext: true })
    if (isActive(state.status)) {
      // Started again by someone between the kill and the lock.
      if (options.force !== true) throw running(nameOrId, state)
      const runtime = await engine.runtimeOf(locked.config)
      await runtime.destroy(config.id)
      await undoStart(engine, locked.config)
      state = await cleanupLocked(engine, locked.config, { isRemovedNext: true })
    }
    await deleteRecords(engine, locked.config, { removeAnonymousVolumes: options.volumes === true || locked.config.spec.remove })
  })
}

async function endIfForced(engine: Engine, config: ContainerConfig, nameOrId: string, options: RemoveOptions): Promise<void> {
  const state = observeState(engine.state, config.id)
  if (!isActive(state.status)) return
  if (options.force !== true) throw running(nameOrId, state)
  if (state.status === 'initialized') return
  await endProcess(engine, config, state, options)
}

function running(nameOrId: string, state: ContainerState): TpodError {
  return inUse(new TpodError('CONTAINER_RUNNING', `cannot remove container ${nameOrId} as it is ${state.status} - running or paused containers cannot be removed without force: container state improper`))
}

function inUse(error: TpodError): TpodError {
  return new TpodError(error.code, error.message, { exitCode: ExitCode.inUse, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
}

/** Records of tools whose own state we cannot touch: as `podman rm --force` does with external containers, never one that is in use. */
async function removeForeign(engine: Engine, id: string, nameOrId: string): Promise<string[]> {
  if (await engine.store.containerMountpoint(id) !== undefined) {
    throw inUse(new TpodError('CONTAINER_IN_USE', `remove container ${nameOrId}: another tool has it mounted`, {
      remedy: 'remove it with the tool that made it',
    }))
  }
  await engine.store.deleteContainer(id)
  return [id]
}

async function removeDependents(engine: Engine, config: ContainerConfig, nameOrId: string, options: RemoveOptions): Promise<string[]> {
  const dependents = findDependents(engine, config.id)
  if (dependents.length === 0) return []
  if (options.depend !== true) {
    throw new TpodError('CONTAINER_IN_USE',
      `container ${config.id} has dependent containers which must be removed before it: ${dependents.map((one) => one.id).join(', ')}: container already exists`,
      { remedy: `use: tpod rm --depend ${nameOrId}` })
  }
  const removed: string[] = []
  for (const dependent of dependents) removed.push(...await removeContainer(engine, dependent.id, { ...options, force: true }))
  return removed
}

/** Containers that join a namespace of `id`. */
function findDependents(engine: Engine, id: string): ContainerConfig[] {
  const dependents: ContainerConfig[] = []
  for (const other of listContainerIds(engine.state)) {
    if (other === id) continue
    const config = unlessDamaged(() => readConfig(engine.state, other))
    if (config !== undefined && joins(config, id)) dependents.push(config)
  }
  return dependents
}

function joins(config: ContainerConfig, id: string): boolean {
  const { spec } = config
  return [spec.network, spec.pid, spec.ipc, spec.uts, spec.userns, spec.cgroupns]
    .some((space) => space.mode === 'container' && 'containerId' in space && space.containerId === id)
}

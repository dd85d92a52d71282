import { existsSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import type { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import type { ContainerConfig } from '../types.ts'
import { hasConfig } from '../state/container-files.ts'
import { noSuchContainer, withContainerLock } from '../state/container-lock.ts'
import { containerPaths } from '../state/container-paths.ts'
import { isActive } from '../state/derive-state.ts'
import { getContainer } from '../state/find-container.ts'
import { ownLive, removeMarker } from '../state/live-marker.ts'
import { cleanupLocked } from './cleanup-container.ts'
import { deleteRecords } from './delete-records.ts'
import type { AttachStreams } from './attach-streams.ts'
import { launchContainer, type LaunchOptions, type LaunchedContainer } from './launch-container.ts'
import { waitForExit } from './wait-exit.ts'

export interface StartOptions {
  /** Attach and stay until the end (or until the detach keys). */
  streams?: AttachStreams
  onWarning?: (warning: string) => void
}

export interface StartResult {
  id: string
  /** Only of an attached container that ended. */
  exitCode?: number
  /** The user pressed the detach keys: it goes on. */
  isDetached?: boolean
}

/**
 * Starts a created or ended container. One that runs already is a success when not attached, as in podman.
 * Throws NO_SUCH_CONTAINER, CONTAINER_RUNNING (attached start of a running one), and what launching throws.
 */
export async function startContainer(engine: Engine, nameOrId: string, options: StartOptions = {}): Promise<StartResult> {
  const { id } = await getContainer(engine, nameOrId)
  if (existsSync(containerPaths(engine.state, id).pending)) await finishBrokenOff(engine, id, nameOrId)
  let owner: LockFile | undefined
  try {
    const launched = await withContainerLock(engine.state, id, async ({ config }) => {
      const { settleLocked } = await import('./undo-start.ts')
      const state = await settleLocked(engine, config)
      if (!isActive(state.status)) {
        // After cleanup, which removes the marker.
        if (options.streams !== undefined) owner = await ownLive(engine.state, id)
        return launchContainer(engine, config, launchOptions(options))
      }
      if (options.streams === undefined) return undefined
      throw new TpodError('CONTAINER_RUNNING', `start container ${nameOrId}: it is ${state.status} already: container state improper`, {
        remedy: `use: tpod attach ${nameOrId}`,
      })
    })
    const result = launched === undefined || owner === undefined ? { id } : await stayAttached(engine, id, launched, owner)
    await launched?.recovery
    return result
  } finally {
    owner?.release()
  }
}

/** A removal that a kill broke off, or a `run --rm` killed before its start: it would be taken away while it runs. */
async function finishBrokenOff(engine: Engine, id: string, nameOrId: string): Promise<void> {
  const { finishPending } = await import('./recover.ts')
  await finishPending(engine, id)
  if (!hasConfig(engine.state, id)) throw noSuchContainer(nameOrId)
}

function launchOptions(options: StartOptions): LaunchOptions {
  const { streams, onWarning } = options
  return streams === undefined ? { isForeground: false, onWarning } : { isForeground: true, streams, onWarning }
}

/**
 * Waits with the caller's streams joined; then cleans up and, with --rm, removes. Owner of the live marker: conmon's exit
 * command, waiting its grace, is ended with conmon once there is nothing left for it to do.
 */
export async function stayAttached(engine: Engine, id: string, launched: LaunchedContainer, owner: LockFile): Promise<StartResult> {
  const how = await launched.session?.done
  if (how === 'detached') {
    // From here on conmon's exit command is the one to clean up.
    owner.release()
    return { id, isDetached: true }
  }
  const { exitCode } = await waitForExit(engine.state, id, launched.state)
  launched.conmon.end()
  await finishForeground(engine, id)
  return { id, exitCode }
}

async function finishForeground(engine: Engine, id: string): Promise<void> {
  const own = containerPaths(engine.state, id)
  try {
    await withContainerLock(engine.state, id, async ({ config }) => {
      await cleanupLocked(engine, config)
      if (config.spec.remove) await deleteRecords(engine, config, { removeAnonymousVolumes: true })
    })
  } catch (error) {
    // Removed by force meanwhile.
    if (errorCode(error) !== 'NO_SUCH_CONTAINER') throw error
  }
  removeMarker(own.exit)
  removeMarker(own.live)
}

/** For a failed first start of a --rm container: nothing of it shall be left. */
export async function removeAfterFailedStart(engine: Engine, config: ContainerConfig): Promise<void> {
  await withContainerLock(engine.state, config.id, async (locked) => {
    await cleanupLocked(engine, locked.config)
    await deleteRecords(engine, locked.config, { removeAnonymousVolumes: true })
  })
}

import type { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import { throwIfAborted } from '../../errors/tpod-error.ts'
import type { ContainerRequest } from '../container-request.ts'
import type { ContainerConfig, ContainerSpec } from '../types.ts'
import { tryWithContainerLock, withContainerLock, type LockedContainer } from '../state/container-lock.ts'
import { markLive, ownLive } from '../state/live-marker.ts'
import type { AttachStreams } from './attach-streams.ts'
import { createToRun, type CreateOptions, type UnsettledContainer } from './create-container.ts'
import { launchContainer, type LaunchedContainer } from './launch-container.ts'
import { removeAfterFailedStart, stayAttached, type StartResult } from './start-container.ts'

export interface RunOptions extends CreateOptions {
  /** Returns when it runs; default: stays until its end. */
  detach?: boolean
  /** Ignored with detach; absent or {}: joins nothing but still waits. */
  streams?: AttachStreams
  /** The container exists and is about to start: for --cidfile users and progress. */
  onCreated?: (config: ContainerConfig) => void
  /** What was asked for but has no effect on this host. */
  onWarning?: (warning: string) => void
  /** Breaks off a pull; stops a container that runs in the foreground as `stop` does. Either way the abort's reason is thrown. */
  signal?: AbortSignal
}

/**
 * Creates, starts and, unless detached, stays until the end; then cleans up and removes with --rm. What killed commands left
 * behind is reaped meanwhile. A failed start of a --rm container leaves nothing.
 * Throws what create and start throw, with podman's exit codes (125, 126, 127) in the error.
 */
export async function runContainer(engine: Engine, request: ContainerRequest | ContainerSpec, options: RunOptions = {}): Promise<StartResult> {
  const { config, settle } = await createToRun(engine, request, options)
  let owner: LockFile | undefined
  try {
    options.onCreated?.(config)
    const launched = await launchNew(engine, { config, settle }, options, (lock) => { owner = lock })
    const result = owner === undefined ? { id: config.id } : await stayUnlessAborted(engine, config.id, options.signal, stayAttached(engine, config.id, launched, owner))
    await launched.recovery
    return result
  } finally {
    settle()
    owner?.release()
  }
}

async function launchNew(
  engine: Engine, { config, settle }: UnsettledContainer, options: RunOptions, onOwned: (owner: LockFile) => void,
): Promise<LaunchedContainer> {
  const { onWarning } = options
  try {
    throwIfAborted(options.signal)
    const launch = async (locked: LockedContainer): Promise<LaunchedContainer> => {
      // Under the container's lock: a marker that nobody holds yet looks like a dead process's to recover.
      if (options.detach === true) markLive(engine.state, config.id)
      else onOwned(await ownLive(engine.state, config.id))
      settle()
      if (options.detach === true) return launchContainer(engine, locked.config, { isForeground: false, onWarning })
      return launchContainer(engine, locked.config, { isForeground: true, streams: options.streams ?? {}, onWarning })
    }
    const launched = await tryWithContainerLock(engine.state, config.id, launch)
    if (launched !== undefined) return launched
    // Somebody is at work on it already and may be waiting for the creation's marker: no waiting while we hold that.
    settle()
    return await withContainerLock(engine.state, config.id, launch)
  } catch (error) {
    settle()
    if (config.spec.remove) await removeAfterFailedStart(engine, config)
    throw error
  }
}

/** The container's end, also one that the abort brought about, is waited for: nothing is left running. */
async function stayUnlessAborted(engine: Engine, id: string, signal: AbortSignal | undefined, stay: Promise<StartResult>): Promise<StartResult> {
  if (signal === undefined) return stay
  let stopping: Promise<unknown> | undefined
  const stop = (): void => { stopping = stopAborted(engine, id) }
  signal.addEventListener('abort', stop, { once: true })
  try {
    if (signal.aborted) stop()
    const result = await stay
    await stopping
    throwIfAborted(signal)
    return result
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function stopAborted(engine: Engine, id: string): Promise<void> {
  const { stopContainer } = await import('./stop-container.ts')
  // It may end by itself and be removed meanwhile.
  await stopContainer(engine, id).catch(() => undefined)
}

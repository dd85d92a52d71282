import type { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import { throwIfAborted } from '../../errors/tpod-error.ts'
import type { ContainerRequest } from '../container-request.ts'
import type { ContainerConfig, ContainerSpec } from '../types.ts'
import { withContainerLock } from '../state/container-lock.ts'
import { ownLive } from '../state/live-marker.ts'
import type { AttachStreams } from './attach-streams.ts'
import { createContainer, type CreateOptions } from './create-container.ts'
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
  const config = await createContainer(engine, request, options)
  options.onCreated?.(config)
  let owner: LockFile | undefined
  try {
    const launched = await launchNew(engine, config, options, (lock) => { owner = lock })
    const result = owner === undefined ? { id: config.id } : await stayUnlessAborted(engine, config.id, options.signal, stayAttached(engine, config.id, launched, owner))
    await launched.recovery
    return result
  } finally {
    owner?.release()
  }
}

async function launchNew(
  engine: Engine, config: ContainerConfig, options: RunOptions, onOwned: (owner: LockFile) => void,
): Promise<LaunchedContainer> {
  const { onWarning } = options
  try {
    throwIfAborted(options.signal)
    return await withContainerLock(engine.state, config.id, async (locked) => {
      if (options.detach === true) return launchContainer(engine, locked.config, { isForeground: false, onWarning })
      // Under the container's lock: a marker that nobody holds yet looks like a dead process's to recover.
      onOwned(await ownLive(engine.state, config.id))
      return launchContainer(engine, locked.config, { isForeground: true, streams: options.streams ?? {}, onWarning })
    })
  } catch (error) {
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

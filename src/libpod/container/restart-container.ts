import type { Engine } from '../engine.ts'
import { observeState } from '../state/container-files.ts'
import { isActive } from '../state/derive-state.ts'
import { getContainer } from '../state/find-container.ts'
import { isOwned, ownLive } from '../state/live-marker.ts'
import { startContainer } from './start-container.ts'
import { endProcess, type StopOptions } from './stop-container.ts'

export interface RestartOptions extends StopOptions {
  onWarning?: (warning: string) => void
}

/**
 * Stops a container that runs, and starts it. Between the two its live marker is held, so that conmon's exit command does not
 * take a --rm container away; a foreground process that is attached to it ends. Returns the id.
 * Throws NO_SUCH_CONTAINER, and what stop and start throw.
 */
export async function restartContainer(engine: Engine, nameOrId: string, options: RestartOptions = {}): Promise<string> {
  const config = await getContainer(engine, nameOrId)
  const owner = isOwned(engine.state, config.id) ? undefined : await ownLive(engine.state, config.id)
  try {
    const state = observeState(engine.state, config.id)
    if (isActive(state.status)) await endProcess(engine, config, state, options)
    const { onWarning } = options
    return (await startContainer(engine, config.id, onWarning === undefined ? {} : { onWarning })).id
  } finally {
    owner?.release()
  }
}

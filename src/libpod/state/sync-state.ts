/** Writes state.json, stamped with this boot. */
import type { ContainerConfig, ContainerState } from '../types.ts'
import { writeState } from './container-files.ts'
import type { StatePaths } from './container-paths.ts'
import { bootId } from '../../host/process/liveness.ts'

/**
 * Caller holds the container's lock. Stamps this boot. What the next save replaces in a moment (`isPassing`) has to outlive
 * this process, not a power cut: it is not synced.
 */
export async function saveState(paths: StatePaths, config: ContainerConfig, state: ContainerState, { isPassing = false } = {}): Promise<void> {
  state.bootId = bootId()
  await writeState(paths, config.id, state, isPassing || config.spec.remove)
}

/** Writes state.json, stamped with this boot. */
import type { ContainerConfig, ContainerState } from '../types.ts'
import { writeState } from './container-files.ts'
import type { StatePaths } from './container-paths.ts'
import { bootId } from '../../host/process/liveness.ts'

/** Caller holds the container's lock. Stamps this boot. */
export async function saveState(paths: StatePaths, config: ContainerConfig, state: ContainerState): Promise<void> {
  state.bootId = bootId()
  await writeState(paths, config.id, state, config.spec.remove)
}

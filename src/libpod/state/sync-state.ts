/** Brings state.json up to date with what happened meanwhile. */
import type { ContainerConfig, ContainerState } from '../types.ts'
import { observeState, readState, writeState } from './container-files.ts'
import type { StatePaths } from './container-paths.ts'
import { bootId } from './liveness.ts'

/**
 * The state now, persisted when it differs from the record. Caller holds the container's lock.
 * Only the record changes: mounts and network of an ended container are cleanup's.
 */
export async function syncState(paths: StatePaths, config: ContainerConfig): Promise<ContainerState> {
  const saved = readState(paths, config.id)
  const now = observeState(paths, config.id)
  if (now.status !== saved.status || now.exitCode !== saved.exitCode) {
    await saveState(paths, config, { ...now, bootId: bootId() })
  }
  return now
}

/** Caller holds the container's lock. Stamps this boot. */
export async function saveState(paths: StatePaths, config: ContainerConfig, state: ContainerState): Promise<void> {
  state.bootId = bootId()
  await writeState(paths, config.id, state, config.spec.remove)
}

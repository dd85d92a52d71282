/** `rm --force` of a container whose config.json or state.json cannot be read: by its id alone. */
import { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import { readConfig, readState, unlessDamaged } from '../state/container-files.ts'
import { containerPaths } from '../state/container-paths.ts'
import { unmountShm } from './cleanup-container.ts'
import { deleteRecords } from './delete-records.ts'
import { sendSignal } from './kill-container.ts'

const SIGKILL = 9

/**
 * Ends what runs of it, gives its network, mounts and records back. Anonymous volumes go if the configuration tells of them.
 * Takes the container's lock. Idempotent.
 */
export async function removeDamaged(engine: Engine, id: string): Promise<void> {
  const lock = await LockFile.acquire(containerPaths(engine.state, id).lock, 'write')
  try {
    const config = unlessDamaged(() => readConfig(engine.state, id))
    const state = unlessDamaged(() => readState(engine.state, id))
    if (state !== undefined && state.pid > 0) sendSignal(state, SIGKILL)
    // The runtime's own record, by id, leads to processes and cgroup. Without the configuration the present runtime is the best guess.
    const runtime = await engine.runtimeOf(config ?? { runtime: await engine.runtime(), cgroupPath: '' })
    await runtime.destroy(id)
    await (await engine.network()).release(id)
    await engine.store.unmountContainer(id, { force: true })
    unmountShm(engine, id)
    await deleteRecords(engine, config ?? { id, mounts: [] }, { removeAnonymousVolumes: true })
  } finally {
    lock.release()
  }
}

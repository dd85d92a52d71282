import type { Engine } from '../engine.ts'
import type { ContainerStatus } from '../types.ts'
import { observeState } from '../state/container-files.ts'
import { withContainerLock } from '../state/container-lock.ts'
import { getContainer } from '../state/find-container.ts'
import { saveState } from '../state/sync-state.ts'
import { notRunning } from './kill-container.ts'

/** Freezes all processes. Throws NOT_RUNNING, or CGROUP where the host has no freezer. */
export async function pauseContainer(engine: Engine, nameOrId: string): Promise<string> {
  return changeFreezer(engine, nameOrId, { action: 'pause', from: 'running', to: 'paused' })
}

/** Thaws. Throws NOT_RUNNING when it is not paused. */
export async function unpauseContainer(engine: Engine, nameOrId: string): Promise<string> {
  return changeFreezer(engine, nameOrId, { action: 'unpause', from: 'paused', to: 'running' })
}

async function changeFreezer(
  engine: Engine, nameOrId: string, change: { action: string; from: ContainerStatus; to: ContainerStatus },
): Promise<string> {
  const { id } = await getContainer(engine, nameOrId)
  const { writeFreezer } = await import('../../host/cgroup/container-cgroup.ts')
  const { detectCgroups } = await import('../../host/cgroup/detect.ts')
  await withContainerLock(engine.state, id, async ({ config }) => {
    const state = observeState(engine.state, id)
    if (state.status !== change.from) throw notRunning(change.action, nameOrId, state.status)
    writeFreezer(detectCgroups(), config.cgroupPath, change.to === 'paused')
    await saveState(engine.state, config, { ...state, status: change.to })
  })
  return id
}

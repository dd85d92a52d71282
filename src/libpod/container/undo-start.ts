import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../engine.ts'
import type { ContainerConfig } from '../types.ts'
import { readState } from '../state/container-files.ts'
import { isAlive } from '../../host/process/liveness.ts'
import { sendSignal } from './kill-container.ts'

const SIGKILL = 9

/**
 * Ends what a start that nobody is going to finish has left: the runtime's waiting process, and with it conmon. Caller holds
 * the container's lock, and calls cleanupLocked afterwards. Does nothing to a container that runs: its start was complete
 * but for the record, so the record is completed.
 */
export async function undoStart(engine: Engine, config: ContainerConfig): Promise<void> {
  const runtime = await engine.runtimeOf(config)
  const state = readState(engine.state, config.id)
  const status = await runtime.status(config.id)
  if (status === 'running' && isAlive(state.pid, state.pidStartTime)) {
    const { saveState } = await import('../state/sync-state.ts')
    const now = new Date().toISOString()
    await saveState(engine.state, config, { ...state, status: 'running', startedAt: now })
    return
  }
  if (status !== undefined) await runtime.destroy(config.id)
  if (state.pid > 0) sendSignal(state, SIGKILL)
  for (let tries = 0; tries < 100 && isAlive(state.pid, state.pidStartTime); tries++) await sleep(10)
}

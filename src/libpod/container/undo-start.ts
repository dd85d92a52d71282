import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../engine.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { readState } from '../state/container-files.ts'
import { containerPaths } from '../state/container-paths.ts'
import { isActive } from '../state/derive-state.ts'
import { isAlive } from '../../host/process/liveness.ts'
import { cleanupLocked } from './cleanup-container.ts'
import { sendSignal } from './kill-container.ts'

const SIGKILL = 9

/**
 * cleanupLocked that first undoes a start that was killed half-way: whoever holds the lock knows that nobody is at it any more.
 * Caller holds the container's lock. Returns the state as it is then.
 */
export async function settleLocked(engine: Engine, config: ContainerConfig, options: { isRemovedNext?: boolean } = {}): Promise<ContainerState> {
  // As recorded: of a start that was complete nothing has to be undone.
  const { status } = readState(engine.state, config.id)
  const isBegun = existsSync(containerPaths(engine.state, config.id).live)
  if (status === 'initialized' || (isBegun && !isActive(status))) await undoStart(engine, config)
  return cleanupLocked(engine, config, options)
}

/**
 * Ends what a start that nobody is going to finish has left: the runtime's waiting process, and with it conmon. Caller holds
 * the container's lock, and calls cleanupLocked afterwards. Does nothing to a container that runs: its start was complete
 * but for the record, so the record is completed.
 */
export async function undoStart(engine: Engine, config: ContainerConfig): Promise<void> {
  const runtime = await engine.runtimeOf(config)
  const state = readState(engine.state, config.id)
  if (state.status === 'initialized' && await runtime.status(config.id) === 'running' && isAlive(state.pid, state.pidStartTime)) {
    const { saveState } = await import('../state/sync-state.ts')
    const now = new Date().toISOString()
    await saveState(engine.state, config, { ...state, status: 'running', startedAt: now })
    return
  }
  const { endOrphanMonitor } = await import('../conmon/end-orphan.ts')
  endOrphanMonitor(config.id)
  if (await runtime.status(config.id) !== undefined) await runtime.destroy(config.id)
  if (state.pid > 0) sendSignal(state, SIGKILL)
  for (let tries = 0; tries < 100 && isAlive(state.pid, state.pidStartTime); tries++) await sleep(10)
}

import { TpodError } from '../../errors/tpod-error.ts'
import { formatSignal } from '../../oci/signals.ts'
import type { Engine } from '../engine.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { observeState } from '../state/container-files.ts'
import { withContainerLock } from '../state/container-lock.ts'
import { isActive } from '../state/derive-state.ts'
import { getContainer } from '../state/find-container.ts'
import { isOwned } from '../state/live-marker.ts'
import { saveState } from '../state/sync-state.ts'
import { cleanupAndRemove } from './cleanup-container.ts'
import { sendSignal } from './kill-container.ts'
import { recoverQuietly } from './recover.ts'
import { waitForExit, waitForProcess } from './wait-exit.ts'

const SIGKILL = 9
/** After KILL only the kernel can hold a process (uninterruptible sleep). */
const killPatienceMs = 10_000

export interface StopOptions {
  /** Seconds before KILL; absent: the container's own. 0: KILL at once; -1: never. */
  timeoutSec?: number
  /** The stop signal had no effect in time. */
  onWarning?: (warning: string) => void
  signal?: AbortSignal
}

/**
 * Sends the stop signal, after the timeout KILL, waits for the end and cleans up. A container that does not run is
 * a success, as in podman. No lock is held while waiting. Throws STOP_FAILED when KILL has no effect.
 */
export async function stopContainer(engine: Engine, nameOrId: string, options: StopOptions = {}): Promise<string> {
  const config = await getContainer(engine, nameOrId)
  const state = observeState(engine.state, config.id)
  if (isActive(state.status)) await endProcess(engine, config, state, options)
  await cleanUpAfter(engine, config)
  await recoverQuietly(engine)
  return config.id
}

/** Ends the container's processes; used by stop and by rm --force. */
export async function endProcess(engine: Engine, config: ContainerConfig, state: ContainerState, options: StopOptions): Promise<void> {
  const { id } = config
  const timeoutSec = options.timeoutSec ?? config.stopTimeoutSec
  if (state.status === 'paused') await thaw(engine, config)
  if (timeoutSec !== 0) {
    sendSignal(state, config.stopSignal)
    if (await waitStopping(engine, config, state, { timeoutSec, ...(options.signal === undefined ? {} : { signal: options.signal }) })) {
      await waitForExit(engine.state, id, state, options.signal)
      return
    }
    options.onWarning?.(`StopSignal ${formatSignal(config.stopSignal)} failed to stop container ${config.name} in ${timeoutSec} seconds, resorting to SIGKILL`)
  }
  sendSignal(state, SIGKILL)
  if (!await waitForProcess(state.pid, state.pidStartTime, killPatienceMs, options.signal)) {
    throw new TpodError('STOP_FAILED', `stop container ${config.name}: process ${state.pid} does not end even after SIGKILL`, {
      remedy: 'it is blocked in the kernel (disk, network file system): look at /proc/PID/stack',
    })
  }
  await waitForExit(engine.state, id, state, options.signal)
}

/** Most processes end at once; only of those that take longer others shall see that they are being stopped. */
const quickEndMs = 100

async function waitStopping(engine: Engine, config: ContainerConfig, state: ContainerState, wait: { timeoutSec: number; signal?: AbortSignal }): Promise<boolean> {
  const timeoutMs = wait.timeoutSec < 0 ? Infinity : wait.timeoutSec * 1000
  if (await waitForProcess(state.pid, state.pidStartTime, Math.min(quickEndMs, timeoutMs), wait.signal)) return true
  await withContainerLock(engine.state, config.id, async () => {
    const now = observeState(engine.state, config.id)
    if (now.status === 'running') await saveState(engine.state, config, { ...now, status: 'stopping' })
  })
  const restMs = timeoutMs === Infinity ? -1 : Math.max(0, timeoutMs - quickEndMs)
  return waitForProcess(state.pid, state.pidStartTime, restMs, wait.signal)
}

/** A frozen process gets no signal but keeps it pending. */
async function thaw(engine: Engine, config: ContainerConfig): Promise<void> {
  const { writeFreezer } = await import('../../host/cgroup/container-cgroup.ts')
  const { detectCgroups } = await import('../../host/cgroup/detect.ts')
  writeFreezer(detectCgroups(), config.cgroupPath, false)
  await withContainerLock(engine.state, config.id, async () => {
    const state = observeState(engine.state, config.id)
    if (state.status === 'paused') await saveState(engine.state, config, { ...state, status: 'running' })
  })
}

/** The foreground process of a container removes it itself when it is --rm, and the exit file is its to read. */
async function cleanUpAfter(engine: Engine, config: ContainerConfig): Promise<void> {
  if (isOwned(engine.state, config.id)) return
  try {
    await withContainerLock(engine.state, config.id, (locked) => cleanupAndRemove(engine, locked.config))
  } catch (error) {
    // conmon's exit command was faster with a --rm container.
    if (!(error instanceof TpodError && error.code === 'NO_SUCH_CONTAINER')) throw error
  }
}

/** Waits for a container's process to end, by pidfd: no polling while it runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { closeSync } from 'node:fs'
import { errorCode, throwIfAborted } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import type { ContainerState } from '../types.ts'
import { hasConfig, observeState, readExit } from '../state/container-files.ts'
import { containerPaths, type StatePaths } from '../state/container-paths.ts'
import { isActive, unknownExitCode } from '../state/derive-state.ts'
import { isAlive } from '../../host/process/liveness.ts'

export interface ExitResult {
  exitCode: number
  /** Nobody saw the real one (monitor killed, reboot); exitCode is 255 then. */
  isUnknown: boolean
}

/** True when the process ended, false after timeoutMs (-1: never). */
export async function waitForProcess(pid: number, startTime: string, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
  throwIfAborted(signal)
  if (!isAlive(pid, startTime)) return true
  let fd: number
  try {
    fd = native.pidfdOpen(pid)
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return true
    throw error
  }
  // The pid may have been taken by another process between the look at /proc and the open.
  if (!isAlive(pid, startTime)) {
    closeSync(fd)
    return true
  }
  const waiting = native.waitReadable(fd, timeoutMs).finally(() => closeSync(fd))
  if (signal === undefined) return waiting
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([waiting, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Waits until the container that runs as `state` says has ended, and returns its exit status.
 * Between the process's end and conmon's exit file there is a moment in which only conmon knows: it is bridged by short sleeps.
 */
export async function waitForExit(paths: StatePaths, id: string, state: ContainerState, signal?: AbortSignal): Promise<ExitResult> {
  const { exit } = containerPaths(paths, id)
  await waitForProcess(state.pid, state.pidStartTime, -1, signal)
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    throwIfAborted(signal)
    // conmon first, files second: see observeState.
    const isMonitored = isAlive(state.conmonPid, state.conmonStartTime)
    const written = readExit(exit)
    if (written !== undefined) return written.code < 0 ? { exitCode: unknownExitCode, isUnknown: true } : { exitCode: written.code, isUnknown: false }
    if (hasConfig(paths, id)) {
      const now = observeState(paths, id)
      if (!isActive(now.status)) return { exitCode: now.exitCode, isUnknown: now.exitCodeUnknown === true }
    } else if (!isMonitored) {
      // Removed by someone else with its records.
      return { exitCode: unknownExitCode, isUnknown: true }
    }
    await sleep(pauseMs)
  }
}

import { closeSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import type { Engine } from '../engine.ts'
import type { ContainerState } from '../types.ts'
import { observeState } from '../state/container-files.ts'
import { getContainer } from '../state/find-container.ts'
import { isAlive } from '../../host/process/liveness.ts'

/** Sends a signal to the container's first process. Throws NOT_RUNNING when there is none. Returns the container's id. */
export async function killContainer(engine: Engine, nameOrId: string, signal: number): Promise<string> {
  const { id } = await getContainer(engine, nameOrId)
  const state = observeState(engine.state, id)
  if (!['running', 'paused', 'stopping'].includes(state.status)) throw notRunning('kill', nameOrId, state.status)
  if (!sendSignal(state, signal)) throw notRunning('kill', nameOrId, 'exited')
  return id
}

/** Through a pidfd, so that a reused pid is never hit. False when the process is gone. */
export function sendSignal(state: Pick<ContainerState, 'pid' | 'pidStartTime'>, signal: number): boolean {
  let fd: number
  try {
    fd = native.pidfdOpen(state.pid)
  } catch (error) {
    if (errorCode(error) === 'ESRCH' || errorCode(error) === 'EINVAL') return false
    throw error
  }
  try {
    if (!isAlive(state.pid, state.pidStartTime)) return false
    native.pidfdSendSignal(fd, signal)
    return true
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false
    throw error
  } finally {
    closeSync(fd)
  }
}

export function notRunning(action: string, nameOrId: string, status: string): TpodError {
  return new TpodError('NOT_RUNNING', `${action} container ${nameOrId}: it is ${status}, not running: container state improper`, {
    remedy: `start it with: tpod start ${nameOrId}`,
  })
}

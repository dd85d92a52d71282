import { setTimeout as sleep } from 'node:timers/promises'
import { TpodError, throwIfAborted } from '../../errors/tpod-error.ts'
import type { Engine } from '../engine.ts'
import type { ContainerStatus } from '../types.ts'
import { hasConfig, observeState } from '../state/container-files.ts'
import { noSuchContainer } from '../state/container-lock.ts'
import { isActive } from '../state/derive-state.ts'
import { getContainer } from '../state/find-container.ts'
import { waitForExit } from './wait-exit.ts'

/** podman's words; 'removing' and 'removed' end when the container is gone. */
export type WaitCondition = 'created' | 'configured' | 'initialized' | 'running' | 'paused' | 'exited' | 'stopped' | 'stopping' | 'removing' | 'removed' | 'unknown'

export interface WaitOptions {
  /** Any of them; default exited. */
  conditions?: readonly WaitCondition[]
  /** Only for conditions other than exited/stopped, which need no polling. */
  intervalMs?: number
  signal?: AbortSignal
}

const endConditions: readonly string[] = ['exited', 'stopped']

/** The exit status, or -1 when a condition other than the end was met (as podman prints). */
export async function waitContainer(engine: Engine, nameOrId: string, options: WaitOptions = {}): Promise<number> {
  const { id } = await getContainer(engine, nameOrId)
  const conditions = options.conditions?.length ? options.conditions : ['exited']
  if (conditions.every((condition) => endConditions.includes(condition))) return waitForEnd(engine, id, options)
  for (;;) {
    throwIfAborted(options.signal)
    if (!hasConfig(engine.state, id)) {
      if (conditions.includes('removed') || conditions.includes('removing')) return -1
      throw noSuchContainer(nameOrId)
    }
    const state = observeState(engine.state, id)
    if (conditions.some((condition) => isMet(condition as WaitCondition, state.status))) {
      return state.status === 'exited' ? state.exitCode : -1
    }
    await sleep(options.intervalMs ?? 250, undefined, options.signal === undefined ? {} : { signal: options.signal })
  }
}

async function waitForEnd(engine: Engine, id: string, options: WaitOptions): Promise<number> {
  for (;;) {
    const state = observeState(engine.state, id)
    // One that never ran has nothing to wait for: 0, as in podman.
    if (state.status === 'exited' || state.status === 'created') return state.exitCode
    if (isActive(state.status) && state.status !== 'initialized') return (await waitForExit(engine.state, id, state, options.signal)).exitCode
    if (!hasConfig(engine.state, id)) throw noSuchContainer(id)
    await sleep(options.intervalMs ?? 100, undefined, options.signal === undefined ? {} : { signal: options.signal })
  }
}

function isMet(condition: WaitCondition, status: ContainerStatus): boolean {
  if (condition === 'configured') return status === 'created'
  if (condition === 'stopped') return status === 'exited'
  return condition === status
}

const allConditions: readonly string[] = [
  'created', 'configured', 'initialized', 'running', 'paused', 'exited', 'stopped', 'stopping', 'removing', 'removed', 'unknown',
]

/** Throws BAD_CONDITION with podman's words. */
export function parseWaitCondition(text: string): WaitCondition {
  if (allConditions.includes(text)) return text as WaitCondition
  throw new TpodError('BAD_CONDITION', `unknown container state: ${text}: invalid argument`, { remedy: `one of ${allConditions.join(', ')}` })
}

/** What a container's recorded state means now. Pure: facts about processes and files are passed in. */
import type { ContainerState } from '../types.ts'

export interface StateFacts {
  bootId: string
  /** The container's first process exists, by pid and start time. */
  isAlive: boolean
  isConmonAlive: boolean
  /** conmon's exit file. */
  exit?: { code: number; time: string }
  /** Frozen cgroup; asked only for live containers that claim to be paused. */
  isPaused?: boolean
  now: string
}

/** Shown as exit status when nobody saw the real one: never 0, and like podman's own value for it. */
export const unknownExitCode = 255

export function createdState(bootId: string): ContainerState {
  return {
    status: 'created', bootId, pid: 0, pidStartTime: '', conmonPid: 0, conmonStartTime: '',
    startedAt: zeroTime, finishedAt: zeroTime, exitCode: 0, oomKilled: false, error: '', mountpoint: '',
    restartCount: 0, interfaces: [], execIds: [],
  }
}

/** How Go writes a time that was never set; podman shows it, so inspect does. */
export const zeroTime = '0001-01-01T00:00:00Z'

/**
 * - exit file: exited with that code, whatever the record says of a started container.
 * - live process: as recorded.
 * - neither, conmon alive: it is about to write the exit file: 'stopping'.
 * - neither, conmon gone or another boot: exited, code unknown.
 * - 'initialized' of another boot or with no process: back to what it was before that start.
 */
export function deriveState(saved: ContainerState, facts: StateFacts): ContainerState {
  if (!isActive(saved.status)) return saved
  const sameBoot = saved.bootId === facts.bootId
  if (sameBoot && facts.exit !== undefined && !facts.isAlive) {
    return ended(saved, facts.exit.code < 0 ? unknownExitCode : facts.exit.code, facts.exit.time, facts.exit.code < 0)
  }
  if (sameBoot && facts.isAlive) {
    return saved.status === 'paused' && facts.isPaused === false ? { ...saved, status: 'running' } : saved
  }
  if (saved.status === 'initialized' || saved.startedAt === zeroTime) {
    const before = saved.finishedAt === zeroTime ? 'created' : 'exited'
    return { ...saved, status: before, pid: 0, pidStartTime: '', conmonPid: 0, conmonStartTime: '', mountpoint: '' }
  }
  if (sameBoot && facts.isConmonAlive) return { ...saved, status: 'stopping' }
  const why = sameBoot
    ? 'exit status unknown: the monitor (conmon) was gone before the container ended'
    : 'exit status unknown: the machine was rebooted'
  return { ...ended(saved, unknownExitCode, sameBoot ? facts.now : saved.startedAt, true), error: why }
}

/** States in which processes or mounts of a start may exist. */
export function isActive(status: ContainerState['status']): boolean {
  return status === 'running' || status === 'paused' || status === 'stopping' || status === 'initialized'
}

function ended(saved: ContainerState, exitCode: number, finishedAt: string, isUnknown: boolean): ContainerState {
  const state: ContainerState = {
    ...saved, status: 'exited', exitCode, finishedAt, pid: 0, pidStartTime: '', conmonPid: 0, conmonStartTime: '', execIds: [],
  }
  if (isUnknown) state.exitCodeUnknown = true
  return state
}

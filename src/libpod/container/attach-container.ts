import type { Engine } from '../engine.ts'
import { observeState } from '../state/container-files.ts'
import { getContainer } from '../state/find-container.ts'
import { attachStreams, type AttachStreams } from './attach-streams.ts'
import { notRunning, sendSignal } from './kill-container.ts'
import type { StartResult } from './start-container.ts'
import { waitForExit } from './wait-exit.ts'

/** Joins a running container until its end or the detach keys. Throws NOT_RUNNING, ATTACH_FAILED. */
export async function attachContainer(engine: Engine, nameOrId: string, streams: AttachStreams): Promise<StartResult> {
  const { id } = await getContainer(engine, nameOrId)
  const state = observeState(engine.state, id)
  if (state.status !== 'running') throw notRunning('attach to', nameOrId, state.status)
  const session = await attachStreams(engine.store.containerRunDirectory(id), streams, (signal) => { sendSignal(state, signal) })
  if (await session.done === 'detached') return { id, isDetached: true }
  const { exitCode } = await waitForExit(engine.state, id, state)
  return { id, exitCode }
}

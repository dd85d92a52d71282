/**
 * SIGINT and SIGTERM abort the running command; a second one ends the process at once. Commands that pass signals on to a
 * container take the handlers away with `release`.
 */
import { TpodError } from '../errors/tpod-error.ts'

const numbers = { SIGINT: 2, SIGTERM: 15 } as const
type Ending = keyof typeof numbers

/** Installed lazily: a handler keeps nothing alive, but each costs a system call. */
export function watchSignals(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => interrupt(controller, name))
  }
  return controller.signal
}

function interrupt(controller: AbortController, name: Ending): void {
  const exitCode = 128 + numbers[name]
  if (controller.signal.aborted) process.exit(exitCode)
  controller.abort(new TpodError('INTERRUPTED', `interrupted by ${name}`, { exitCode }))
}

/** Gives the signals back to whoever handles them next (attached run and exec proxy them). */
export function releaseSignals(): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.removeAllListeners(name)
}

/** The terminal sends SIGINT to the whole group: a child that handles it decides when this process ends. */
export function leaveInterruptsToChild(): void {
  releaseSignals()
  process.on('SIGINT', () => undefined)
}

/**
 * SIGINT and SIGTERM abort the running command; a second one ends the process at once, and so does the first where the
 * command has not ended some seconds later: a read or write of a pipe whose other end does nothing cannot be called back.
 * Commands that pass signals on to a container take the handlers away with `release`.
 */
import { TpodError } from '../errors/tpod-error.ts'

const numbers = { SIGINT: 2, SIGTERM: 15 } as const
type Ending = keyof typeof numbers
/** For taking back what was begun. What a process leaves that ends before is what a crash leaves: later commands sweep it. */
const graceMs = 5000

/** Installed lazily: a handler keeps nothing alive, but each costs a system call. */
export function watchSignals(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => interrupt(controller, name))
  }
  return controller.signal
}

function interrupt(controller: AbortController, name: Ending): void {
  if (controller.signal.aborted) return endBy(name)
  controller.abort(new TpodError('INTERRUPTED', `interrupted by ${name}`, { exitCode: 128 + numbers[name] }))
  setTimeout(() => endBy(name), graceMs).unref()
}

/** To a shell the same status. Unlike exit() it does not wait for threads that are at a blocked read or write. */
function endBy(name: Ending): void {
  releaseSignals()
  process.kill(process.pid, name)
}

/** Ends the process with the command's status. */
export function endProcess(status: number): void {
  const name = (['SIGINT', 'SIGTERM'] as const).find((each) => status === 128 + numbers[each])
  // Node's exit() would wait for such a thread, too; Bun's has no such list and does not.
  if (name !== undefined && process.getActiveResourcesInfo?.().includes('FSReqCallback')) endBy(name)
  process.exit(status)
}

/** Runs what blocks the thread, where no handler could run: meanwhile a signal ends the process. */
export function withDefaultSignals<T>(block: () => T): T {
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => ({ name, listeners: process.listeners(name) }))
  releaseSignals()
  try {
    return block()
  } finally {
    for (const { name, listeners } of handlers) for (const listener of listeners) process.on(name, listener as NodeJS.SignalsListener)
  }
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

/** Raw mode that is always undone: at restore(), at the process's exit, at a signal that ends it. */
import { native } from '../native/native.ts'

export interface RawMode {
  /** Gives the terminal its former mode back. Idempotent; never throws. */
  restore(): void
}

const endingSignals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGABRT', 'SIGPIPE'] as const

/**
 * Puts the terminal `fd` into raw mode. Whoever handles one of the ending signals himself (signal proxying) keeps
 * doing so: the terminal then stays raw until restore() or exit. SIGKILL alone leaves it raw.
 * Throws ENOTTY for anything but a terminal.
 */
export function enterRawMode(fd: number): RawMode {
  const saved = native.setRaw(fd)
  let isActive = true
  const onSignal = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return
    restore()
    process.kill(process.pid, signal)
  }
  // A shell that continues us after SIGSTOP has put its own mode in place.
  const onContinue = (): void => {
    try {
      native.setRaw(fd)
    } catch {
      // The terminal is gone; the reader of it hears that soon.
    }
  }
  const restore = (): void => {
    if (!isActive) return
    isActive = false
    process.off('exit', restore)
    process.off('SIGCONT', onContinue)
    for (const signal of endingSignals) process.off(signal, onSignal)
    try {
      native.restoreTermios(fd, saved)
    } catch {
      // The terminal was closed: nothing is left to put right.
    }
  }
  process.on('exit', restore)
  process.on('SIGCONT', onContinue)
  for (const signal of endingSignals) process.on(signal, onSignal)
  return { restore }
}

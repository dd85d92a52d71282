/** Terminals among the standard descriptors, without loading the runtime's streams. */
import { native } from '../host/native/native.ts'

export function isTerminal(fd: number): boolean {
  return native.getWinsize(fd) !== null
}

/** Width in columns; undefined when fd is no terminal. */
export function terminalColumns(fd: number): number | undefined {
  const size = native.getWinsize(fd)
  return size === null ? undefined : size.columns || 80
}

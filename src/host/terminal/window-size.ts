import { native } from '../native/native.ts'

export interface WindowSize {
  rows: number
  columns: number
}

/** The size of the first of `fds` that is a terminal and knows it; undefined where none does. */
export function readWindowSize(...fds: readonly number[]): WindowSize | undefined {
  for (const fd of fds) {
    const size = native.getWinsize(fd)
    if (size !== null && size.rows > 0 && size.columns > 0) return size
  }
  return undefined
}

/** Calls `onChange` after each change of the window of `fd`, until the returned function is called. */
export function watchWindowSize(fd: number, onChange: (size: WindowSize) => void): () => void {
  const listener = (): void => {
    const size = readWindowSize(fd)
    if (size !== undefined) onChange(size)
  }
  process.on('SIGWINCH', listener)
  return () => void process.off('SIGWINCH', listener)
}

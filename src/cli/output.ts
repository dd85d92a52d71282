/**
 * Standard output and error by plain write(2). `process.stdout` is avoided: touching it loads Bun's streams,
 * 11 ms of a `ps` that takes 8. The descriptors may be pipes in non-blocking mode, hence the retry.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { errorCode } from '../errors/tpod-error.ts'

/** What a shell reports of a process that SIGPIPE ended. */
const brokenPipeExit = 141

function writeAll(fd: number, data: Uint8Array): void {
  let offset = 0
  while (offset < data.length) {
    try {
      offset += writeSync(fd, data, offset)
    } catch (error) {
      const code = errorCode(error)
      // The reader is slow: there is no event loop to wait in, so sleep a little.
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      else if (code === 'EPIPE') process.exit(brokenPipeExit)
      else if (code !== 'EINTR') throw error
    }
  }
}

/** Writes text as it is; a closed pipe ends the process quietly. */
export function writeOut(text: string | Uint8Array): void {
  writeAll(1, typeof text === 'string' ? Buffer.from(text) : text)
}

export function writeError(text: string | Uint8Array): void {
  writeAll(2, typeof text === 'string' ? Buffer.from(text) : text)
}

/** podman's warnings are plain lines. */
export function printWarning(warning: string): void {
  writeError(`${warning}\n`)
}

/** From here on standard output leads nowhere, for children too. */
export function discardOutput(): void {
  closeSync(1)
  // The lowest free descriptor is the one just closed.
  if (openSync('/dev/null', 'w') !== 1) throw new Error('standard output could not be redirected')
}

/** Writes a line. */
export function printLine(line: string): void {
  writeOut(line + '\n')
}

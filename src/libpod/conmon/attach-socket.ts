/**
 * conmon's attach socket (SOCK_SEQPACKET at BUNDLE/attach): packets to us begin with a byte naming the stream,
 * packets from us are standard input as it is. conmon reads at most 32 KiB of one packet and drops the rest.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'

const stderrPipe = 3
const maxPacketBytes = 8192
const shutWrite = 1

export interface AttachHandlers {
  onOutput(stream: 'stdout' | 'stderr', data: Buffer): void
}

export interface AttachSocket {
  /** Resolves when conmon closed the socket (the process ended and all its output was delivered), or after close(). */
  readonly ended: Promise<void>
  /** Throws nothing when the container is gone: `ended` tells. */
  write(data: Uint8Array): void
  /** End of standard input. */
  endInput(): void
  /** Detaches: the container goes on. Idempotent. */
  close(): void
}

/** Throws ATTACH_FAILED when nothing listens. Connect before the container is started, and no output is missed. */
export function openAttachSocket(bundle: string, handlers: AttachHandlers): AttachSocket {
  const fd = connect(bundle)
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  let isOpen = true
  const finish = (): void => {
    if (!isOpen) return
    isOpen = false
    stop()
    closeSync(fd)
    resolve()
  }
  const stop = native.readLoop(fd, 65_536, (error, chunk) => {
    if (!isOpen) return
    // ECONNRESET: conmon closed while our input was unread.
    if (error !== null || chunk === null) return finish()
    if (chunk.length > 1) handlers.onOutput(chunk[0] === stderrPipe ? 'stderr' : 'stdout', chunk.subarray(1))
  })
  return {
    ended,
    write: (data) => {
      try {
        for (let offset = 0; isOpen && offset < data.length; offset += maxPacketBytes) {
          native.writeAll(fd, data.subarray(offset, offset + maxPacketBytes))
        }
      } catch (error) {
        if (!isDisconnect(error)) throw error
      }
    },
    endInput: () => {
      if (!isOpen) return
      try {
        native.shutdown(fd, shutWrite)
      } catch (error) {
        if (!isDisconnect(error)) throw error
      }
    },
    close: finish,
  }
}

/** Through /proc/self/fd: a socket address holds 107 bytes, a bundle's path may be longer. */
function connect(bundle: string): number {
  let directory = -1
  try {
    directory = openSync(bundle, constants.O_RDONLY | constants.O_DIRECTORY)
    return native.seqpacketConnect(`/proc/self/fd/${directory}/attach`)
  } catch (error) {
    throw new TpodError('ATTACH_FAILED', `attach: connect ${bundle}/attach: ${errorMessage(error)}`, {
      cause: error, remedy: 'the container may have ended, or its monitor (conmon) was killed: see tpod ps --all',
    })
  } finally {
    if (directory >= 0) closeSync(directory)
  }
}

function isDisconnect(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ENOTCONN'
}

/** Sets the size of the container's terminal through conmon's `ctl` fifo; does nothing when the container is gone. */
export function resizeTerminal(bundle: string, size: { rows: number; columns: number }): void {
  // conmon refuses sizes above 1000.
  writeControl(bundle, `1 ${Math.min(size.rows, 1000)} ${Math.min(size.columns, 1000)}\n`)
}

/** Makes conmon open its log file anew (after rotation). */
export function reopenLog(bundle: string): void {
  writeControl(bundle, '2 0 0\n')
}

function writeControl(bundle: string, line: string): void {
  let fd: number
  try {
    fd = openSync(`${bundle}/ctl`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENXIO' || code === 'ENOENT') return
    throw error
  }
  try {
    writeSync(fd, line)
  } finally {
    closeSync(fd)
  }
}

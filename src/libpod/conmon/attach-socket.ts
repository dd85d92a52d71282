/**
 * conmon's attach socket (SOCK_SEQPACKET at BUNDLE/attach): packets to us begin with a byte naming the stream,
 * packets from us are standard input as it is. conmon reads at most 32 KiB of one packet and drops the rest.
 */
import { closeSync, constants, openSync, write, writeSync } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'

const stderrPipe = 3
const maxPacketBytes = 8192
const shutWrite = 1
const shutBoth = 2

export interface AttachHandlers {
  onOutput(stream: 'stdout' | 'stderr', data: Buffer): void
}

export interface AttachSocket {
  /** Resolves when conmon closed the socket (the process ended and all its output was delivered), or after close(). */
  readonly ended: Promise<void>
  /**
   * In order; resolves when conmon has taken it. Wait for it before reading more: output must be taken meanwhile, or
   * conmon, blocked on us, would never take the input. Resolves too when the container is gone: `ended` tells.
   */
  write(data: Uint8Array): Promise<void>
  /** End of standard input, after what was written. */
  endInput(): Promise<void>
  /** Detaches: the container goes on. Idempotent. */
  close(): void
}

/** Throws ATTACH_FAILED when nothing listens. Connect before the container is started, and no output is missed. */
export function openAttachSocket(bundle: string, handlers: AttachHandlers): AttachSocket {
  const fd = connect(bundle)
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  let isOpen = true
  let writing: Promise<void> = Promise.resolve()
  const writePackets = async (data: Uint8Array): Promise<void> => {
    for (let offset = 0; isOpen && offset < data.length; offset += maxPacketBytes) {
      await writePacket(fd, data.subarray(offset, offset + maxPacketBytes))
    }
  }
  const finish = (): void => {
    if (!isOpen) return
    isOpen = false
    stop()
    // Ends a write that is under way in another thread.
    ignoreDisconnect(() => native.shutdown(fd, shutBoth))
    void writing.finally(() => closeSync(fd))
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
    write: (data) => (writing = writing.then(() => writePackets(data))),
    endInput: () => (writing = writing.then(() => {
      if (isOpen) ignoreDisconnect(() => native.shutdown(fd, shutWrite))
    })),
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

/** On the runtime's pool, for it blocks while conmon's input is full. A packet is written whole or not at all. */
function writePacket(fd: number, packet: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    write(fd, packet, (error) => {
      if (error === null || isDisconnect(error)) resolve()
      else reject(error)
    })
  })
}

function ignoreDisconnect(act: () => void): void {
  try {
    act()
  } catch (error) {
    if (!isDisconnect(error)) throw error
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

/** Joins a caller's standard streams with a container's attach socket: raw terminal, resize, detach keys, signals. */
import { readSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { errorCode } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import type { DetachMatcher } from '../../host/terminal/detach-keys.ts'
import { openAttachSocket, resizeTerminal, type AttachSocket } from '../conmon/attach-socket.ts'

export type OutputTarget = number | Writable | ((chunk: Buffer) => void)

export interface AttachStreams {
  /** Descriptor or stream; absent: nothing is sent and the container's input stays open. */
  stdin?: number | Readable
  /** Descriptor, stream, or a function that gets each piece as it comes. */
  stdout?: OutputTarget
  stderr?: OutputTarget
  /** Descriptor of the caller's terminal: put into raw mode, its size followed. Only with a container that has a terminal. */
  terminalFd?: number
  /** podman's notation, 'ctrl-p,ctrl-q'; '' disables detaching. */
  detachKeys?: string
  /** Hand the signals that this process gets on to the container. */
  proxySignals?: boolean
}

export interface AttachSession {
  /** 'detached' after the detach keys; 'ended' when the container's output is complete and delivered. */
  readonly done: Promise<'ended' | 'detached'>
  /** Gives terminal and signals back. Idempotent; called when done resolves. */
  close(): void
}

/**
 * Connects and starts copying. Output is written before `done` resolves, to the last byte.
 * A closed reader of ours (EPIPE) silences that stream; the container goes on.
 */
export async function attachStreams(bundle: string, streams: AttachStreams, sendSignal: (signal: number) => void): Promise<AttachSession> {
  const sinks = { stdout: openSink(streams.stdout), stderr: openSink(streams.stderr) }
  const socket = openAttachSocket(bundle, { onOutput: (stream, data) => sinks[stream].write(data) })
  const undo: (() => void)[] = []
  const { promise: detached, resolve: detach } = Promise.withResolvers<void>()
  if (streams.terminalFd !== undefined) undo.push(await followTerminal(bundle, streams.terminalFd))
  if (streams.proxySignals === true) undo.push(await proxySignals(sendSignal))
  if (streams.stdin !== undefined) undo.push(await copyInput(streams, socket, detach))
  const close = (): void => {
    for (const step of undo.splice(0).toReversed()) step()
    socket.close()
  }
  const done = Promise.race([socket.ended.then(() => 'ended' as const), detached.then(() => 'detached' as const)]).then(async (how) => {
    close()
    await Promise.all([sinks.stdout.flush(), sinks.stderr.flush()])
    return how
  })
  return { done, close }
}

interface Sink { write(data: Buffer): void; flush(): Promise<void> }

function openSink(target: OutputTarget | undefined): Sink {
  if (target === undefined) return { write: () => undefined, flush: async () => undefined }
  if (typeof target === 'number') return descriptorSink(target)
  // The chunk may be reused by its reader; a stream or a caller keeps it until later.
  if (typeof target === 'function') return { write: (data) => target(Buffer.from(data)), flush: async () => undefined }
  return {
    write: (data) => { target.write(Buffer.from(data)) },
    flush: () => new Promise((resolve) => {
      if (target.writableLength === 0 || target.destroyed) resolve()
      else target.write('', () => resolve())
    }),
  }
}

/** Writes at once and blocks while the reader does: order is kept, nothing is buffered here, the last byte is out before we end. */
function descriptorSink(fd: number): Sink {
  let isBroken = false
  return {
    write: (data) => {
      if (isBroken) return
      try {
        native.writeAll(fd, data)
      } catch (error) {
        const code = errorCode(error)
        if (code !== 'EPIPE' && code !== 'EIO' && code !== 'EBADF') throw error
        isBroken = true
      }
    },
    flush: async () => undefined,
  }
}

async function followTerminal(bundle: string, fd: number): Promise<() => void> {
  const { enterRawMode } = await import('../../host/terminal/raw-mode.ts')
  const { readWindowSize, watchWindowSize } = await import('../../host/terminal/window-size.ts')
  const size = readWindowSize(fd)
  if (size !== undefined) resizeTerminal(bundle, size)
  const unwatch = watchWindowSize(fd, (changed) => resizeTerminal(bundle, changed))
  const raw = enterRawMode(fd)
  return () => {
    unwatch()
    raw.restore()
  }
}

/** Not proxied: KILL and STOP cannot be caught; CHLD, PIPE, URG and WINCH are about this process. */
const proxiedSignals = [
  'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTRAP', 'SIGABRT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGTERM', 'SIGSTKFLT', 'SIGCONT',
  'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGXCPU', 'SIGXFSZ', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGPWR', 'SIGSYS',
] as const

async function proxySignals(send: (signal: number) => void): Promise<() => void> {
  const { constants: { signals } } = await import('node:os')
  const undo: (() => void)[] = []
  for (const name of proxiedSignals) {
    const number = signals[name]
    if (number === undefined) continue
    const handler = (): void => send(number)
    try {
      process.on(name, handler)
      undo.push(() => { process.off(name, handler) })
    } catch {
      // A signal that this JavaScript runtime keeps for itself.
    }
  }
  return () => { for (const step of undo) step() }
}

/** Input is read only as fast as the container takes it. */
async function copyInput(streams: AttachStreams, socket: AttachSocket, detach: () => void): Promise<() => void> {
  const { stdin, terminalFd } = streams
  const keys = terminalFd === undefined ? undefined : await detachMatcher(streams.detachKeys ?? '')
  const onChunk = async (chunk: Buffer): Promise<void> => {
    if (keys === undefined) return socket.write(chunk)
    const { forward, isDetached } = keys.push(chunk)
    if (forward.length > 0) await socket.write(forward)
    if (isDetached) detach()
  }
  const onEnd = (): void => { if (terminalFd === undefined) void socket.endInput() }
  if (typeof stdin === 'number') return pumpDescriptor(stdin, onChunk, onEnd)
  if (stdin === undefined) return () => undefined
  const onData = (chunk: Buffer | string): void => {
    stdin.pause()
    void onChunk(Buffer.from(chunk as string)).then(() => stdin.resume())
  }
  stdin.on('data', onData)
  stdin.on('end', onEnd)
  return () => {
    stdin.off('data', onData)
    stdin.off('end', onEnd)
    stdin.pause()
  }
}

const pollMs = 250

/** Waits for data before it reads, so that what comes after the end of the session is left to whoever reads the descriptor next. */
function pumpDescriptor(fd: number, onChunk: (chunk: Buffer) => Promise<void>, onEnd: () => void): () => void {
  let isOpen = true
  const pump = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(65_536)
    while (isOpen) {
      if (!await native.waitReadable(fd, pollMs) || !isOpen) continue
      const length = readChunk(fd, buffer)
      if (length === undefined) continue
      if (length === 0) return onEnd()
      await onChunk(Buffer.from(buffer.subarray(0, length)))
    }
  }
  // A descriptor that cannot be read counts as ended.
  pump().catch(onEnd)
  return () => { isOpen = false }
}

/** Undefined: another reader of the same descriptor was faster. */
function readChunk(fd: number, buffer: Buffer): number | undefined {
  try {
    return readSync(fd, buffer, 0, buffer.length, null)
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return undefined
    // EOF: how Bun reports the end of some descriptors; EIO: the terminal is gone.
    if (errorCode(error) === 'EOF' || errorCode(error) === 'EIO') return 0
    throw error
  }
}

async function detachMatcher(keys: string): Promise<DetachMatcher | undefined> {
  if (keys === '') return undefined
  const { DetachMatcher: Matcher, parseDetachKeys } = await import('../../host/terminal/detach-keys.ts')
  return new Matcher(parseDetachKeys(keys))
}

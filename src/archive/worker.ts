/**
 * Entry point of the thread that unpacks one layer. It takes its own file system context (unshare), makes the layer's
 * directory its root (chroot) and then only works with paths below it.
 *
 * Everything here is synchronous, and must stay so: work given to the runtime's thread pool could make the pool start
 * a thread, which would inherit this thread's root, and later serve the main thread's file calls from inside the layer.
 * For the same reason nothing may be imported lazily. Decompression is therefore the main thread's.
 */
import { closeSync, openSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { TpodError, errorCode, errorMessage } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { LayerUnpacker } from './layer-unpacker.ts'
import type { FromWorker, ToWorker, WorkerInput } from './worker-protocol.ts'

const CLONE_FS = 0x200

/** Serves one layer; the end, an abort or the first failure closes the port, and with it ends the thread. */
function serve(port: MessagePort, input: WorkerInput): void {
  let unpacker: LayerUnpacker | undefined
  let tarSplitFd: number | undefined
  const stop = () => {
    unpacker?.abandon()
    unpacker = undefined
    if (tarSplitFd !== undefined) closeSync(tarSplitFd)
    tarSplitFd = undefined
    port.close()
  }
  const attempt = (action: () => void) => {
    try {
      action()
    } catch (error) {
      post(port, { kind: 'failed', error: serialize(error) })
      stop()
    }
  }
  attempt(() => {
    tarSplitFd = openSync(input.tarSplitPath, 'wx', 0o600)
    confine(input.directory)
    unpacker = new LayerUnpacker(input, tarSplitFd)
  })
  port.on('message', (message: ToWorker) => {
    attempt(() => {
      if (unpacker === undefined) return
      if (message.kind === 'chunk') takeChunk(port, unpacker, message.buffer, message.length)
      else if (message.kind === 'end') post(port, { kind: 'done', content: unpacker.finish() })
      if (message.kind !== 'chunk') stop()
    })
  })
}

function takeChunk(port: MessagePort, unpacker: LayerUnpacker, buffer: ArrayBuffer, length: number): void {
  unpacker.push(Buffer.from(buffer, 0, length))
  post(port, { kind: 'used', buffer }, [buffer])
}

function post(port: MessagePort, message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

function serialize(error: unknown): { code: string | undefined; message: string; remedy: string | undefined } {
  const remedy = error instanceof TpodError ? error.remedy : undefined
  return { code: errorCode(error), message: errorMessage(error), remedy }
}

/** Throws CONFINEMENT_FAILED: nothing is ever unpacked without it. */
function confine(directory: string): void {
  try {
    native.unshare(CLONE_FS)
    native.chroot(directory)
  } catch (error) {
    throw new TpodError('CONFINEMENT_FAILED', `confine the unpacking to ${directory}: ${errorMessage(error)}`, {
      cause: error,
      remedy: 'run as root or in a user namespace, with CAP_SYS_CHROOT',
    })
  }
}

if (parentPort !== null) serve(parentPort, workerData as WorkerInput)

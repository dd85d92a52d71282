/**
 * Entry point of the thread that unpacks one layer. It takes its own file system context (unshare), makes the layer's
 * directory its root (chroot) and then only works with paths below it. Everything it needs is imported and opened
 * before; all path calls are synchronous, since the runtime's pool threads are not confined.
 */
import { closeSync, openSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { TpodError, errorCode, errorMessage } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { LayerPipeline } from './layer-pipeline.ts'
import type { FromWorker, ToWorker, WorkerInput } from './worker-protocol.ts'

const CLONE_FS = 0x200

/** Serves one layer; every path ends by closing the port, and with it the thread. */
async function serve(port: MessagePort, input: WorkerInput): Promise<void> {
  const tarSplitFd = openSync(input.tarSplitPath, 'wx', 0o600)
  let pipeline: LayerPipeline | undefined
  try {
    pipeline = new LayerPipeline({ ...input, tarSplitFd })
    await pipeline.start()
    confine(input.directory)
    await serveMessages(port, pipeline)
  } finally {
    pipeline?.abandon()
    closeSync(tarSplitFd)
  }
}

/** Takes messages one after the other until the end or the first failure. */
function serveMessages(port: MessagePort, pipeline: LayerPipeline): Promise<void> {
  return new Promise((resolve, reject) => {
    let turn: Promise<void> = Promise.resolve()
    const handle = async (message: ToWorker): Promise<void> => {
      if (message.kind === 'chunk') {
        await pipeline.write(Buffer.from(message.buffer, 0, message.length))
        port.postMessage({ kind: 'used', buffer: message.buffer } satisfies FromWorker, [message.buffer])
      } else if (message.kind === 'end') {
        port.postMessage({ kind: 'done', content: await pipeline.finish() } satisfies FromWorker)
        resolve()
      }
    }
    port.on('message', (message: ToWorker) => {
      // An abort does not wait for its turn; the failure it causes ends the others.
      if (message.kind === 'abort') reject(new TpodError('ABORTED', 'unpack the layer: stopped'))
      else turn = turn.then(() => handle(message)).catch(reject)
    })
    port.postMessage({ kind: 'ready' } satisfies FromWorker)
  })
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

const port = parentPort
if (port !== null) {
  serve(port, workerData as WorkerInput)
    .catch((error: unknown) => {
      const remedy = error instanceof TpodError ? error.remedy : undefined
      port.postMessage({ kind: 'failed', error: { code: errorCode(error), message: errorMessage(error), remedy } } satisfies FromWorker)
    })
    .finally(() => port.close())
}

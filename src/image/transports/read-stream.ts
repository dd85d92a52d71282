import { createReadStream } from 'node:fs'
import { throwIfAborted } from '../../errors/tpod-error.ts'

/** What comes out of a pipe or a socket, to its end. The descriptor stays the caller's. An abort does not wait for the other end. */
export async function* readStream(fd: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  throwIfAborted(signal)
  const stream = createReadStream('', { fd, autoClose: false, highWaterMark: 256 * 1024 })
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  aborted.catch(() => undefined)
  const onAbort = (): void => reject(signal?.reason as Error)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
    for (;;) {
      const next = chunks.next()
      // Its failure after an abort is nobody's.
      next.catch(() => undefined)
      const { value, done } = await Promise.race([next, aborted])
      if (done === true) return
      yield value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    stream.destroy()
  }
}

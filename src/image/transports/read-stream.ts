import { createReadStream } from 'node:fs'

/** What comes out of a pipe or a socket, to its end. The descriptor stays the caller's. */
export async function* readStream(fd: number): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = createReadStream('', { fd, autoClose: false, highWaterMark: 256 * 1024 })
  try {
    yield* stream as AsyncIterable<Buffer>
  } finally {
    stream.destroy()
  }
}

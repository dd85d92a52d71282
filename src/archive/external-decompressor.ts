/** bzip2 and xz, which no runtime brings along: the host's programs as filters. */
import { TpodError, errorCode, throwIfAborted } from '../errors/tpod-error.ts'

const filters = {
  bzip2: { program: 'bzip2', arguments: ['-dc'], package: 'bzip2' },
  // xz takes the dictionary size from the stream: the limit keeps a hostile one from asking for gigabytes.
  xz: { program: 'xz', arguments: ['-dc', '--memlimit-decompress=256MiB'], package: 'xz-utils' },
} as const

export type ExternalCompression = keyof typeof filters

/**
 * Decompresses a stream with the host's program, which is killed when the consumer stops. Throws DECOMPRESSOR_MISSING
 * when it is not installed and ARCHIVE_INVALID with the program's words when it fails. Errors of `input` pass through.
 */
export async function* decompressExternally(
  name: ExternalCompression,
  input: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { spawn } = await import('node:child_process')
  const filter = filters[name]
  const child = spawn(filter.program, filter.arguments, { stdio: ['pipe', 'pipe', 'pipe'] })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(0, 2000)))
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve(status ?? -1))
  })
  ended.catch(() => child.stdout.destroy())
  const fed = feed(child.stdin, input).catch((error: unknown) => {
    child.kill('SIGKILL')
    return error
  })
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      throwIfAborted(signal)
      yield chunk
    }
    const status = await ended
    const feedError = await fed
    if (feedError !== undefined && errorCode(feedError) !== 'EPIPE') throw feedError
    if (status !== 0) throw new TpodError('ARCHIVE_INVALID', `decompress ${name}: ${words.trim() || `exit status ${status}`}`)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
    throw new TpodError('DECOMPRESSOR_MISSING', `decompress ${name}: the program ${filter.program} is not installed`, {
      remedy: `install the package ${filter.package}`,
      cause: error,
    })
  } finally {
    child.kill('SIGKILL')
  }
}

/** Resolves undefined once everything was written. Each chunk is written before the next is asked for: its memory may be used again. */
async function feed(stdin: NodeJS.WritableStream, input: AsyncIterable<Uint8Array>): Promise<undefined> {
  let failure: Error | undefined
  stdin.on('error', (error: Error) => (failure = error))
  for await (const chunk of input) {
    if (failure !== undefined) throw failure
    await new Promise<void>((resolve) => {
      stdin.once('close', resolve)
      stdin.write(chunk, () => {
        stdin.off('close', resolve)
        resolve()
      })
    })
  }
  stdin.end()
}

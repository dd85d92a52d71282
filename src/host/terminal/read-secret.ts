import { StringDecoder } from 'node:string_decoder'
import { native } from '../native/native.ts'
import { enterRawMode } from './raw-mode.ts'

const maxCharacters = 64 * 1024

/**
 * Reads a line from the terminal `fd` without showing it; backspace, ^U and ^W edit it. ^C sends this process SIGINT, as the
 * terminal would. Resolves undefined at the end of input (^D, a terminal that went away). Throws ENOTTY for anything but a
 * terminal, and the reason of an abort. The terminal has its mode back in every case.
 */
export async function readSecret(fd: number, signal?: AbortSignal): Promise<string | undefined> {
  const raw = enterRawMode(fd)
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>()
  const decoder = new StringDecoder('utf8')
  const typed: string[] = []
  const onAbort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const stop = native.readLoop(fd, 4096, (error, chunk) => {
    if (error !== null || chunk === null) return resolve(undefined)
    const end = takeKeys(decoder.write(chunk), typed)
    if (end === 'line') resolve(typed.join(''))
    else if (end === 'eof') resolve(undefined)
    else if (end === 'interrupt') {
      raw.restore()
      process.kill(process.pid, 'SIGINT')
    }
  })
  try {
    if (signal?.aborted) throw signal.reason
    return await promise
  } finally {
    stop()
    signal?.removeEventListener('abort', onAbort)
    raw.restore()
  }
}

function takeKeys(text: string, typed: string[]): 'line' | 'eof' | 'interrupt' | undefined {
  for (const key of text) {
    if (key === '\r' || key === '\n') return 'line'
    if (key === '\x03') return 'interrupt'
    if (key === '\x04' && typed.length === 0) return 'eof'
    if (key === '\x7f' || key === '\b') typed.pop()
    else if (key === '\x15' || key === '\x17') typed.length = 0
    else if (key >= ' ' && typed.length < maxCharacters) typed.push(key)
  }
  return undefined
}

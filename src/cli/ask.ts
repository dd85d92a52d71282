/** Questions of login: prompts on standard output, answers from standard input. */
import { readSync } from 'node:fs'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { writeOut } from './output.ts'
import { withDefaultSignals } from './signals.ts'
import { isTerminal } from './terminal.ts'

const maxBytes = 1024 * 1024

/** One line of standard input, visible on a terminal. Throws NO_INPUT at its end. */
export function askLine(prompt: string): string {
  writeOut(prompt)
  const line = withDefaultSignals(() => readInput((byte) => byte === 0x0a))
  if (line === undefined) throw new TpodError('NO_INPUT', 'getting username and password: reading username: EOF')
  return line.replace(/\r?\n$/, '')
}

/** Without showing what is typed. Throws NO_INPUT where standard input is no terminal, or ends. */
export async function askPassword(prompt: string, signal: AbortSignal): Promise<string> {
  writeOut(prompt)
  if (!isTerminal(0)) throw new TpodError('NO_INPUT', 'getting username and password: reading password: inappropriate ioctl for device', { remedy: 'without a terminal give it with --password-stdin' })
  const { readSecret } = await import('../host/terminal/read-secret.ts')
  const password = await readSecret(0, signal)
  writeOut('\n')
  if (password === undefined) throw new TpodError('NO_INPUT', 'getting username and password: reading password: EOF')
  return password
}

/** All of standard input, its line ends left out: podman's --password-stdin. */
export function passwordFromInput(): string {
  return (withDefaultSignals(() => readInput(() => false)) ?? '').replaceAll(/\r?\n/g, '')
}

/** Up to the byte that `isEnd`; undefined when nothing is left. Byte by byte: what follows stays for others. */
function readInput(isEnd: (byte: number) => boolean): string | undefined {
  const byte = Buffer.alloc(1)
  const bytes: number[] = []
  while (bytes.length < maxBytes) {
    try {
      if (readSync(0, byte) === 0) break
    } catch (error) {
      if (errorCode(error) === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
        continue
      }
      if (errorCode(error) === 'EOF') break
      throw error
    }
    bytes.push(byte[0] as number)
    if (isEnd(byte[0] as number)) break
  }
  return bytes.length === 0 ? undefined : Buffer.from(bytes).toString('utf8')
}

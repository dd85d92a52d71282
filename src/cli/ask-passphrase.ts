/** The passphrase of a signing key, typed by a person. */
import { TpodError } from '../errors/tpod-error.ts'
import { isTerminal } from './terminal.ts'

/** Throws NO_INPUT where standard input is no terminal, in skopeo's words. */
export async function askPassphrase(keyFile: string, signal: AbortSignal): Promise<string> {
  if (!isTerminal(0)) throw new TpodError('NO_INPUT', `Cannot prompt for a passphrase for key ${keyFile}, standard input is not a TTY`, { remedy: 'put it into a file: --sign-passphrase-file' })
  const { askPassword } = await import('./ask.ts')
  return askPassword(`Passphrase for key ${keyFile}: `, signal)
}

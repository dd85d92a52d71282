/** Signers for the keys that push and copy are given. */
import { readFile } from 'node:fs/promises'
import { errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { Signer } from '../types.ts'

export interface SigningKeys {
  /** Whatever gpg takes for a key. */
  gpgKey?: string
  sigstoreKeyFile?: string
  /** Holds the passphrase of either in its first line, as podman and skopeo read it. */
  passphraseFile?: string
}

export interface OpenSignersOptions {
  /** gpg's environment (GNUPGHOME, GPG_TTY …); absent: this process's. */
  env?: Readonly<Record<string, string | undefined>>
  /** Asked for a sigstore key's passphrase where no file has it; absent: such a key is refused. A GPG key's is asked for by its agent. */
  askPassphrase?: (keyFile: string) => Promise<string>
  /** Program and version, for the signatures. */
  creator?: string
  /** Default /var/tmp. */
  temporaryDirectory?: string
  signal?: AbortSignal
}

/** Throws PASSPHRASE_FILE, SIGSTORE_KEY_INVALID, NO_INPUT; a GPG key is tried when something is signed. */
export async function openSigners(keys: SigningKeys, options: OpenSignersOptions = {}): Promise<Signer[]> {
  const { gpgKey, sigstoreKeyFile, passphraseFile } = keys
  const { creator } = options
  const passphrase = passphraseFile === undefined ? undefined : await readPassphraseFile(passphraseFile)
  const signers: Signer[] = []
  if (gpgKey !== undefined) {
    const { gpgSigner } = await import('./gpg-signer.ts')
    signers.push(gpgSigner({
      fingerprint: gpgKey, ...(passphrase === undefined ? {} : { passphrase }), ...(creator === undefined ? {} : { creator }),
      ...(options.env === undefined ? {} : { env: options.env }), ...(options.temporaryDirectory === undefined ? {} : { temporaryDirectory: options.temporaryDirectory }), ...(options.signal === undefined ? {} : { signal: options.signal }),
    }))
  }
  if (sigstoreKeyFile !== undefined) {
    const { sigstoreSigner } = await import('./sigstore-signer.ts')
    signers.push(await sigstoreSigner({ keyPath: sigstoreKeyFile, passphrase: passphrase ?? (await ask(sigstoreKeyFile, options)), ...(creator === undefined ? {} : { creator }) }))
  }
  return signers
}

/** The first line. Throws PASSPHRASE_FILE. */
export async function readPassphraseFile(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).split('\n', 1)[0] ?? ''
  } catch (cause) {
    throw new TpodError('PASSPHRASE_FILE', `read passphrase from ${path}: ${errorMessage(cause)}`, { cause })
  }
}

async function ask(keyFile: string, { askPassphrase }: OpenSignersOptions): Promise<string> {
  if (askPassphrase !== undefined) return askPassphrase(keyFile)
  throw new TpodError('NO_INPUT', `Cannot prompt for a passphrase for key ${keyFile}, standard input is not a TTY`, { remedy: 'give it with --sign-passphrase-file' })
}

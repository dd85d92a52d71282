/** Making simple signatures with the user's own gpg: its keys, its agent, its options. */
import { readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { createTemporaryDirectory } from '../../host/fs/temporary.ts'
import { runCommand } from '../../host/process/run.ts'
import { formatReference } from '../../oci/reference.ts'
import type { Signer } from '../types.ts'
import { formatPayload } from './signature-payload.ts'

export interface GpgSignerOptions {
  /** Whatever gpg takes for a key: fingerprint, key id, user id. */
  fingerprint: string
  /** Given to gpg by a descriptor. Absent: its agent asks where the key has one. */
  passphrase?: string
  /** Absent: GNUPGHOME or ~/.gnupg. */
  homedir?: string
  /** gpg's environment; absent: this process's. */
  env?: Readonly<Record<string, string | undefined>>
  /** `optional.creator`: program and version. */
  creator?: string
  /** Default /var/tmp. */
  temporaryDirectory?: string
  signal?: AbortSignal
}

/** Its `sign` throws SIGNING_FAILED with gpg's own reason, HELPER_MISSING. Throws BAD_ARGUMENTS for what cannot be a key's name. */
export function gpgSigner(options: GpgSignerOptions): Signer {
  const { fingerprint, passphrase } = options
  // Not an option of gpg's, and one line.
  if (fingerprint === '' || fingerprint.startsWith('-') || /\p{Cc}/u.test(fingerprint)) throw new TpodError('BAD_ARGUMENTS', `sign by ${JSON.stringify(fingerprint)}: not the name of a GPG key`)
  if (passphrase !== undefined && /[\n\0]/.test(passphrase)) throw new TpodError('BAD_ARGUMENTS', 'invalid passphrase: must not contain a line break')
  return {
    async sign(manifest, reference) {
      const payload = formatPayload('simple', {
        manifestDigest: manifest.digest, dockerReference: formatReference(reference), creator: options.creator ?? 'tpod', timestamp: Math.floor(Date.now() / 1000),
      })
      return { kind: 'simple', bytes: await signMessage(payload, options) }
    },
  }
}

async function signMessage(payload: Uint8Array, options: GpgSignerOptions): Promise<Uint8Array> {
  const { path: directory, remove } = await createTemporaryDirectory(options.temporaryDirectory ?? '/var/tmp', 'sign')
  try {
    const path = join(directory, 'payload')
    await writeFile(path, payload).catch((cause: unknown) => {
      throw new TpodError('SIGNING_FAILED', `write ${path}: ${errorMessage(cause)}`, { cause })
    })
    const { passphrase } = options
    const args = [
      ...(options.homedir === undefined ? [] : ['--homedir', options.homedir]), '--batch', '--no-armor', '--no-textmode', '--no-throw-keyids',
      ...(passphrase === undefined ? await terminalArgs() : ['--pinentry-mode', 'loopback', '--passphrase-fd', '0']),
      '--local-user', options.fingerprint, '--output', '-', '--sign', '--', path,
    ]
    const result = await runCommand('gpg', args, {
      ...(passphrase === undefined ? {} : { input: `${passphrase}\n` }), ...(options.env === undefined ? {} : { env: options.env }), ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
    if (result.exitCode !== 0 || result.stdout.length === 0) {
      const reason = result.stderr.toString('utf8').split('\n').filter((line) => line.startsWith('gpg: ') && !line.includes('WARNING')).map((line) => line.slice(5)).join('; ')
      throw new TpodError('SIGNING_FAILED', `sign with GPG key ${options.fingerprint}: ${reason || `gpg ended with ${result.exitCode ?? result.signal}`}`, { remedy: `see whether \`gpg --list-secret-keys\` has the key` })
    }
    return result.stdout
  } finally {
    await remove()
  }
}

/** gpg's own standard streams lead elsewhere: its agent has to be told where a person can be asked. */
async function terminalArgs(): Promise<string[]> {
  for (const fd of [0, 1, 2]) {
    const target = await readlink(`/proc/self/fd/${fd}`).catch(() => '')
    if (/^\/dev\/(?:pts\/\d+|tty\w*|console)$/.test(target)) return ['--ttyname', target]
  }
  return []
}

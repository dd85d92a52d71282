/**
 * Verifying OpenPGP messages with the gpg program against given public keys and no others: each keyring is a new home
 * directory, so that neither the user's keys and options nor a key server have a say.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TpodError } from '../../errors/tpod-error.ts'
import { createTemporaryDirectory } from '../../host/fs/temporary.ts'
import { ownEnvironment } from '../../host/process/self.ts'
import { runCommand } from '../../host/process/run.ts'
import type { RunResult } from '../../host/process/run.ts'

export interface VerifiedMessage {
  payload: Uint8Array
  /** Of the key that signed: 40 upper-case hex digits, of a subkey where that made the signature. */
  fingerprint: string
  /** Of the primary key to which it belongs. */
  primaryFingerprint: string
}

export interface GpgKeyring {
  /** Primary keys that were imported. */
  fingerprints: readonly string[]
  /**
   * Exactly one signed message with exactly one signature that is good now: neither it nor its key expired, the key
   * not revoked. Throws a plain Error that says what is wrong.
   */
  verify(message: Uint8Array): Promise<VerifiedMessage>
  /** Removes the directory; idempotent. */
  close(): Promise<void>
}

export interface GpgOptions {
  /** Default /var/tmp. */
  temporaryDirectory?: string
  signal?: AbortSignal
}

/** Bytes of a signed payload; real ones have some hundred. */
const maxPayloadBytes = 1024 * 1024
const maxKeyBytes = 16 * 1024 * 1024
const timeoutMs = 60_000

/** Imports each of `keys` (armored or binary, one or more public keys). Throws GPG_FAILED, HELPER_MISSING. The caller closes it. */
export async function openGpgKeyring(keys: readonly Uint8Array[], options: GpgOptions = {}): Promise<GpgKeyring> {
  const { path: home, remove: close } = await createTemporaryDirectory(options.temporaryDirectory ?? '/var/tmp', 'gpg')
  try {
    const fingerprints: string[] = []
    for (const key of keys) fingerprints.push(...await importKeys(home, key, options))
    return { fingerprints, verify: (message) => verifyMessage(home, fingerprints, message, options), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What stands in a message and which key claims to have made it, verified by nobody: for showing alone. Throws a plain Error. */
export async function readUnverified(message: Uint8Array, options: GpgOptions = {}): Promise<{ payload: Uint8Array; keyId: string }> {
  const { path: home, remove } = await createTemporaryDirectory(options.temporaryDirectory ?? '/var/tmp', 'gpg')
  try {
    const { statuses, payload } = await runVerify(home, message, options)
    const keyId = statuses.find(({ keyword }) => keyword === 'ERRSIG')?.words[0]
    if (keyId === undefined || payload === undefined) throw new Error('not an OpenPGP signed message')
    return { payload, keyId }
  } finally {
    await remove()
  }
}

/** Mail addresses, else names, of the keys in a file, whether they are good or not: for showing alone. [] where there are none. */
export async function listKeyOwners(key: Uint8Array, options: GpgOptions = {}): Promise<string[]> {
  const { path: home, remove } = await createTemporaryDirectory(options.temporaryDirectory ?? '/var/tmp', 'gpg')
  try {
    const { stdout } = await runGpg(home, ['--with-colons', '--show-keys'], key, options)
    const names = stdout.toString('utf8').split('\n').filter((line) => /^(?:uid|pub):/.test(line)).map((line) => line.split(':')[9] ?? '')
    // gpg writes a colon in a name as \x3a.
    return names.filter((name) => name !== '').map((name) => (/<([^>]*)>/.exec(name)?.[1] ?? name).replaceAll('\\x3a', ':'))
  } finally {
    await remove()
  }
}

interface Status {
  keyword: string
  words: string[]
}

async function importKeys(home: string, key: Uint8Array, options: GpgOptions): Promise<string[]> {
  if (key.length > maxKeyBytes) throw new TpodError('GPG_FAILED', `import GPG keys: larger than ${maxKeyBytes} bytes`)
  const result = await runGpg(home, ['--status-fd', '1', '--import'], key, options)
  return parseStatuses(result).filter(({ keyword }) => keyword === 'IMPORT_OK').map(({ words }) => words[1] ?? '')
}

async function verifyMessage(home: string, trusted: readonly string[], message: Uint8Array, options: GpgOptions): Promise<VerifiedMessage> {
  const { exitCode, statuses, payload } = await runVerify(home, message, options)
  const count = (keyword: string): number => statuses.filter((status) => status.keyword === keyword).length
  for (const { keyword, words } of statuses) {
    const why = failures[keyword]
    if (why !== undefined) throw new Error(`Invalid GPG signature: ${why(words)}`)
  }
  const signatures = count('NEWSIG')
  if (signatures !== 1 || count('GOODSIG') !== 1 || count('VALIDSIG') !== 1) throw new Error(`Unexpected GPG signature count ${signatures}`)
  if (exitCode !== 0 || count('PLAINTEXT') !== 1 || payload === undefined) throw new Error('Invalid GPG signature: not one signed message')
  const words = statuses.find(({ keyword }) => keyword === 'VALIDSIG')?.words ?? []
  const [fingerprint, signatureClass, primaryFingerprint] = [words[0] ?? '', words[8] ?? '', words[9] ?? words[0] ?? '']
  if (signatureClass !== '00' && signatureClass !== '01') throw new Error(`Invalid GPG signature: of class ${signatureClass}, not of a document`)
  if (!trusted.includes(primaryFingerprint)) throw new Error(`signature by key ${fingerprint} is not accepted`)
  return { payload, fingerprint, primaryFingerprint }
}

/** Statuses of gpg's doc/DETAILS that mean the message must not be believed, in words. */
const failures: Readonly<Record<string, (words: readonly string[]) => string>> = {
  BADSIG: ([key]) => `it does not match what it signs (key ${key})`,
  EXPSIG: ([key]) => `it has expired (key ${key})`,
  EXPKEYSIG: ([key]) => `its key ${key} has expired`,
  REVKEYSIG: ([key]) => `its key ${key} has been revoked`,
  ERRSIG: (words) => (words[5] === '9' ? `its key ${words[0]} is not among the trusted ones` : `it cannot be checked (key ${words[0]}, reason ${words[5]})`),
  NODATA: () => 'no OpenPGP signed message',
  UNEXPECTED: () => 'unexpected data beside the signed message',
  TRUST_NEVER: () => 'its key is marked as never trusted',
  BEGIN_DECRYPTION: () => 'encrypted',
  ENC_TO: () => 'encrypted',
}

async function runVerify(home: string, message: Uint8Array, options: GpgOptions): Promise<{ exitCode: number | null; statuses: Status[]; payload?: Uint8Array }> {
  // Armored and cleartext messages begin with a letter or a dash.
  if ((message[0] ?? 0) < 0x80) throw new Error('Invalid GPG signature: not a binary OpenPGP message')
  const output = await mkdtemp(join(home, 'message-'))
  try {
    // Only gpg's statuses stand on standard output, so that nothing inside a message can look like one.
    const path = join(output, 'payload')
    const result = await runGpg(home, ['--no-armor', '--max-output', String(maxPayloadBytes), '--status-fd', '1', '--output', path, '--verify'], message, options)
    const payload = await readFile(path).catch(() => undefined)
    return { exitCode: result.exitCode, statuses: parseStatuses(result), ...(payload === undefined ? {} : { payload }) }
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}

async function runGpg(home: string, args: readonly string[], input: Uint8Array, { signal }: GpgOptions): Promise<RunResult> {
  const fixed = ['--homedir', home, '--no-options', '--batch', '--no-tty', '--no-autostart', '--no-auto-key-locate', '--no-auto-key-retrieve', '--trust-model', 'always', '--no-permission-warning']
  const result = await runCommand('gpg', [...fixed, ...args], { input, timeoutMs, env: { PATH: ownEnvironment()['PATH'], HOME: home, LC_ALL: 'C' }, ...(signal === undefined ? {} : { signal }) })
  if (result.exitCode !== 0 && result.stderr.includes('No space left on device')) throw new TpodError('NO_SPACE', `run gpg in ${home}: no space left on device`, { remedy: 'free some space there, or choose another directory with TMPDIR' })
  return result
}

function parseStatuses({ stdout }: RunResult): Status[] {
  return stdout.toString('utf8').split('\n').filter((line) => line.startsWith('[GNUPG:] ')).map((line) => {
    const [keyword = '', ...words] = line.slice('[GNUPG:] '.length).split(' ')
    return { keyword, words }
  })
}

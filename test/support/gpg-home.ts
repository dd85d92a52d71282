/** GPG keys of a test's own. The directory's name is short: an agent's socket lies in it, and such names end after 107 bytes. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class GpgHome {
  readonly directory = mkdtempSync('/tmp/g-')

  get env(): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: this.directory, GNUPGHOME: this.directory, LC_ALL: 'C' }
  }

  /** The fingerprint of a new signing key. `expires` as gpg writes it: `seconds=1`, `0`. */
  makeKey(name: string, options: { passphrase?: string; expires?: string } = {}): string {
    this.gpg(['--pinentry-mode', 'loopback', '--passphrase', options.passphrase ?? '', '--quick-generate-key', `${name} <${name}@test>`, 'ed25519', 'sign', options.expires ?? '0'])
    const listing = this.gpg(['--list-keys', '--with-colons', `${name}@test`]).toString()
    return /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1] ?? ''
  }

  /** The public key as `FILE` in the directory. */
  exportKey(fingerprint: string, file: string): string {
    const path = join(this.directory, file)
    writeFileSync(path, this.gpg(['--armor', '--export', fingerprint]))
    return path
  }

  gpg(args: readonly string[], input?: Uint8Array | string): Buffer {
    const result = spawnSync('gpg', ['--batch', '--no-tty', ...args], { env: this.env, input: input ?? '' })
    if (result.status !== 0) throw new Error(`gpg ${args.join(' ')}: ${result.stderr.toString()}`)
    return result.stdout
  }

  dispose(): void {
    spawnSync('gpgconf', ['--kill', 'all'], { env: this.env })
    rmSync(this.directory, { recursive: true, force: true })
  }
}

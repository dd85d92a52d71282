/** Flags that say which image is taken from where: of pull, run and create. */
import type { InferredFlags } from '@oclif/core/interfaces'
import { bool, text, textOr, uint } from '../options.ts'
import { parseFlagDurationMs } from '../parse-duration.ts'

export const platformFlags = {
  arch: text('use ARCH instead of the architecture of the machine for choosing images', { value: 'ARCH', aliases: ['override-arch'] }),
  os: text('use OS instead of the running OS for choosing images', { value: 'OS', aliases: ['override-os'] }),
  platform: text('Specify the platform for selecting the image.  (Conflicts with --arch and --os)'),
  variant: text('Use VARIANT instead of the running architecture variant for choosing images', { value: 'VARIANT' }),
}

const retryFlags = {
  retry: uint('Number of times to retry in case of failure when performing pull', { default: 3 }),
  'retry-delay': text('Delay between retries in case of pull failures, growing with each'),
}

/** What pulling takes of these flags. */
export function retryOptions(flags: InferredFlags<typeof retryFlags>): { retries?: number; retryDelayMs?: number } {
  return {
    ...(flags.retry === undefined ? {} : { retries: flags.retry }),
    ...(flags['retry-delay'] === undefined ? {} : { retryDelayMs: parseFlagDurationMs('retry-delay', flags['retry-delay']) }),
  }
}

export const registryFlags = {
  ...retryFlags,
  authfile: text('Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
  quiet: bool('Suppress output information when pulling images', { char: 'q' }),
  'tls-verify': bool('Require HTTPS and verify certificates when contacting registries for pulling images', { default: true }),
}

export const pullPolicyFlags = {
  pull: textOr('missing', 'Pull image policy ("always"|"missing"|"never"|"newer")', { options: ['always', 'missing', 'never', 'newer', 'ifnewer', 'true', 'false'] }),
}

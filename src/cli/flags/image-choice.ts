/** Flags that say which image is taken from where: of pull, run and create. */
import { bool, text, textOr } from '../options.ts'

export const platformFlags = {
  arch: text('use ARCH instead of the architecture of the machine for choosing images', { value: 'ARCH', aliases: ['override-arch'] }),
  os: text('use OS instead of the running OS for choosing images', { value: 'OS', aliases: ['override-os'] }),
  platform: text('Specify the platform for selecting the image.  (Conflicts with --arch and --os)'),
  variant: text('Use VARIANT instead of the running architecture variant for choosing images', { value: 'VARIANT' }),
}

export const registryFlags = {
  authfile: text('Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
  quiet: bool('Suppress output information when pulling images', { char: 'q' }),
  'tls-verify': bool('Require HTTPS and verify certificates when contacting registries for pulling images', { default: true }),
}

export const pullPolicyFlags = {
  pull: textOr('missing', 'Pull image policy ("always"|"missing"|"never"|"newer")', { options: ['always', 'missing', 'never', 'newer', 'ifnewer', 'true', 'false'] }),
}

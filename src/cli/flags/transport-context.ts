/** Flags of commands that reach images without an engine; called as skopeo they are global. */
import { bool, text } from '../options.ts'

export const transportFlags = {
  'command-timeout': text('timeout for the command execution', { value: 'duration' }),
  'insecure-policy': bool('run the tool without any policy check'),
  'override-arch': text('use ARCH instead of the architecture of the machine for choosing images', { value: 'ARCH' }),
  'override-os': text('use OS instead of the running OS for choosing images', { value: 'OS' }),
  'override-variant': text('use VARIANT instead of the running architecture variant for choosing images', { value: 'VARIANT' }),
  policy: text('Path to a trust policy file', { complete: 'files' }),
  'registries-conf': text('path to the registries.conf file', { hidden: true, complete: 'files' }),
  'registries.d': text('use registry configuration files in DIR (e.g. for container signature storage)', { value: 'DIR', complete: 'directories' }),
  tmpdir: text('directory used to store temporary files', { complete: 'directories' }),
  'user-agent-prefix': text('prefix to add to the user agent string'),
}

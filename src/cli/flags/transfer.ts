/** Flags of pull and push about how the other end is reached, and the options they become. */
import type { EndpointOptions } from '../../image/types.ts'
import type { RegistryAccess } from '../../libpod/image-context.ts'
import { bool, text, uint } from '../options.ts'
import { parseFlagDurationMs } from '../parse-duration.ts'
import { existingAuthFile } from './auth-file.ts'

export const transferFlags = (verb: 'pull' | 'push') => ({
  authfile: text('Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
  'cert-dir': verb === 'pull'
    ? text('Pathname of a directory containing TLS certificates and keys', { value: 'Pathname', complete: 'directories' })
    : text('Path to a directory containing TLS certificates and keys', { complete: 'directories' }),
  creds: text('Credentials (USERNAME:PASSWORD) to use for authenticating to a registry', { value: 'Credentials' }),
  'disable-content-trust': bool('This is a Docker specific option and is a NOOP'),
  quiet: bool(`Suppress output information when ${verb}ing images`, { char: 'q' }),
  retry: uint(`Number of times to retry in case of failure when performing ${verb}`, { default: 3 }),
  'retry-delay': text(`Delay between retries in case of ${verb} failures, growing with each`),
  'signature-policy': text('Pathname of signature policy file (not usually used)', { value: 'Pathname', hidden: true, complete: 'files' }),
  'tls-verify': bool('Require HTTPS and verify certificates when contacting registries', { default: true }),
})

interface TransferValues {
  authfile?: string | undefined
  'cert-dir'?: string | undefined
  creds?: string | undefined
  retry?: number | undefined
  'retry-delay'?: string | undefined
  'signature-policy'?: string | undefined
  'tls-verify'?: boolean
}

/** `given`: the flags that the user wrote. */
export function transferOptions(flags: TransferValues, given: ReadonlySet<string>): Pick<EndpointOptions, 'tlsVerify' | 'certDirectory' | 'retries' | 'retryDelayMs'> & RegistryAccess {
  return {
    authFile: existingAuthFile(flags.authfile), credentials: flags.creds, signaturePolicy: flags['signature-policy'],
    ...(flags['cert-dir'] === undefined ? {} : { certDirectory: flags['cert-dir'] }),
    ...(flags.retry === undefined ? {} : { retries: flags.retry }),
    ...(flags['retry-delay'] === undefined ? {} : { retryDelayMs: parseFlagDurationMs('retry-delay', flags['retry-delay']) }),
    ...(given.has('tls-verify') ? { tlsVerify: flags['tls-verify'] === true } : {}),
  }
}

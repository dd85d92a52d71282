/** Flags that say how one end of a copy is reached: plain for commands with one image, with `src-` and `dest-` for those with two. */
import type { FlagInput } from '@oclif/core/interfaces'
import { TpodError } from '../../errors/tpod-error.ts'
import type { CredentialChoice } from '../../libpod/transport-context.ts'
import type { EndpointOptions } from '../../image/types.ts'
import { parseQualifiedReference } from './qualified-reference.ts'
import { bool, csv, integer, text } from '../options.ts'
import { parseFlagDurationMs } from '../parse-duration.ts'

export type FlagValues = Readonly<Record<string, unknown>>

export interface Endpoint {
  options: EndpointOptions
  credentials: CredentialChoice | undefined
}

const authfileText = 'path of the registry credentials file. Default is ${XDG_RUNTIME_DIR}/containers/auth.json'

export const authfileFlag = { authfile: text(authfileText, { complete: 'files' }) }

export const transportRetryFlags = {
  'retry-delay': text('Fixed delay between retries. If not set, retry uses an exponential backoff delay.', { value: 'duration' }),
  'retry-times': integer('the number of times to possibly retry'),
}

/** skopeo's older spelling, for both ends at once. */
export const deprecatedTlsFlag = { 'tls-verify': bool('require HTTPS and verify certificates when accessing the container registry', { hidden: true }) }

/** Of a registry alone. `alias` is an older name of PREFIXcreds. */
export function registryEndpointFlags(prefix: string, alias?: string): FlagInput {
  return {
    ...(prefix === '' ? {} : { [`${prefix}authfile`]: text(authfileText, { complete: 'files' }) }),
    [`${prefix}cert-dir`]: text('use certificates at PATH (*.crt, *.cert, *.key) to connect to the registry or daemon', { value: 'PATH', complete: 'directories' }),
    [`${prefix}creds`]: text('Use USERNAME[:PASSWORD] for accessing the registry', { value: 'USERNAME[:PASSWORD]', ...(alias === undefined ? {} : { aliases: [alias] }) }),
    [`${prefix}no-creds`]: bool('Access the registry anonymously'),
    [`${prefix}password`]: text('Password for accessing the registry'),
    [`${prefix}registry-token`]: text('Provide a Bearer token for accessing the registry'),
    [`${prefix}tls-verify`]: bool('require HTTPS and verify certificates when talking to the container registry or daemon'),
    [`${prefix}username`]: text('Username for accessing the registry'),
  }
}

/** Of any transport. */
export function endpointFlags(prefix: string, alias?: string): FlagInput {
  return {
    ...registryEndpointFlags(prefix, alias),
    [`${prefix}daemon-host`]: text('use docker daemon host at HOST (docker-daemon: only)', { value: 'HOST' }),
    [`${prefix}shared-blob-dir`]: text('DIRECTORY to use to share blobs across OCI repositories', { value: 'DIRECTORY', complete: 'directories' }),
  }
}

export const destinationFlags: FlagInput = {
  ...endpointFlags('dest-', 'dcreds'),
  'additional-tag': csv('additional tags (supports docker-archive)'),
  'dest-compress': bool("Compress tarball image layers when saving to directory using the 'dir' transport. (default is same compression type as source)"),
  'dest-compress-format': text('FORMAT to use for the compression', { value: 'FORMAT', options: ['gzip', 'zstd', 'zstd:chunked', 'bzip2', 'xz'] }),
  'dest-compress-level': integer('LEVEL to use for the compression', { value: 'int' }),
  'dest-decompress': bool("Decompress tarball image layers when saving to directory using the 'dir' transport. (default is same compression type as source)"),
  'dest-force-compress-format': bool('Force exclusive use of the compression algorithm set in --dest-compress-format'),
  'dest-oci-accept-uncompressed-layers': bool("Allow uncompressed image layers when saving to an OCI image using the 'oci' transport. (default is to compress things that aren't compressed)"),
  'dest-precompute-digests': bool("Precompute digests to prevent uploading layers already on the registry using the 'docker' transport."),
}

/** What `flags` say of the end with this prefix. `given` are the names that the user wrote. Throws BAD_FLAG for contradictions, in skopeo's words. */
export function endpointOf(flags: FlagValues, prefix: string, given: ReadonlySet<string>): Endpoint {
  const value = (name: string): string | undefined => flags[`${prefix}${name}`] as string | undefined
  const tlsFlag = given.has(`${prefix}tls-verify`) ? `${prefix}tls-verify` : given.has('tls-verify') ? 'tls-verify' : undefined
  return {
    credentials: credentialChoice(flags, prefix),
    options: {
      ...retriesOf(flags),
      ...(tlsFlag === undefined ? {} : { tlsVerify: flags[tlsFlag] === true }),
      ...optional('certDirectory', value('cert-dir')),
      ...optional('registryToken', value('registry-token')),
      ...optional('daemonHost', value('daemon-host')),
      ...optional('sharedBlobDirectory', value('shared-blob-dir')),
    },
  }
}

/** What a destination takes beside. */
export function destinationOptions(flags: FlagValues): EndpointOptions {
  const compress = flags['dest-compress'] === true
  const tags = (flags['additional-tag'] as string[] | undefined ?? []).map((name) => parseQualifiedReference('additional-tag', name))
  return {
    ...(compress || flags['dest-decompress'] === true ? { layers: compress ? 'compressed' : 'uncompressed' } : {}),
    ...(flags['dest-oci-accept-uncompressed-layers'] === true ? { acceptUncompressedLayers: true } : {}),
    ...(flags['dest-precompute-digests'] === true ? { precomputeDigests: true } : {}),
    ...(tags.length === 0 ? {} : { additionalTags: tags }),
  }
}

function credentialChoice(flags: FlagValues, prefix: string): CredentialChoice | undefined {
  const value = (name: string): string | undefined => flags[`${prefix}${name}`] as string | undefined
  const [creds, username, password] = [value('creds'), value('username'), value('password')]
  const anonymous = flags[`${prefix}no-creds`] === true
  if (creds !== undefined && anonymous) throw contradiction('creds and no-creds cannot be specified at the same time')
  if (username !== undefined && anonymous) throw contradiction('username and no-creds cannot be specified at the same time')
  if (creds !== undefined && username !== undefined) throw contradiction('creds and username cannot be specified at the same time')
  if (username !== undefined && password === undefined) throw contradiction('password must be specified when username is specified')
  if (username === undefined && password !== undefined) throw contradiction('username must be specified when password is specified')
  if (creds === '') throw contradiction("credentials can't be empty")
  if (creds?.startsWith(':') === true) throw contradiction("username can't be empty")
  const authFile = (prefix === '' ? undefined : value('authfile')) ?? (flags['authfile'] as string | undefined)
  if (creds === undefined && username === undefined && !anonymous && authFile === undefined) return undefined
  return { anonymous, ...optional('creds', creds), ...optional('username', username), ...optional('password', password), ...optional('authFile', authFile) }
}

function retriesOf(flags: FlagValues): Pick<EndpointOptions, 'retries' | 'retryDelayMs'> {
  const times = flags['retry-times'] as number | undefined
  const delay = flags['retry-delay'] as string | undefined
  return {
    ...(times === undefined ? {} : { retries: Math.max(0, times) }),
    ...(delay === undefined ? {} : { retryDelayMs: parseFlagDurationMs('retry-delay', delay) }),
  }
}

function contradiction(message: string): TpodError {
  return new TpodError('BAD_FLAG', message)
}

/** For spreading: nothing where a flag was not given. */
export function optional<Key extends string>(key: Key, value: string | undefined): { [K in Key]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: string }
}

/** Flags by which the manifest commands reach registries, and by which they describe entries. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { EndpointOptions } from '../../image/types.ts'
import type { EntryChanges, ListAccess } from '../../libpod/images/manifest-lists.ts'
import { bool, csv, text } from '../options.ts'
import { existingAuthFile } from './auth-file.ts'

export const tlsFlags = {
  insecure: bool('neither require HTTPS nor verify certificates when accessing the registry', { hidden: true }),
  'tls-verify': bool('require HTTPS and verify certificates when accessing the registry', { default: true }),
}

export const listAccessFlags = {
  authfile: text('path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
  'cert-dir': text('use certificates at the specified path to access the registry', { complete: 'directories' }),
  creds: text('use [username[:password]] for accessing the registry', { value: '[username[:password]]' }),
  ...tlsFlags,
}

export const entryFlags = {
  arch: text('override the architecture of the specified image', { value: 'architecture' }),
  features: csv('override the features of the specified image', { value: 'features' }),
  os: text('override the OS of the specified image', { value: 'OS' }),
  'os-version': text('override the OS version of the specified image', { value: 'version' }),
  variant: text('override the Variant of the specified image', { value: 'Variant' }),
}

interface AccessValues {
  authfile?: string | undefined
  'cert-dir'?: string | undefined
  creds?: string | undefined
  insecure?: boolean
  'tls-verify'?: boolean
}

/** Throws BAD_FLAG for --insecure with --tls-verify. */
export function listAccess(flags: AccessValues, given: ReadonlySet<string>, signal: AbortSignal): ListAccess & { endpoint: EndpointOptions } {
  if (given.has('insecure') && given.has('tls-verify')) throw new TpodError('BAD_FLAG', '--insecure may not be used with --tls-verify')
  const tlsVerify = given.has('insecure') ? flags.insecure !== true : given.has('tls-verify') ? flags['tls-verify'] === true : undefined
  return {
    authFile: existingAuthFile(flags.authfile),
    credentials: flags.creds,
    endpoint: {
      signal,
      ...(tlsVerify === undefined ? {} : { tlsVerify }),
      ...(flags['cert-dir'] === undefined ? {} : { certDirectory: flags['cert-dir'] }),
    },
  }
}

interface EntryValues {
  arch?: string | undefined
  features: string[]
  os?: string | undefined
  'os-features'?: string[]
  'os-version'?: string | undefined
  variant?: string | undefined
}

export function entryChanges(flags: EntryValues, annotations: readonly string[]): EntryChanges {
  return {
    annotations: parseAnnotations(annotations),
    features: flags.features,
    ...(flags['os-features'] === undefined ? {} : { osFeatures: flags['os-features'] }),
    ...(flags.arch === undefined ? {} : { architecture: flags.arch }),
    ...(flags.os === undefined ? {} : { os: flags.os }),
    ...(flags['os-version'] === undefined ? {} : { osVersion: flags['os-version'] }),
    ...(flags.variant === undefined ? {} : { variant: flags.variant }),
  }
}

/** `NAME=VALUE` each. Throws BAD_FLAG in podman's words. */
export function parseAnnotations(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => {
    const end = word.indexOf('=')
    if (end < 0) throw new TpodError('BAD_FLAG', `no value given for annotation "${word}"`, { remedy: 'write --annotation NAME=VALUE' })
    return [word.slice(0, end), word.slice(end + 1)]
  }))
}

/**
 * Image references by the grammar of distribution/reference: `[domain[:port]/]path[:tag][@digest]`, at most 255
 * characters of name, domain = the first component if it has a dot, a colon or an upper-case letter, or is `localhost`.
 */
import { TpodError } from '../errors/tpod-error.ts'

export interface Reference {
  /** Host and port; '' for a short name. */
  domain: string
  /** Repository path below the domain. */
  path: string
  tag?: string
  digest?: string
}

/** A reference whose domain is known. */
export interface QualifiedReference extends Reference {
  /** `domain/path`. */
  name: string
}

const domainComponent = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const domainPattern = new RegExp(`^(?:${domainComponent}(?:\\.${domainComponent})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?$`)
const pathComponentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[\w][\w.-]{0,127}$/
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/
const sha256Pattern = /^sha256:[a-f0-9]{64}$/
const maxNameLength = 255

/** True for `host`, `host:port` and `[ipv6]:port`. */
export function isDomain(text: string): boolean {
  return domainPattern.test(text)
}

export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

/**
 * Parses what a user typed, adding nothing: a short name keeps an empty domain.
 * Throws BAD_REFERENCE, saying what is wrong, for anything the grammar excludes.
 */
export function parseReference(text: string): Reference {
  const input = text.startsWith('docker://') ? text.slice('docker://'.length) : text
  if (input === '') throw badReference(text, 'it is empty')
  if (/^[0-9a-f]{64}$/.test(input)) throw badReference(text, '64 hex digits are an image id, not a name')
  let rest = input
  const reference: Reference = { domain: '', path: '' }
  const at = rest.indexOf('@')
  if (at >= 0) {
    reference.digest = checkDigest(text, rest.slice(at + 1))
    rest = rest.slice(0, at)
  }
  const colon = rest.lastIndexOf(':')
  if (colon > rest.lastIndexOf('/')) {
    const tag = rest.slice(colon + 1)
    if (!isTag(tag)) throw badReference(text, `invalid tag ${JSON.stringify(tag)}`)
    reference.tag = tag
    rest = rest.slice(0, colon)
  }
  const slash = rest.indexOf('/')
  const first = slash < 0 ? '' : rest.slice(0, slash)
  if (looksLikeDomain(first)) {
    if (!isDomain(first)) throw badReference(text, `invalid registry host ${JSON.stringify(first)}`)
    reference.domain = first
    rest = rest.slice(slash + 1)
  }
  checkPath(text, rest)
  reference.path = rest
  if (rest.length + reference.domain.length + 1 > maxNameLength) throw badReference(text, `the name is longer than ${maxNameLength} characters`)
  return reference
}

/** Parses and completes: no domain means docker.io, a single component on docker.io lies in `library/`. No tag is added. */
export function parseNormalizedReference(text: string): QualifiedReference {
  const parsed = parseReference(text)
  return qualifyReference(parsed, parsed.domain || 'docker.io')
}

/** Puts a short reference under `domain` (`docker.io` gets its `library/`). */
export function qualifyReference(reference: Reference, domain: string): QualifiedReference {
  const host = domain === 'index.docker.io' ? 'docker.io' : domain
  const path = host === 'docker.io' && !reference.path.includes('/') ? `library/${reference.path}` : reference.path
  return { ...reference, domain: host, path, name: `${host}/${path}` }
}

/** Adds `:latest` where neither tag nor digest is there. */
export function withDefaultTag<T extends Reference>(reference: T): T {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference
}

/** Drops the tag where a digest is there too: the digest alone says which image is meant (as docker and podman do). */
export function withoutRedundantTag<T extends Reference>(reference: T): T {
  if (reference.digest === undefined || reference.tag === undefined) return reference
  const copy = { ...reference }
  delete copy.tag
  return copy
}

export function formatReference(reference: Reference): string {
  const domain = reference.domain === '' ? '' : `${reference.domain}/`
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`
  return domain + reference.path + tag + digest
}

/** Short = no registry host: it needs registries.conf (or the local store) to become a full name. */
export function isShortName(reference: Reference): boolean {
  return reference.domain === ''
}

/** Splits a stored name (`host/path:tag` or `host/path@digest`) without validating it: for listing, not for trust. */
export function splitStoredName(name: string): { repository: string; tag?: string; digest?: string } {
  const at = name.indexOf('@')
  if (at >= 0) {
    const left = splitStoredName(name.slice(0, at))
    return { ...left, digest: name.slice(at + 1) }
  }
  const colon = name.lastIndexOf(':')
  if (colon > name.lastIndexOf('/')) return { repository: name.slice(0, colon), tag: name.slice(colon + 1) }
  return { repository: name }
}

// An upper-case first component can only be a host: repository paths are lower case.
function looksLikeDomain(component: string): boolean {
  return component !== '' && (/[.:[]/.test(component) || component === 'localhost' || component.toLowerCase() !== component)
}

function checkDigest(text: string, digest: string): string {
  if (sha256Pattern.test(digest)) return digest
  if (digestPattern.test(digest) && !digest.startsWith('sha256:')) throw badReference(text, `digest algorithm ${digest.split(':')[0]} is not supported, only sha256`)
  throw badReference(text, 'invalid digest: want sha256: and 64 lower-case hex digits')
}

function checkPath(text: string, path: string): void {
  if (path === '') throw badReference(text, 'the repository name is empty')
  for (const component of path.split('/')) {
    if (pathComponentPattern.test(component)) continue
    if (component !== component.toLowerCase()) throw badReference(text, 'invalid reference format: repository name must be lowercase')
    throw badReference(text, `invalid reference format: invalid name component ${JSON.stringify(component)}`)
  }
}

function badReference(text: string, why: string): TpodError {
  return new TpodError('BAD_REFERENCE', `invalid image reference ${JSON.stringify(text)}: ${why}`, {
    remedy: 'write [REGISTRY/]NAME[:TAG][@sha256:DIGEST]',
  })
}

/** WWW-Authenticate (RFC 9110 §11.6.1) as registries send it, and whether a token realm may be given credentials. */
import { TpodError } from '../../errors/tpod-error.ts'

export interface Challenge {
  /** Lower case: basic, bearer, … */
  scheme: string
  parameters: Record<string, string>
}

/** Parses one or several challenges; what is not understood is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  const token = /([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?\s*,?\s*/gy
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, name, quoted, plain] = match
    const value = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1')
    if (value === undefined) challenges.push({ scheme: name!.toLowerCase(), parameters: {} })
    else if (challenges.length > 0) challenges.at(-1)!.parameters[name!.toLowerCase()] = value
  }
  return challenges
}

/**
 * The realm is chosen by whoever answers for the registry. It must be reached over TLS unless the registry itself is
 * not, and may lie on a private, loopback or link-local address only if the registry does too: otherwise a hostile
 * registry could have credentials sent in clear, or requests sent to a metadata service. Throws AUTH_REALM_REFUSED.
 */
export function checkRealm(realm: string, registry: URL): URL {
  const refuse = (why: string): TpodError => new TpodError('AUTH_REALM_REFUSED', `log in to ${registry.host}: token server ${JSON.stringify(realm.slice(0, 200))}: ${why}`)
  if (!URL.canParse(realm)) throw refuse('not a URL')
  const url = new URL(realm)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('neither https nor http')
  if (url.protocol === 'http:' && registry.protocol === 'https:') throw refuse('plain http, while the registry uses https')
  if (url.username !== '' || url.password !== '') throw refuse('it carries credentials')
  if (url.hostname !== registry.hostname && isPrivateHost(url.hostname) && !isPrivateHost(registry.hostname)) throw refuse('it is an address of this machine or its network')
  return url
}

/** This machine, its network, link-local: where a registry outside has no business. */
export function isPrivateHost(hostname: string): boolean {
  // A dot at the end is the name's root: the same host.
  const host = hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase()
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  if (host.includes(':')) return host === '::1' || host === '::' || /^f[cd]/.test(host) || /^fe[89ab]/.test(host) || /^(?:::ffff:|64:ff9b:|::[\da-f]{1,4}:[\da-f]{1,4}$)/.test(host)
  return /^(?:0|10|127)\.|^169\.254\.|^192\.168\.|^172\.(?:1[6-9]|2\d|3[01])\.|^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./.test(host)
}

/** PATH[:REFERENCE|:@N] of docker-archive:, by containers-transports(5). */
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, parseNormalizedReference, withDefaultTag } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { ImageIdentity } from '../types.ts'

export interface DockerArchiveName {
  path: string
  /** With a tag. */
  reference?: QualifiedReference
  /** `@N`: the image with that number, from 0. */
  index?: number
}

/** Throws BAD_IMAGE_NAME, BAD_REFERENCE. A path can't have a colon. */
export function parseDockerArchiveName(details: string): DockerArchiveName {
  const colon = details.indexOf(':')
  const path = colon < 0 ? details : details.slice(0, colon)
  const rest = colon < 0 ? '' : details.slice(colon + 1)
  if (path === '') throw new TpodError('BAD_IMAGE_NAME', `docker-archive reference ${JSON.stringify(details)} isn't of the form <path>[:<reference>]`)
  if (colon < 0) return { path }
  if (rest.startsWith('@')) {
    if (/^@\d{1,9}$/.test(rest)) return { path, index: Number(rest.slice(1)) }
    throw new TpodError('BAD_IMAGE_NAME', `Invalid source index ${rest}: ${/^@-\d+$/.test(rest) ? 'must not be negative' : 'not an integer'}`)
  }
  const reference = withDefaultTag(parseNormalizedReference(rest))
  if (reference.digest !== undefined) throw new TpodError('BAD_IMAGE_NAME', `docker-archive doesn't support digest references: ${formatReference(reference)}`)
  return { path, reference }
}

export function dockerArchiveIdentity({ path, reference, index }: DockerArchiveName): ImageIdentity {
  const suffix = reference === undefined ? (index === undefined ? '' : `:@${index}`) : `:${formatReference(reference)}`
  return { transport: 'docker-archive', name: path + suffix, policyScopes: [], ...(reference === undefined ? {} : { dockerReference: reference }) }
}

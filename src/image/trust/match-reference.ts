/** Whether the name that a signature claims is one that the policy accepts for the image: signedIdentity of containers-policy.json(5). */
import type { ReferenceMatch } from '../../config/policy-requirements.ts'
import { formatReference, isDomain, parseNormalizedReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'

/** `image` is what the image is called where it lies; absent for transports without such names, which only exact… can match. */
export function matchesReference(match: ReferenceMatch, image: QualifiedReference | undefined, signed: string): boolean {
  const claim = parseClaim(signed)
  if (claim === undefined) return false
  switch (match.type) {
    case 'exactReference': return sameExactly(match.reference, claim)
    case 'exactRepository': return match.repository.name === claim.name
    case 'matchExact': return image !== undefined && sameExactly(image, claim)
    case 'matchRepository': return image?.name === claim.name
    case 'matchRepoDigestOrExact': return image !== undefined && sameTagOrRepository(image, claim)
    case 'remapIdentity': {
      const remapped = image === undefined ? undefined : remap(image, match.prefix, match.signedPrefix)
      return remapped !== undefined && sameTagOrRepository(remapped, claim)
    }
  }
}

/** Signatures have no URLs, so that `docker://` is no part of a name here. */
export function parseClaim(signed: string): QualifiedReference | undefined {
  if (signed.includes('://')) return undefined
  try {
    return parseNormalizedReference(signed)
  } catch {
    return undefined
  }
}

function sameExactly(image: QualifiedReference, claim: QualifiedReference): boolean {
  return !isNameOnly(image) && !isNameOnly(claim) && formatReference(image) === formatReference(claim)
}

/** Of an image named by its digest alone the repository is enough: the digest is compared anyway. */
function sameTagOrRepository(image: QualifiedReference, claim: QualifiedReference): boolean {
  if (isNameOnly(claim) || isNameOnly(image)) return false
  return image.tag === undefined ? image.name === claim.name : formatReference(image) === formatReference(claim)
}

/** The image itself where the prefix doesn't cover it; undefined where the new name is none. */
function remap(image: QualifiedReference, prefix: string, signedPrefix: string): QualifiedReference | undefined {
  if (image.name !== prefix && !image.name.startsWith(`${prefix}/`)) return image
  const text = signedPrefix + formatReference(image).slice(prefix.length)
  const slash = text.indexOf('/')
  const remapped = slash > 0 && isDomain(text.slice(0, slash)) ? parseClaim(text) : undefined
  // A name that normalizing would change (`ns/name`, `docker.io/name`) is no full name.
  return remapped !== undefined && formatReference(remapped) === text ? remapped : undefined
}

function isNameOnly(reference: QualifiedReference): boolean {
  return reference.tag === undefined && reference.digest === undefined
}

import { TpodError, errorMessage } from '../../errors/tpod-error.ts'
import { parseNormalizedReference, type QualifiedReference } from '../../oci/reference.ts'

/** A flag's value as a full reference with a tag. Throws BAD_FLAG in skopeo's words. */
export function parseQualifiedReference(flag: string, text: string): QualifiedReference {
  let reference: QualifiedReference
  try {
    reference = parseNormalizedReference(text)
  } catch (cause) {
    throw new TpodError('BAD_FLAG', `error parsing ${flag} '${text}': ${errorMessage(cause)}`, { cause })
  }
  if (reference.tag === undefined) throw new TpodError('BAD_FLAG', `${flag} '${text}' must be a tagged reference`)
  return reference
}

/** What a signature says: the JSON of containers-signature(5), which simple signing and sigstore have in common but for its type. */
import { isDigest } from '../../oci/digest.ts'
import { exactMembers, isJsonObject, parseStrictJson } from '../../text/strict-json.ts'

export interface SignaturePayload {
  manifestDigest: string
  /** As signed, not normalized. */
  dockerReference: string
  creator?: string
  /** Seconds since 1970. */
  timestamp?: number
}

const types = { simple: 'atomic container signature', sigstore: 'cosign container image signature' } as const

/** The bytes to sign; keys in the order in which Go writes them. */
export function formatPayload(kind: 'simple' | 'sigstore', { manifestDigest, dockerReference, creator, timestamp }: SignaturePayload): Buffer {
  return Buffer.from(JSON.stringify({
    critical: { identity: { 'docker-reference': dockerReference }, image: { 'docker-manifest-digest': manifestDigest }, type: types[kind] },
    optional: { ...(creator === undefined ? {} : { creator }), ...(timestamp === undefined ? {} : { timestamp }) },
  }))
}

/**
 * Of bytes whose signature holds. Anything unknown in `critical`, or that two readers could read differently, is refused.
 * Throws a plain Error with one line.
 */
export function parsePayload(kind: 'simple' | 'sigstore', bytes: Uint8Array): SignaturePayload {
  const { critical, optional } = exactMembers(parseStrictJson(bytes), ['critical', 'optional'])
  const { type, image, identity } = exactMembers(critical, ['type', 'image', 'identity'])
  if (type !== types[kind]) throw new Error(`Unrecognized signature type ${JSON.stringify(type)}`)
  const manifestDigest = exactMembers(image, ['docker-manifest-digest'])['docker-manifest-digest']
  if (typeof manifestDigest !== 'string' || !isDigest(manifestDigest)) throw new Error(`invalid docker-manifest-digest value ${JSON.stringify(manifestDigest)}`)
  const dockerReference = exactMembers(identity, ['docker-reference'])['docker-reference']
  if (typeof dockerReference !== 'string') throw new Error('docker-reference is not a string')
  return { manifestDigest, dockerReference, ...parseOptional(kind, optional) }
}

function parseOptional(kind: 'simple' | 'sigstore', optional: unknown): Pick<SignaturePayload, 'creator' | 'timestamp'> {
  // cosign writes null where nobody asked for annotations.
  if (optional === null && kind === 'sigstore') return {}
  if (!isJsonObject(optional)) throw new Error('optional is not a JSON object')
  const { creator, timestamp } = optional
  if (creator !== undefined && typeof creator !== 'string') throw new Error('Field optional.creator is not a string')
  if (timestamp !== undefined && (typeof timestamp !== 'number' || !Number.isInteger(timestamp))) throw new Error('Field optional.timestamp is not an integer')
  return { ...(creator === undefined ? {} : { creator }), ...(timestamp === undefined ? {} : { timestamp }) }
}

/** What policy.json may ask of an image: the requirement objects of containers-policy.json(5), parsed as strictly as containers/image does. */
import { isDomain, parseNormalizedReference } from '../oci/reference.ts'
import type { QualifiedReference } from '../oci/reference.ts'
import { exactMembers, isJsonObject } from '../text/strict-json.ts'

/** Where public keys come from: files that are read when an image is checked, or the policy itself. */
export type KeySource = { paths: readonly string[] } | { data: readonly Uint8Array[] }

/** Which claim of a signature about the image's name is accepted. */
export type ReferenceMatch =
  | { type: 'matchExact' | 'matchRepoDigestOrExact' | 'matchRepository' }
  | { type: 'exactReference'; reference: QualifiedReference }
  | { type: 'exactRepository'; repository: QualifiedReference }
  | { type: 'remapIdentity'; prefix: string; signedPrefix: string }

export interface SignedBy {
  type: 'signedBy'
  /** GPGKeys is the one that containers/image and we can check. */
  keyType: string
  keys: KeySource
  signedIdentity: ReferenceMatch
}

export interface SigstoreSigned {
  type: 'sigstoreSigned'
  /** Absent: only `unsupported` says who may sign. */
  keys?: KeySource
  /** Fields that ask for what cannot be checked here (fulcio, pki, rekorPublicKey…). */
  unsupported: readonly string[]
  signedIdentity: ReferenceMatch
}

export type PolicyRequirement = { type: 'insecureAcceptAnything' } | { type: 'reject' } | { type: 'signedBaseLayer' } | SignedBy | SigstoreSigned

/** Throws a plain Error with one line. */
export function parseRequirement(value: unknown): PolicyRequirement {
  const type = isJsonObject(value) ? value.type : undefined
  switch (type) {
    case 'insecureAcceptAnything':
    case 'reject':
      exactMembers(value, ['type'])
      return { type }
    case 'signedBaseLayer':
      parseReferenceMatch(exactMembers(value, ['type', 'baseLayerIdentity']).baseLayerIdentity)
      return { type }
    case 'signedBy': return parseSignedBy(exactMembers(value, ['type', 'keyType'], ['keyPath', 'keyPaths', 'keyData', 'signedIdentity']))
    case 'sigstoreSigned': return parseSigstoreSigned(exactMembers(value, ['type'], [...keyFields, ...Object.keys(unsupportedFields), 'signedIdentity']))
    default: throw new Error(`Unknown policy requirement type ${JSON.stringify(type ?? '')}`)
  }
}

const keyTypes = ['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs']
const keyFields = ['keyPath', 'keyPaths', 'keyData', 'keyDatas']
const unsupportedFields = { fulcio: 'object', pki: 'object', rekorPublicKeyPath: 'string', rekorPublicKeyPaths: 'list', rekorPublicKeyData: 'string', rekorPublicKeyDatas: 'list' } as const

function parseSignedBy(value: Record<string, unknown>): SignedBy {
  const keyType = text(value, 'keyType')
  if (!keyTypes.includes(keyType)) throw new Error(`Unrecognized keyType value ${JSON.stringify(keyType)}`)
  const keys = parseKeys(value)
  if (keys === undefined) throw new Error('Exactly one of keyPath, keyPaths and keyData must be specified, none of them present')
  return { type: 'signedBy', keyType, keys, signedIdentity: parseSignedIdentity(value) }
}

function parseSigstoreSigned(value: Record<string, unknown>): SigstoreSigned {
  const keys = parseKeys(value)
  const sources = [keys !== undefined, 'fulcio' in value, 'pki' in value].filter(Boolean).length
  if (sources !== 1) throw new Error('exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio, and pki must be specified')
  const unsupported = Object.entries(unsupportedFields).filter(([field]) => Object.hasOwn(value, field))
  for (const [field, kind] of unsupported) {
    if (kind === 'string') text(value, field)
    else if (kind === 'list') texts(value, field)
    else if (!isJsonObject(value[field])) throw new Error(`${field} must be an object`)
  }
  const rekor = unsupported.filter(([field]) => field.startsWith('rekor'))
  if (rekor.length > 1) throw new Error('at most one of rekorPublickeyPath, rekorPublicKeyPaths, rekorPublickeyData and rekorPublicKeyDatas can be used simultaneously')
  return { type: 'sigstoreSigned', ...(keys === undefined ? {} : { keys }), unsupported: unsupported.map(([field]) => field), signedIdentity: parseSignedIdentity(value) }
}

function parseKeys(value: Record<string, unknown>): KeySource | undefined {
  const [field, ...more] = keyFields.filter((name) => Object.hasOwn(value, name))
  if (field === undefined) return undefined
  if (more.length > 0) throw new Error(`Exactly one of ${keyFields.slice(0, -1).join(', ')} and keyDatas must be specified, more than one present`)
  if (field === 'keyPath') return { paths: [nonEmpty(text(value, field), field)] }
  if (field === 'keyData') return { data: [decodeBase64(text(value, field), field)] }
  const items = texts(value, field)
  if (items.length === 0) throw new Error(`${JSON.stringify(field)} contains no entries`)
  return field === 'keyPaths' ? { paths: items.map((item) => nonEmpty(item, field)) } : { data: items.map((item) => decodeBase64(item, field)) }
}

function parseSignedIdentity(value: Record<string, unknown>): ReferenceMatch {
  return Object.hasOwn(value, 'signedIdentity') ? parseReferenceMatch(value.signedIdentity) : { type: 'matchRepoDigestOrExact' }
}

function parseReferenceMatch(value: unknown): ReferenceMatch {
  const type = isJsonObject(value) ? value.type : undefined
  switch (type) {
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
      exactMembers(value, ['type'])
      return { type }
    case 'exactReference': return { type, reference: parseExactReference(text(exactMembers(value, ['type', 'dockerReference']), 'dockerReference')) }
    case 'exactRepository': return { type, repository: parseName(text(exactMembers(value, ['type', 'dockerRepository']), 'dockerRepository'), 'dockerRepository') }
    case 'remapIdentity': {
      const members = exactMembers(value, ['type', 'prefix', 'signedPrefix'])
      return { type, prefix: parsePrefix(text(members, 'prefix')), signedPrefix: parsePrefix(text(members, 'signedPrefix')) }
    }
    default: throw new Error(`Unknown policy reference match type ${JSON.stringify(type ?? '')}`)
  }
}

function parseExactReference(name: string): QualifiedReference {
  const reference = parseName(name, 'dockerReference')
  if (reference.tag === undefined && reference.digest === undefined) throw new Error(`dockerReference ${JSON.stringify(name)} contains neither a tag nor digest`)
  return reference
}

function parseName(name: string, field: string): QualifiedReference {
  try {
    return parseNormalizedReference(name)
  } catch (error) {
    throw new Error(`Invalid format of ${field} ${JSON.stringify(name)}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** A host, a namespace or a repository in the fully expanded form. */
function parsePrefix(prefix: string): string {
  const slash = prefix.indexOf('/')
  if (slash < 0 && isDomain(prefix)) return prefix
  if (slash > 0 && isDomain(prefix.slice(0, slash)) && isPath(prefix.slice(slash + 1))) return prefix
  throw new Error(`prefix ${JSON.stringify(prefix)} is not valid`)
}

function isPath(path: string): boolean {
  try {
    const { tag, digest } = parseNormalizedReference(`host.invalid/${path}`)
    return tag === undefined && digest === undefined
  } catch {
    return false
  }
}

function text(value: Record<string, unknown>, field: string): string {
  const item = value[field]
  if (typeof item !== 'string') throw new Error(`${field} must be a string`)
  return item
}

function texts(value: Record<string, unknown>, field: string): string[] {
  const items = value[field]
  if (!Array.isArray(items) || !items.every((item) => typeof item === 'string')) throw new Error(`${field} must be a list of strings`)
  return items
}

function nonEmpty(item: string, field: string): string {
  if (item === '') throw new Error(`${field} is empty`)
  return item
}

function decodeBase64(item: string, field: string): Uint8Array {
  const compact = item.replace(/[\r\n]/g, '')
  if (compact === '' || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(compact)) throw new Error(`${field} is not base64`)
  return Buffer.from(compact, 'base64')
}

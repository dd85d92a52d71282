/**
 * Docker's manifests of schema version 1 (distribution's manifest-v2-1): a list of layers, top first, each with the JSON
 * of an image of docker 1.x; signed by a key that nobody checks (JWS). Deprecated, yet registries still have some.
 */
import { TpodError } from '../errors/tpod-error.ts'
import { digestOf, parseDigest } from './digest.ts'
import { encodeGoJson } from './go-json.ts'
import { isObject, maxManifestBytes } from './image-types.ts'

export interface Schema1Manifest {
  kind: 'schema1'
  name: string
  tag: string
  architecture: string
  isSigned: boolean
  /** Bottom first, as many as `history`; empty layers included. */
  layers: Schema1Layer[]
}

export interface Schema1Layer {
  digest: string
  /** Text of the v1Compatibility object. */
  v1: string
  id: string
  parent: string
  /** It changes no file: docker's fourth kind of nothing, an empty tar. */
  isEmpty: boolean
  created: string | undefined
  author: string
  comment: string
  command: string[]
}

type JsonObject = Record<string, unknown>
const maxLayers = 1000

/** True for a document with schemaVersion 1, or one that its source calls so. Throws nothing. */
export function isSchema1(bytes: Uint8Array): boolean {
  return parseObject(bytes)?.schemaVersion === 1
}

/**
 * Digest by which a manifest is known: of its bytes, except that a signed schema 1 manifest has the digest of what was
 * signed. Throws BAD_MANIFEST where the signature's description of that doesn't fit the document.
 */
export function manifestDigest(bytes: Uint8Array): string {
  if (bytes.length > maxManifestBytes) return digestOf(bytes)
  const json = looksLikeSchema1(bytes) ? parseObject(bytes) : undefined
  if (json?.schemaVersion !== 1 || json.signatures === undefined || json.signatures === null) return digestOf(bytes)
  return digestOf(signedPayload(bytes, json))
}

/** Spares other manifests a second parse. */
function looksLikeSchema1(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('"signatures"')
}

/**
 * What the JWS of a signed manifest covers: the document as it was before signatures were put into it. Beside them the
 * document must say the same: else it would be known by the digest of a manifest whose bytes it merely begins with, and
 * mean what stands behind them. Throws BAD_MANIFEST.
 */
export function signedPayload(bytes: Uint8Array, json: JsonObject | undefined = parseObject(bytes)): Uint8Array {
  const signatures = json?.signatures
  if (!Array.isArray(signatures) || signatures.length === 0 || signatures.length > 100) throw bad('no signatures')
  let length = 0
  let tail: Buffer = Buffer.alloc(0)
  for (const signature of signatures as unknown[]) {
    const header = isObject(signature) && typeof signature.protected === 'string' ? parseObject(Buffer.from(signature.protected, 'base64url')) : undefined
    const { formatLength, formatTail } = header ?? {}
    if (typeof formatLength !== 'number' || !Number.isSafeInteger(formatLength) || formatLength <= 0 || typeof formatTail !== 'string') throw bad('a signature without format')
    const ownTail = Buffer.from(formatTail, 'base64url')
    if (length !== 0 && (length !== formatLength || !ownTail.equals(tail))) throw bad('signatures that contradict each other')
    length = formatLength
    tail = ownTail
  }
  if (length > bytes.length) throw bad('a signature for a longer document')
  const payload = Buffer.concat([bytes.subarray(0, length), tail])
  const signed = parseObject(payload)
  const { signatures: _signatures, ...rest } = json ?? {}
  if (signed === undefined || !isSame(signed, rest)) throw bad('it says something else than what is signed in it')
  return payload
}

function isSame(a: JsonObject, b: JsonObject): boolean {
  try {
    return JSON.stringify(a) === JSON.stringify(b)
  } catch {
    // Nested deeper than the stack goes.
    return false
  }
}

/** Throws BAD_MANIFEST and BAD_DIGEST. Repeated entries of one id are dropped, as docker and containers/image do. */
export function parseSchema1(bytes: Uint8Array, what: string): Schema1Manifest {
  const json = parseObject(bytes)
  if (json?.schemaVersion !== 1) throw bad('it is not of schema version 1', what)
  const isSigned = json.signatures !== undefined && json.signatures !== null
  if (isSigned) signedPayload(bytes, json)
  for (const field of ['config', 'layers', 'manifests']) {
    if (json[field] !== undefined && json[field] !== null) throw bad(`it is of schema version 1 and has "${field}" (CVE-2021-41190)`, what)
  }
  const { fsLayers, history } = json
  if (!Array.isArray(fsLayers) || !Array.isArray(history) || fsLayers.length !== history.length) throw bad('length of history not equal to number of layers', what)
  if (fsLayers.length === 0) throw bad('no FSLayers in manifest', what)
  if (fsLayers.length > maxLayers) throw bad(`more than ${maxLayers} layers`, what)
  const topFirst = fsLayers.map((layer: unknown, index) => parseLayer(layer, (history as unknown[])[index], `${what}: fsLayers[${index}]`))
  return { kind: 'schema1', name: text(json.name), tag: text(json.tag), architecture: text(json.architecture), isSigned, layers: withoutRepetitions(topFirst, what).toReversed() }
}

function parseLayer(layer: unknown, entry: unknown, what: string): Schema1Layer {
  const v1 = isObject(entry) && typeof entry.v1Compatibility === 'string' ? entry.v1Compatibility : ''
  const image = parseObject(Buffer.from(v1))
  if (!isObject(layer) || image === undefined) throw bad('a layer without v1Compatibility', what)
  const id = text(image.id)
  if (!/^[0-9a-f]{64}$/.test(id)) throw bad(`image ID ${JSON.stringify(id.slice(0, 100))} is invalid`, what)
  const command = isObject(image.container_config) && Array.isArray(image.container_config.Cmd) ? image.container_config.Cmd.filter((word) => typeof word === 'string') : []
  return {
    digest: parseDigest(layer.blobSum, what), v1, id, parent: text(image.parent), isEmpty: image.throwaway === true,
    created: typeof image.created === 'string' ? image.created : undefined, author: text(image.author), comment: text(image.comment), command,
  }
}

function withoutRepetitions(topFirst: readonly Schema1Layer[], what: string): Schema1Layer[] {
  if (topFirst.at(-1)!.parent !== '') throw bad('Invalid parent ID in the base layer of the image', what)
  const kept: Schema1Layer[] = []
  const seen = new Set<string>()
  for (const layer of topFirst.toReversed()) {
    const below = kept.at(-1)
    if (below?.id === layer.id) continue
    if (seen.has(layer.id)) throw bad(`ID ${layer.id} appears multiple times in manifest`, what)
    if (below !== undefined && layer.parent !== below.id) throw bad(`Invalid parent ID. Expected ${below.id}, got ${layer.parent}`, what)
    seen.add(layer.id)
    kept.push(layer)
  }
  return kept.toReversed()
}

/**
 * The document, signed by a key made for this once: distribution's registries ask for a signature, nobody checks whose.
 * Its digest (manifestDigest) depends on `manifest` alone.
 */
export async function writeSchema1(manifest: Omit<Schema1Manifest, 'kind' | 'isSigned' | 'layers'> & { layers: readonly { digest: string; v1: string }[] }): Promise<Uint8Array> {
  const topFirst = manifest.layers.toReversed()
  const payload = Buffer.from(encodeGoJson({
    name: manifest.name, tag: manifest.tag, architecture: manifest.architecture,
    fsLayers: topFirst.map(({ digest }) => ({ blobSum: digest })),
    history: topFirst.map(({ v1 }) => ({ v1Compatibility: v1 })),
    schemaVersion: 1,
  }))
  const { createHash, generateKeyPairSync, sign } = await import('node:crypto')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string; y: string }
  // libtrust's name of a key: its digest, as 12 groups of base32.
  const kid = base32(createHash('sha256').update(publicKey.export({ format: 'der', type: 'spki' })).digest().subarray(0, 30)).replaceAll(/.{4}(?=.)/g, '$&:')
  const format = { formatLength: payload.length - 1, formatTail: Buffer.from('}').toString('base64url'), time: new Date().toISOString().replace(/\.\d+Z$/, 'Z') }
  const protectedHeader = Buffer.from(JSON.stringify(format)).toString('base64url')
  const signature = sign('sha256', Buffer.from(`${protectedHeader}.${payload.toString('base64url')}`), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const block = { header: { jwk: { crv: 'P-256', kid, kty: 'EC', x, y }, alg: 'ES256' }, signature: signature.toString('base64url'), protected: protectedHeader }
  return Buffer.concat([payload.subarray(0, -1), Buffer.from(`,"signatures":${JSON.stringify([block])}}`)])
}

function base32(bytes: Uint8Array): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return bits.replaceAll(/.{5}/g, (group) => alphabet[Number.parseInt(group, 2)]!)
}

function parseObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function bad(why: string, what = 'a schema 1 image'): TpodError {
  return new TpodError('BAD_MANIFEST', `read manifest of ${what}: ${why}`)
}

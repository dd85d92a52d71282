/**
 * Manifest lists (docker) and image indexes (OCI) as one document: what either format can say of its entries is kept, and
 * the format is chosen when it is written. Keys stand in the order in which Go's types have them, so that a list that podman
 * or buildah rewrites without a change keeps its digest.
 */
import { TpodError } from '../../errors/tpod-error.ts'
import { parseDigest } from '../../oci/digest.ts'
import { maxManifestBytes } from '../../oci/image-types.ts'
import { dockerList, ociIndex } from '../../oci/media-types.ts'
import { isJsonObject } from '../../text/strict-json.ts'

export interface EntryPlatform {
  architecture: string
  os: string
  'os.version'?: string
  'os.features'?: string[]
  variant?: string
}

export interface ListEntry {
  mediaType: string
  digest: string
  size: number
  urls?: string[]
  annotations?: Record<string, string>
  platform: EntryPlatform
  /** CPU features: docker's format alone has them. */
  features?: string[]
  artifactType?: string
}

export interface ListDocument {
  entries: ListEntry[]
  annotations?: Record<string, string>
  artifactType?: string
  /** The manifest that the index refers to, as a descriptor. */
  subject?: Record<string, unknown>
}

export type ListFormat = 'oci' | 'docker'

const maxEntries = 10_000

/** Throws NOT_A_MANIFEST_LIST for other documents, BAD_MANIFEST and BAD_DIGEST for malformed ones. `what` names it in errors. */
export function parseListDocument(bytes: Uint8Array, what: string): ListDocument {
  if (bytes.length > maxManifestBytes) throw bad(what, `larger than ${maxManifestBytes} bytes`)
  const json = parseObject(bytes, what)
  const isList = json['mediaType'] === dockerList || json['mediaType'] === ociIndex || (json['mediaType'] === undefined && Array.isArray(json['manifests']))
  if (!isList || json['config'] !== undefined || json['layers'] !== undefined) throw notAList(what)
  // Go writes a list without entries as null.
  const manifests = json['manifests'] ?? []
  if (!Array.isArray(manifests) || manifests.length > maxEntries) throw bad(what, 'its "manifests" is no list, or too long')
  return {
    entries: manifests.map((entry: unknown, index) => parseEntry(entry, `${what}: manifests[${index}]`)),
    ...optional('annotations', textMap(json['annotations'])),
    ...optional('artifactType', textOf(json['artifactType'])),
    ...optional('subject', isJsonObject(json['subject']) ? json['subject'] : undefined),
  }
}

export function notAList(what: string): TpodError {
  return new TpodError('NOT_A_MANIFEST_LIST', `${what}: image is not a manifest list`)
}

/** The format that keeps all that the document says; OCI where both do. A list without entries is docker's, as podman makes it. */
export function preferredFormat(list: ListDocument): ListFormat {
  const isOciOnly = list.annotations !== undefined || list.artifactType !== undefined || list.subject !== undefined
  if (isOciOnly || list.entries.some(({ urls, annotations, artifactType }) => urls !== undefined || hasKeys(annotations) || artifactType !== undefined)) return 'oci'
  if (list.entries.some(({ features }) => features !== undefined && features.length > 0)) return 'docker'
  return list.entries.length > 0 ? 'oci' : 'docker'
}

/** The bytes to store or to push. */
export function serializeList(list: ListDocument, format: ListFormat = preferredFormat(list)): Uint8Array {
  return Buffer.from(JSON.stringify(format === 'oci' ? toIndex(list) : toDockerList(list)))
}

/** What `manifest inspect` shows: docker's form with OCI's annotations. */
export function inspectedList(list: ListDocument): Record<string, unknown> {
  const { manifests, ...head } = toDockerList(list) as { manifests: Record<string, unknown>[] | null }
  const withAnnotations = manifests?.map((entry, index) => ({ ...entry, ...optional('annotations', nonEmpty(list.entries[index]?.annotations)) })) ?? null
  return { ...head, manifests: withAnnotations, ...optional('annotations', nonEmpty(list.annotations)), ...optional('subject', list.subject) }
}

function toIndex(list: ListDocument): Record<string, unknown> {
  return {
    schemaVersion: 2,
    mediaType: ociIndex,
    ...optional('artifactType', list.artifactType),
    manifests: list.entries.length === 0 ? null : list.entries.map((entry) => ({
      mediaType: entry.mediaType, digest: entry.digest, size: entry.size,
      ...optional('urls', entry.urls),
      ...optional('annotations', nonEmpty(entry.annotations)),
      platform: platformOf(entry.platform),
      ...optional('artifactType', entry.artifactType),
    })),
    ...optional('subject', list.subject),
    ...optional('annotations', nonEmpty(list.annotations)),
  }
}

function toDockerList(list: ListDocument): Record<string, unknown> {
  return {
    schemaVersion: 2,
    mediaType: dockerList,
    manifests: list.entries.length === 0 ? null : list.entries.map((entry) => ({
      mediaType: entry.mediaType, size: entry.size, digest: entry.digest,
      ...optional('urls', entry.urls),
      platform: { ...platformOf(entry.platform), ...optional('features', entry.features) },
    })),
  }
}

function platformOf(platform: EntryPlatform): EntryPlatform {
  return {
    architecture: platform.architecture, os: platform.os,
    ...optional('os.version', platform['os.version']),
    ...optional('os.features', platform['os.features']),
    ...optional('variant', platform.variant),
  }
}

function parseEntry(value: unknown, what: string): ListEntry {
  if (!isJsonObject(value)) throw bad(what, 'it is not an object')
  const size = value['size']
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw bad(what, `invalid size ${JSON.stringify(size)}`)
  const platform = isJsonObject(value['platform']) ? value['platform'] : {}
  return {
    mediaType: textOf(value['mediaType']) ?? '',
    digest: parseDigest(value['digest'], what),
    size,
    ...optional('urls', textList(value['urls'])),
    ...optional('annotations', textMap(value['annotations'])),
    platform: {
      architecture: textOf(platform['architecture']) ?? '', os: textOf(platform['os']) ?? '',
      ...optional('os.version', textOf(platform['os.version'])),
      ...optional('os.features', textList(platform['os.features'])),
      ...optional('variant', textOf(platform['variant'])),
    },
    ...optional('features', textList(platform['features'])),
    ...optional('artifactType', textOf(value['artifactType'])),
  }
}

function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new TpodError('BAD_MANIFEST', `read manifest list ${what}: not valid JSON`, { cause })
  }
  if (!isJsonObject(value)) throw bad(what, 'not a JSON object')
  return value
}

function optional<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  return (value === undefined || value === '' || (Array.isArray(value) && value.length === 0) ? {} : { [key]: value }) as { [key in K]?: V }
}

/** Go writes maps sorted by key. */
function nonEmpty(map: Record<string, string> | undefined): Record<string, string> | undefined {
  return hasKeys(map) ? Object.fromEntries(Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1))) : undefined
}

function hasKeys(map: Record<string, string> | undefined): map is Record<string, string> {
  return map !== undefined && Object.keys(map).length > 0
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function textList(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string') ? value : undefined
}

function textMap(value: unknown): Record<string, string> | undefined {
  if (!isJsonObject(value)) return undefined
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function bad(what: string, why: string): TpodError {
  return new TpodError('BAD_MANIFEST', `read manifest list ${what}: ${why}`)
}

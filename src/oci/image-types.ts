/**
 * Manifest, index and config of an image (OCI image-spec 1.1; docker schema 2 has the same shape). The parsers check
 * what a hostile registry could abuse: digest syntax, sizes, counts, and documents that are two kinds at once.
 */
import { TpodError } from '../errors/tpod-error.ts'
import { parseDigest } from './digest.ts'
import { dockerManifest, isIndexMediaType, isManifestMediaType, isSchema1MediaType, ociIndex, ociManifest } from './media-types.ts'

export interface Platform {
  os: string
  architecture: string
  variant?: string
  'os.version'?: string
  'os.features'?: string[]
}

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  urls?: string[]
  annotations?: Record<string, string>
  platform?: Platform
  artifactType?: string
}

export interface ImageManifest {
  kind: 'manifest'
  mediaType: string
  config: Descriptor
  layers: Descriptor[]
  annotations?: Record<string, string>
}

export interface ImageIndex {
  kind: 'index'
  mediaType: string
  manifests: Descriptor[]
  annotations?: Record<string, string>
}

export interface HistoryEntry {
  created?: string
  created_by?: string
  author?: string
  comment?: string
  empty_layer?: boolean
}

export interface HealthCheckConfig {
  Test?: string[]
  Interval?: number
  Timeout?: number
  StartPeriod?: number
  StartInterval?: number
  Retries?: number
}

/** `config` of an image config: what a container starts with. */
export interface ContainerConfig {
  User?: string
  ExposedPorts?: Record<string, object>
  Env?: string[]
  Entrypoint?: string[]
  Cmd?: string[]
  Volumes?: Record<string, object>
  WorkingDir?: string
  Labels?: Record<string, string>
  StopSignal?: string
  Shell?: string[]
  OnBuild?: string[]
  Healthcheck?: HealthCheckConfig
  ArgsEscaped?: boolean
}

export interface ImageConfig {
  created?: string
  author?: string
  architecture: string
  os: string
  variant?: string
  config?: ContainerConfig
  rootfs: { type: string; diff_ids: string[] }
  history?: HistoryEntry[]
  docker_version?: string
  comment?: string
  container_config?: { Healthcheck?: HealthCheckConfig }
}

/** Manifests and indexes larger than this are refused (as distribution does). */
export const maxManifestBytes = 4 * 1024 * 1024
/** Image configs larger than this are refused. */
export const maxConfigBytes = 8 * 1024 * 1024
const maxLayers = 1000
const maxInstances = 10_000

type JsonObject = Record<string, unknown>

/**
 * Parses a manifest or an index. `contentType` is what the source said it is ('' if it said nothing); `what` names the
 * image in errors. Throws BAD_MANIFEST for malformed or ambiguous documents (CVE-2021-41190: one that is both a manifest
 * and an index, or whose mediaType contradicts the source) and UNSUPPORTED_MANIFEST for docker schema 1.
 */
export function parseManifest(bytes: Uint8Array, contentType: string, what: string): ImageManifest | ImageIndex {
  const json = parseJsonObject(bytes, `manifest of ${what}`)
  const said = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  if (isSchema1MediaType(said) || json.schemaVersion === 1) {
    throw new TpodError('UNSUPPORTED_MANIFEST', `read manifest of ${what}: docker schema 1 images are not supported`, {
      remedy: 'push the image again with a current tool',
    })
  }
  if (json.schemaVersion !== 2) throw badManifest(what, `schemaVersion is ${JSON.stringify(json.schemaVersion)}, not 2`)
  const mediaType = manifestMediaType(json, said, what)
  const hasIndexFields = json.manifests !== undefined
  const hasManifestFields = json.layers !== undefined || json.config !== undefined || json.fsLayers !== undefined || json.history !== undefined
  if (hasIndexFields && hasManifestFields) throw badManifest(what, 'it is an index and an image manifest at once (CVE-2021-41190)')
  return isIndexMediaType(mediaType) ? parseIndex(json, mediaType, what) : parseImageManifest(json, mediaType, what)
}

/** Parses an image config; `diff_ids` and what a container starts with are checked. Throws BAD_CONFIG. */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  const json = parseJsonObject(bytes, `config of ${what}`)
  const rootfs = json.rootfs
  if (!isObject(rootfs) || !(Array.isArray(rootfs.diff_ids) || rootfs.diff_ids === null)) {
    throw new TpodError('BAD_CONFIG', `read config of ${what}: no rootfs.diff_ids: not a container image`)
  }
  // Go marshals an empty list as null.
  const diffIds = ((rootfs.diff_ids ?? []) as unknown[]).map((id, index) => parseDigest(id, `config of ${what}: diff_ids[${index}]`))
  const config = { ...json, rootfs: { type: 'layers', diff_ids: diffIds } } as unknown as ImageConfig
  if (json.config !== undefined && json.config !== null && !isObject(json.config)) throw new TpodError('BAD_CONFIG', `read config of ${what}: "config" is not an object`)
  if (isObject(json.config)) checkContainerConfig(json.config, what)
  if (typeof config.architecture !== 'string') config.architecture = ''
  if (typeof config.os !== 'string') config.os = ''
  return config
}

const textFields = ['User', 'WorkingDir', 'StopSignal']
const listFields = ['Env', 'Entrypoint', 'Cmd']
const mapFields = ['Labels', 'Volumes', 'ExposedPorts']

/** Go's decoder refuses other types than these, so whoever reads the config may rely on them; null is Go's empty. */
function checkContainerConfig(config: JsonObject, what: string): void {
  const isText = (value: unknown): boolean => typeof value === 'string' && !value.includes('\0')
  const checks: [names: readonly string[], isRight: (value: unknown, name: string) => boolean][] = [
    [textFields, isText],
    [listFields, (value) => Array.isArray(value) && value.every(isText)],
    [mapFields, (value, name) => isObject(value) && Object.entries(value).every(([key, item]) => isText(key) && (name !== 'Labels' || typeof item === 'string'))],
  ]
  for (const [names, isRight] of checks) {
    const wrong = names.find((name) => config[name] !== undefined && config[name] !== null && !isRight(config[name], name))
    if (wrong !== undefined) throw new TpodError('BAD_CONFIG', `read config of ${what}: config.${wrong} is malformed`)
  }
}

function manifestMediaType(json: JsonObject, said: string, what: string): string {
  const own = typeof json.mediaType === 'string' ? json.mediaType : ''
  if (own !== '' && !isKnown(own)) throw badManifest(what, `unsupported media type ${JSON.stringify(own)}`)
  if (isKnown(said)) {
    if (own !== '' && own !== said) throw badManifest(what, `it says ${own}, its source says ${said}`)
    return said
  }
  if (own !== '') return own
  if (Array.isArray(json.manifests)) return ociIndex
  if (isObject(json.config)) return json.config.mediaType === 'application/vnd.docker.container.image.v1+json' ? dockerManifest : ociManifest
  throw badManifest(what, `unsupported media type ${JSON.stringify(said)}`)
}

function isKnown(type: string): boolean {
  return isManifestMediaType(type) || isIndexMediaType(type)
}

function parseIndex(json: JsonObject, mediaType: string, what: string): ImageIndex {
  // Go writes an empty list as null: what `podman manifest create` leaves.
  const entries = json.manifests === null ? [] : json.manifests
  if (!Array.isArray(entries)) throw badManifest(what, 'no "manifests"')
  if (entries.length > maxInstances) throw badManifest(what, `more than ${maxInstances} manifests`)
  const manifests = entries.map((entry: unknown, index) => parseDescriptor(entry, `${what}: manifests[${index}]`))
  return { kind: 'index', mediaType, manifests, ...annotationsOf(json) }
}

function parseImageManifest(json: JsonObject, mediaType: string, what: string): ImageManifest {
  if (!isObject(json.config)) throw badManifest(what, 'no "config"')
  if (!Array.isArray(json.layers) && json.layers !== null) throw badManifest(what, 'no "layers"')
  const layers = (json.layers ?? []) as unknown[]
  if (layers.length > maxLayers) throw badManifest(what, `more than ${maxLayers} layers`)
  return {
    kind: 'manifest',
    mediaType,
    config: parseDescriptor(json.config, `${what}: config`),
    layers: layers.map((entry, index) => parseDescriptor(entry, `${what}: layers[${index}]`)),
    ...annotationsOf(json),
  }
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw badManifest(what, 'a descriptor is not an object')
  const size = value.size
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw badManifest(what, `invalid size ${JSON.stringify(size)}`)
  const descriptor = { ...value, mediaType: typeof value.mediaType === 'string' ? value.mediaType : '', digest: parseDigest(value.digest, what), size } as Descriptor
  if (!isObject(value.platform)) delete descriptor.platform
  return descriptor
}

function annotationsOf(json: JsonObject): { annotations?: Record<string, string> } {
  return isObject(json.annotations) ? { annotations: json.annotations as Record<string, string> } : {}
}

/** Throws BAD_MANIFEST. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new TpodError('BAD_MANIFEST', `read ${what}: not valid JSON`, { cause })
  }
  if (!isObject(value)) throw new TpodError('BAD_MANIFEST', `read ${what}: not a JSON object`)
  return value
}

/** `text/strict-json.ts` has the same for the layers above: oci and text do not import each other. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function badManifest(what: string, why: string): TpodError {
  return new TpodError('BAD_MANIFEST', `read manifest of ${what}: ${why}`)
}


/** Image configs between docker's and OCI's form, and out of the history of a schema 1 manifest. */
import { TpodError } from '../../errors/tpod-error.ts'
import { encodeGoJson, formatGoTime, RawJson, sortedMap, splitJsonObject, zeroGoTime } from '../../oci/go-json.ts'
import type { Schema1Manifest } from '../../oci/schema1.ts'
import { isJsonObject } from '../../text/strict-json.ts'

type JsonObject = Record<string, unknown>
type Kind = 'text' | 'texts' | 'map' | 'set' | 'time' | 'boolean' | 'number' | JsonShape
interface JsonShape { readonly [name: string]: readonly [kind: Kind, empty: 'kept' | 'dropped'] }

const dropped = (kind: Kind): readonly [Kind, 'dropped'] => [kind, 'dropped']
const kept = (kind: Kind): readonly [Kind, 'kept'] => [kind, 'kept']

/** image-spec's config, in the order in which its Go type writes it. */
const ociShape: JsonShape = {
  created: dropped('time'), author: dropped('text'), architecture: kept('text'), variant: dropped('text'), os: kept('text'),
  'os.version': dropped('text'), 'os.features': dropped('texts'),
  config: kept({
    User: dropped('text'), ExposedPorts: dropped('set'), Env: dropped('texts'), Entrypoint: dropped('texts'), Cmd: dropped('texts'),
    Volumes: dropped('set'), WorkingDir: dropped('text'), Labels: dropped('map'), StopSignal: dropped('text'),
  }),
  rootfs: kept({ type: kept('text'), diff_ids: kept('texts') }),
}
const ociHistoryShape: JsonShape = {
  created: dropped('time'), created_by: dropped('text'), author: dropped('text'), comment: dropped('text'), empty_layer: dropped('boolean'),
}

/**
 * OCI's form of a docker config: what image-spec knows of it, written as containers/image writes it (the id of the image
 * changes, to the one that skopeo gives it). Throws BAD_CONFIG for members of other types than Go's decoder takes.
 */
export function dockerConfigToOci(bytes: Uint8Array, what: string): Uint8Array {
  const json = parseConfig(bytes, what)
  const config = shape(json, ociShape, what)
  const history = member(json, 'history')
  if (Array.isArray(history) && history.length > 0) config.history = history.map((entry: unknown) => shape(isJsonObject(entry) ? entry : {}, ociHistoryShape, what))
  return Buffer.from(encodeGoJson(config))
}

const zeros: Readonly<Record<string, unknown>> = { text: '', boolean: false, time: zeroGoTime }

function shape(json: JsonObject, shapes: JsonShape, what: string): JsonObject {
  const result: JsonObject = {}
  for (const [name, [kind, empty]] of Object.entries(shapes)) {
    const value = member(json, name)
    const converted = value === undefined || value === null ? undefined : convert(value, kind, `${what}: ${name}`)
    if (converted !== undefined && !(empty === 'dropped' && isEmpty(converted))) result[name] = converted
    else if (empty === 'kept') result[name] = typeof kind === 'object' ? shape({}, kind, what) : (zeros[kind] ?? null)
  }
  return result
}

function convert(value: unknown, kind: Kind, what: string): unknown {
  if (typeof kind === 'object') {
    if (isJsonObject(value)) return shape(value, kind, what)
  } else if (kind === 'text') {
    if (typeof value === 'string') return value
  } else if (kind === 'boolean') {
    if (typeof value === 'boolean') return value
  } else if (kind === 'number') {
    if (Number.isSafeInteger(value)) return value
  } else if (kind === 'texts') {
    if (Array.isArray(value)) return value.map((item: unknown) => (typeof item === 'string' ? item : item === null ? '' : fail(what)))
  } else if (kind === 'time') {
    const time = typeof value === 'string' ? formatGoTime(value) : undefined
    if (time !== undefined) return time
  } else if (isJsonObject(value)) {
    return sortedMap(Object.entries(value).map(([key, item]): [string, unknown] => [key, kind === 'set' ? {} : typeof item === 'string' ? item : item === null ? '' : fail(what)]))
  }
  return fail(what)
}

function fail(what: string): never {
  throw new TpodError('BAD_CONFIG', `convert config of ${what}: malformed`)
}

function isEmpty(value: unknown): boolean {
  return value === '' || value === false || value === 0 || (Array.isArray(value) && value.length === 0) || (value instanceof Map && value.size === 0)
}

/** Go finds members in any case, the exact one first. */
function member(json: JsonObject, name: string): unknown {
  if (json[name] !== undefined) return json[name]
  const lower = name.toLowerCase()
  const key = Object.keys(json).findLast((candidate) => candidate.toLowerCase() === lower)
  return key === undefined ? undefined : json[key]
}

/** docker's container config as Go writes it. */
const dockerContainerShape: JsonShape = {
  Hostname: kept('text'), Domainname: kept('text'), User: kept('text'), AttachStdin: kept('boolean'), AttachStdout: kept('boolean'), AttachStderr: kept('boolean'),
  ExposedPorts: dropped('set'), Tty: kept('boolean'), OpenStdin: kept('boolean'), StdinOnce: kept('boolean'), Env: kept('texts'), Cmd: kept('texts'),
  ArgsEscaped: dropped('boolean'), Image: kept('text'), Volumes: kept('set'), WorkingDir: kept('text'), Entrypoint: kept('texts'), NetworkDisabled: dropped('boolean'),
  MacAddress: dropped('text'), OnBuild: kept('texts'), Labels: kept('map'), StopSignal: dropped('text'), Shell: dropped('texts'),
}
/** A docker 1.x image. */
const dockerImageShape: JsonShape = {
  comment: dropped('text'), created: kept('time'), container: dropped('text'), container_config: kept(dockerContainerShape), docker_version: dropped('text'), author: dropped('text'),
  architecture: dropped('text'), variant: dropped('text'), os: dropped('text'),
}

/** Before 1.8.3 docker left out members that later ones always write, and with them computed ids: they are put in. */
function completeOldImage(v1: string, what: string): string {
  const json = parseConfig(Buffer.from(v1), what)
  const version = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(typeof json.docker_version === 'string' ? json.docker_version : '')
  if (version === null) return v1
  const [major = 0, minor = 0, patch = 0] = version.slice(1).map((part) => Number(part ?? 0))
  if (major > 1 || (major === 1 && (minor > 8 || (minor === 8 && patch >= 3)))) return v1
  const config = member(json, 'config')
  return encodeGoJson({ ...shape(json, dockerImageShape, what), ...(isJsonObject(config) ? { config: shape(config, dockerContainerShape, what) } : {}) })
}

/** Members of a docker 1.x image that a schema 2 config must not have. */
const schema1Only = ['id', 'parent', 'parent_id', 'layer_id', 'throwaway', 'Size']

/** The config of a schema 1 image, as docker's pull and containers/image make it. `diffIds`: of the layers that aren't empty. */
export function configFromSchema1(manifest: Schema1Manifest, diffIds: readonly string[], what: string): Uint8Array {
  const top = manifest.layers.at(-1)!
  const members = splitJsonObject(completeOldImage(top.v1, what))
  for (const name of schema1Only) members.delete(name)
  const history = manifest.layers.map(({ created, command, author, comment, isEmpty: empty }) => ({
    created: created === undefined ? zeroGoTime : (formatGoTime(created) ?? fail(`${what}: created`)),
    author: author || undefined,
    created_by: command.join(' ') || undefined,
    comment: comment || undefined,
    empty_layer: empty || undefined,
  }))
  members.set('rootfs', new RawJson(encodeGoJson({ type: 'layers', diff_ids: diffIds.length === 0 ? undefined : diffIds })))
  members.set('history', new RawJson(encodeGoJson(history)))
  return Buffer.from(encodeGoJson(sortedMap(members)))
}

export function parseConfig(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new TpodError('BAD_CONFIG', `read config of ${what}: not valid JSON`, { cause })
  }
  if (!isJsonObject(value)) throw new TpodError('BAD_CONFIG', `read config of ${what}: not a JSON object`)
  return value
}

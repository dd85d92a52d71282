/** Image configs between docker's and OCI's form, and out of the history of a schema 1 manifest. */
import { TpodError } from '../../errors/tpod-error.ts'
import { encodeGoJson, formatGoTime, RawJson, sortedMap, splitJsonObject, zeroGoTime } from '../../oci/go-json.ts'
import type { Schema1Manifest } from '../../oci/schema1.ts'

type JsonObject = Record<string, unknown>
type Kind = 'text' | 'texts' | 'map' | 'set' | 'time' | 'true' | JsonShape
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
  created: dropped('time'), created_by: dropped('text'), author: dropped('text'), comment: dropped('text'), empty_layer: dropped('true'),
}

/**
 * OCI's form of a docker config: what image-spec knows of it, written as containers/image writes it (the id of the image
 * changes, to the one that skopeo gives it). Throws BAD_CONFIG for members of other types than Go's decoder takes.
 */
export function dockerConfigToOci(bytes: Uint8Array, what: string): Uint8Array {
  const json = parseConfig(bytes, what)
  const config = shape(json, ociShape, what)
  const history = member(json, 'history')
  if (Array.isArray(history) && history.length > 0) config.history = history.map((entry: unknown) => shape(isObject(entry) ? entry : {}, ociHistoryShape, what))
  return Buffer.from(encodeGoJson(config))
}

function shape(json: JsonObject, shapes: JsonShape, what: string): JsonObject {
  const result: JsonObject = {}
  for (const [name, [kind, empty]] of Object.entries(shapes)) {
    const value = member(json, name)
    const converted = value === undefined || value === null ? undefined : convert(value, kind, `${what}: ${name}`)
    if (converted !== undefined && !(empty === 'dropped' && isEmpty(converted))) result[name] = converted
    else if (empty === 'kept') result[name] = typeof kind === 'object' ? shape({}, kind, what) : kind === 'text' ? '' : null
  }
  return result
}

function convert(value: unknown, kind: Kind, what: string): unknown {
  if (typeof kind === 'object') {
    if (isObject(value)) return shape(value, kind, what)
  } else if (kind === 'text') {
    if (typeof value === 'string') return value
  } else if (kind === 'true') {
    if (typeof value === 'boolean') return value
  } else if (kind === 'texts') {
    if (Array.isArray(value)) return value.map((item: unknown) => (typeof item === 'string' ? item : item === null ? '' : fail(what)))
  } else if (kind === 'time') {
    const time = typeof value === 'string' ? formatGoTime(value) : undefined
    if (time !== undefined) return time
  } else if (isObject(value)) {
    return sortedMap(Object.entries(value).map(([key, item]): [string, unknown] => [key, kind === 'set' ? {} : typeof item === 'string' ? item : item === null ? '' : fail(what)]))
  }
  return fail(what)
}

function fail(what: string): never {
  throw new TpodError('BAD_CONFIG', `convert config of ${what}: malformed`)
}

function isEmpty(value: unknown): boolean {
  return value === '' || value === false || (Array.isArray(value) && value.length === 0) || (value instanceof Map && value.size === 0)
}

/** Go finds members in any case, the exact one first. */
function member(json: JsonObject, name: string): unknown {
  if (json[name] !== undefined) return json[name]
  const lower = name.toLowerCase()
  const key = Object.keys(json).findLast((candidate) => candidate.toLowerCase() === lower)
  return key === undefined ? undefined : json[key]
}

/** Members of a docker 1.x image that a schema 2 config must not have. */
const schema1Only = ['id', 'parent', 'parent_id', 'layer_id', 'throwaway', 'Size']

/** The config of a schema 1 image, as docker's pull and containers/image make it. `diffIds`: of the layers that aren't empty. */
export function configFromSchema1(manifest: Schema1Manifest, diffIds: readonly string[], what: string): Uint8Array {
  const top = manifest.layers.at(-1)!
  const members = splitJsonObject(top.v1)
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
  if (!isObject(value)) throw new TpodError('BAD_CONFIG', `read config of ${what}: not a JSON object`)
  return value
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** podman's `ps --filter`. Values of one key are alternatives, except label (all must hold); different keys must all hold. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { Engine } from '../engine.ts'
import type { ContainerRow } from './list-containers.ts'

export interface CompiledFilters {
  /** A filter on the status asks for what does not run, too. */
  impliesAll: boolean
  matches(row: ContainerRow): boolean
}

type Test = (row: ContainerRow) => boolean

/** Throws BAD_FILTER naming the filter. `rows` are all candidates: before= and since= name one of them. */
export async function compileFilters(engine: Engine, filters: readonly string[], rows: readonly ContainerRow[]): Promise<CompiledFilters> {
  const byKey = new Map<string, Test[]>()
  let impliesAll = false
  for (const filter of filters) {
    const equals = filter.indexOf('=')
    if (equals <= 0) throw badFilter(filter, 'filters have the form key=value')
    const key = filter.slice(0, equals)
    impliesAll ||= key === 'status' || key === 'exited'
    const test = await compileOne(engine, key, filter.slice(equals + 1), rows)
    byKey.set(key, [...(byKey.get(key) ?? []), test])
  }
  const groups = [...byKey.entries()]
  return {
    impliesAll,
    matches: (row) => groups.every(([key, tests]) => (isConjunctive(key) ? tests.every((test) => test(row)) : tests.some((test) => test(row)))),
  }
}

function isConjunctive(key: string): boolean {
  return key === 'label' || key === 'label!'
}

async function compileOne(engine: Engine, key: string, value: string, rows: readonly ContainerRow[]): Promise<Test> {
  switch (key) {
    case 'id': return idTest(value)
    case 'name': return nameTest(value)
    case 'label': return labelTest(value)
    case 'label!': { const test = labelTest(value); return (row) => !test(row) }
    case 'status': return statusTest(value)
    case 'exited': return exitedTest(value)
    case 'ancestor': return ancestorTest(engine, value)
    case 'before': { const limit = findRow(rows, value, key).created; return (row) => row.created < limit }
    case 'since': { const limit = findRow(rows, value, key).created; return (row) => row.created > limit }
    case 'until': return untilTest(value)
    case 'volume': return volumeTest(value)
    case 'network': return (row) => row.networks.includes(value) || row.networkMode === value
    case 'restart-policy': return restartPolicyTest(value)
    case 'pod': return () => false
    case 'health': return () => value === 'none'
    default: throw badFilter(`${key}=${value}`, `${key} is an invalid filter`)
  }
}

/** Ours are never restarted by a policy: 'none' where none was asked for, 'no' where it was. */
function restartPolicyTest(value: string): Test {
  if (!['none', 'no', 'always', 'on-failure', 'unless-stopped'].includes(value)) throw new TpodError('BAD_FILTER', `${value} invalid restart policy`)
  return () => value === 'none' || value === 'no'
}

function idTest(value: string): Test {
  const pattern = expression('id', value)
  return (row) => row.id.startsWith(value.toLowerCase()) || pattern.test(row.id)
}

function nameTest(value: string): Test {
  const pattern = expression('name', value)
  return (row) => pattern.test(row.name)
}

function expression(key: string, value: string): RegExp {
  try {
    return new RegExp(value)
  } catch (cause) {
    throw badFilter(`${key}=${value}`, 'the value is not a regular expression', cause)
  }
}

/** 'key' or 'key=value', each a shell pattern. */
function labelTest(value: string): Test {
  const equals = value.indexOf('=')
  const key = glob(equals < 0 ? value : value.slice(0, equals))
  const content = equals < 0 ? undefined : glob(value.slice(equals + 1))
  return (row) => Object.entries(row.labels).some(([name, text]) => key.test(name) && (content === undefined || content.test(text)))
}

function glob(pattern: string): RegExp {
  const body = pattern.replace(/[.+^${}()|\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')
  try {
    return new RegExp(`^${body}$`, 's')
  } catch (cause) {
    throw badFilter(`label=${pattern}`, 'the pattern is malformed', cause)
  }
}

const statuses: Readonly<Record<string, string>> = {
  created: 'created', configured: 'created', initialized: 'initialized', running: 'running', paused: 'paused', stopping: 'stopping',
  exited: 'exited', stopped: 'exited', dead: 'exited', removing: 'removing', unknown: 'unknown',
}

function statusTest(value: string): Test {
  const wanted = statuses[value]
  if (wanted === undefined) throw badFilter(`status=${value}`, `${value} is not a valid status; use created, running, paused, stopping, exited or unknown`)
  return (row) => row.status === wanted
}

function exitedTest(value: string): Test {
  if (!/^\d+$/.test(value)) throw badFilter(`exited=${value}`, 'the exit code must be a number')
  return (row) => row.status === 'exited' && row.exitCode === Number(value)
}

/** Name, id or id prefix of the image that the container was made from, or of an image that this one is built upon. */
async function ancestorTest(engine: Engine, value: string): Promise<Test> {
  const images = await engine.store.listImages()
  const matching = images.filter((image) => image.id.startsWith(value) || (image.names ?? []).some((name) => imageNameMatches(name, value)))
  const layers = new Set(matching.map((image) => image.layer).filter((layer) => layer !== undefined && layer !== ''))
  const ids = new Set(matching.map((image) => image.id))
  const parents = new Map((await engine.store.listLayers()).map((layer) => [layer.id, layer.parent]))
  const descends = (imageId: string): boolean => {
    for (let layer = images.find((image) => image.id === imageId)?.layer; layer !== undefined && layer !== ''; layer = parents.get(layer)) {
      if (layers.has(layer)) return true
    }
    return false
  }
  return (row) => ids.has(row.imageId) || (row.imageId !== '' && row.imageId.startsWith(value)) || imageNameMatches(row.image, value) || descends(row.imageId)
}

function imageNameMatches(name: string, value: string): boolean {
  const tagged = /:[^/]+$/.test(value) ? value : `${value}:latest`
  return name === tagged || name.endsWith(`/${tagged}`)
}

function findRow(rows: readonly ContainerRow[], value: string, key: string): ContainerRow {
  const found = rows.find((row) => row.name === value || row.id === value) ?? rows.find((row) => row.id.startsWith(value))
  if (found === undefined) throw badFilter(`${key}=${value}`, `no such container: ${value}`)
  return found
}

/** A time stamp, or an age ('10m', '24h'). */
function untilTest(value: string): Test {
  const limit = new Date(parseInstant(value)).toISOString()
  return (row) => row.created < limit
}

function parseInstant(value: string): number {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000
  const age = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(value)
  if (age !== null && value !== '') return Date.now() - (Number(age[1] ?? 0) * 3600 + Number(age[2] ?? 0) * 60 + Number(age[3] ?? 0)) * 1000
  const time = Date.parse(value)
  if (Number.isNaN(time)) throw badFilter(`until=${value}`, 'the value is neither a time nor a duration')
  return time
}

/** 'source' or 'source:destination'; sources are volume names or host paths. */
function volumeTest(value: string): Test {
  const [source, destination] = value.split(':', 2)
  return (row) => row.volumes.some((mount) => (mount.source === source || mount.name === source || (destination === undefined && mount.destination === source))
    && (destination === undefined || mount.destination === destination))
}

function badFilter(filter: string, why: string, cause?: unknown): TpodError {
  return new TpodError('BAD_FILTER', `filter ${JSON.stringify(filter)}: ${why}`, cause === undefined ? {} : { cause })
}

/** containers.conf(5): which files count, how they overlay each other, and a typed result that is passed in from here on. */
import { readdirSync, readFileSync } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../errors/tpod-error.ts'
import { builtInEngineConfig } from './containers-conf-defaults.ts'
import type { EngineConfig } from './containers-conf-defaults.ts'

export type { EngineConfig } from './containers-conf-defaults.ts'

export interface ContainersConfPlace {
  /** The caller's environment: CONTAINERS_CONF, CONTAINERS_CONF_OVERRIDE, XDG_CONFIG_HOME. */
  env: Readonly<Record<string, string | undefined>>
  isRoot: boolean
  home: string
}

/**
 * podman's settings as they apply to this user. A file that does not exist is no error, unless CONTAINERS_CONF or
 * CONTAINERS_CONF_OVERRIDE names it. Later files win key by key; a list with `{append=true}` in it continues the former one.
 * Throws BAD_CONFIG naming file and key.
 */
export async function loadContainersConf(place: ContainersConfPlace): Promise<EngineConfig> {
  const config = builtInEngineConfig()
  for (const path of configFiles(place)) {
    const text = readConfig(path, path === place.env['CONTAINERS_CONF'] || path === place.env['CONTAINERS_CONF_OVERRIDE'])
    if (text === undefined) continue
    config.sources.push(path)
    const body = withoutComments(text)
    // Nothing but headers: the parser needn't be loaded.
    if (!/^(?:\s|\[[\w.]+\])*$/.test(body)) overlay(config, await parseToml(path, body), path)
  }
  return config
}

function configFiles(place: ContainersConfPlace): string[] {
  const override = place.env['CONTAINERS_CONF_OVERRIDE']
  const last = override === undefined || override === '' ? [] : [override]
  const only = place.env['CONTAINERS_CONF']
  if (only !== undefined && only !== '') return [only, ...last]
  const system = ['/usr/share/containers/containers.conf', ...withDropIns('/etc/containers/containers.conf')]
  if (place.isRoot) return [...system, ...last]
  const base = place.env['XDG_CONFIG_HOME'] || `${place.home}/.config`
  return [...system, ...withDropIns(`${base}/containers/containers.conf`), ...last]
}

function withDropIns(path: string): string[] {
  try {
    return [path, ...readdirSync(`${path}.d`).filter((name) => name.endsWith('.conf')).toSorted().map((name) => `${path}.d/${name}`)]
  } catch {
    return [path] // No drop-ins, or none that this user may list.
  }
}

function readConfig(path: string, isRequired: boolean): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && !isRequired) return undefined
    throw new TpodError('BAD_CONFIG', `read ${path}: ${errorMessage(error)}`, { cause: error })
  }
}

/** Distributions ship 800 lines of comments: not parsing them, nor loading the parser when nothing else is there, is most of the cost. */
function withoutComments(text: string): string {
  return /"""|'''/.test(text) ? text : text.replace(/^[ \t]*#.*$/gm, '')
}

async function parseToml(path: string, body: string): Promise<Record<string, unknown>> {
  const { parse } = await import('smol-toml')
  try {
    return parse(body)
  } catch (error) {
    throw new TpodError('BAD_CONFIG', `read ${path}: ${errorMessage(error).split('\n', 1)[0]}`, { cause: error, remedy: `correct the syntax of ${path}` })
  }
}

function overlay(config: EngineConfig, document: Record<string, unknown>, path: string): void {
  for (const section of ['containers', 'network', 'engine'] as const) {
    const values = document[section]
    if (values === undefined) continue
    if (!isTable(values)) throw badValue(path, section, 'a table')
    overlaySection(config[section], values, section, path)
  }
  const legacyInit = isTable(document['engine']) ? document['engine']['init_path'] : undefined
  if (typeof legacyInit === 'string' && config.containers.initPath === '') config.containers.initPath = legacyInit
}

/** Keys that tpod has no use for are passed over, as podman passes over keys that it doesn't know. */
function overlaySection(target: Record<string, unknown>, values: Record<string, unknown>, section: string, path: string): void {
  for (const [key, value] of Object.entries(values)) {
    const name = key.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())
    if (!Object.hasOwn(target, name)) continue
    const former = target[name]
    const where = `${section}.${key}`
    if (name === 'runtimes') Object.assign(former as Record<string, string[]>, readRuntimes(value, path))
    else if (name === 'serviceDestinations') Object.assign(former as Record<string, unknown>, readDestinations(value, path))
    else if (Array.isArray(former)) target[name] = readList(former as string[], value, where, path)
    else if (typeof former === 'number') target[name] = readNumber(value, where, path)
    else if (typeof value === typeof former) target[name] = value
    else throw badValue(path, where, `a ${typeof former}`)
  }
}

function readList(former: readonly string[], value: unknown, where: string, path: string): string[] {
  if (!Array.isArray(value)) throw badValue(path, where, 'a list of strings')
  const options = value.filter((item) => isTable(item)) as Record<string, unknown>[]
  const words = value.filter((item) => typeof item === 'string')
  if (words.length + options.length !== value.length) throw badValue(path, where, 'a list of strings')
  return options.some((option) => option['append'] === true) ? [...former, ...words] : words
}

function readNumber(value: unknown, where: string, path: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number)) throw badValue(path, where, 'a whole number')
  return number
}

function readRuntimes(value: unknown, path: string): Record<string, string[]> {
  if (!isTable(value)) throw badValue(path, 'engine.runtimes', 'a table')
  return Object.fromEntries(Object.entries(value).map(([name, paths]) => [name, readList([], paths, `engine.runtimes.${name}`, path)]))
}

function readDestinations(value: unknown, path: string): Record<string, { uri: string; identity?: string }> {
  if (!isTable(value)) throw badValue(path, 'engine.service_destinations', 'a table')
  return Object.fromEntries(Object.entries(value).map(([name, destination]) => {
    if (!isTable(destination) || typeof destination['uri'] !== 'string') throw badValue(path, `engine.service_destinations.${name}`, 'a table with a uri')
    const { uri, identity } = destination
    return [name, { uri, ...(typeof identity === 'string' ? { identity } : {}) }]
  }))
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function badValue(path: string, key: string, expected: string): TpodError {
  return new TpodError('BAD_CONFIG', `read ${path}: ${key} must be ${expected}`, { remedy: `see containers.conf(5)` })
}

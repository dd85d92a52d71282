/** One file of registries.conf(5): checked and turned into entries; and how several of them add up. */
import { TpodError } from '../errors/tpod-error.ts'
import { isDomain, parseReference } from '../oci/reference.ts'
import type { PullFromMirror, RegistriesConfig, RegistryEndpoint, RegistryEntry, ShortNameAlias, ShortNameMode } from './registries-conf.ts'

export interface RegistriesFragment {
  path: string
  registries: RegistryEntry[]
  searchRegistries: string[] | undefined
  shortNameMode: ShortNameMode | undefined
  aliases: Map<string, ShortNameAlias>
  credentialHelpers: string[] | undefined
}

type Table = Record<string, unknown>

export function emptyFragment(path: string): RegistriesFragment {
  return { path, registries: [], searchRegistries: undefined, shortNameMode: undefined, aliases: new Map(), credentialHelpers: undefined }
}

/** Later fragments win: entries by prefix, aliases by name, lists as a whole. */
export function mergeFragments(fragments: readonly RegistriesFragment[]): RegistriesConfig {
  const registries = new Map<string, RegistryEntry>()
  const aliases = new Map<string, ShortNameAlias>()
  const merged: RegistriesConfig = {
    registries: [],
    searchRegistries: [],
    searchOrigin: fragments[0]?.path ?? '',
    shortNameMode: 'permissive',
    aliases,
    credentialHelpers: ['containers-auth.json'],
  }
  for (const fragment of fragments) {
    for (const entry of fragment.registries) registries.set(entry.prefix, entry)
    for (const [name, alias] of fragment.aliases) aliases.set(name, alias)
    if (fragment.searchRegistries !== undefined) {
      merged.searchRegistries = fragment.searchRegistries
      merged.searchOrigin = fragment.path
    }
    if (fragment.shortNameMode !== undefined) merged.shortNameMode = fragment.shortNameMode
    if (fragment.credentialHelpers !== undefined && fragment.credentialHelpers.length > 0) merged.credentialHelpers = fragment.credentialHelpers
  }
  merged.registries = [...registries.values()].toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1))
  return merged
}

/** `isDropIn`: version 1 syntax is refused there. Throws REGISTRIES_CONF_INVALID. */
export function parseFragment(table: Table, path: string, isDropIn: boolean): RegistriesFragment {
  const fragment = emptyFragment(path)
  if (isTable(table.registries)) {
    if (isDropIn) throw invalid(path, 'version 1 syntax ([registries.search] …) is not allowed in drop-ins')
    if (table.registry !== undefined || table['unqualified-search-registries'] !== undefined) throw invalid(path, 'version 1 and version 2 syntax are mixed')
    readVersion1(table.registries, fragment)
  }
  if (table['unqualified-search-registries'] !== undefined) {
    fragment.searchRegistries = stringList(table['unqualified-search-registries'], 'unqualified-search-registries', path).map((host) => searchRegistry(host, path))
  }
  if (table['short-name-mode'] !== undefined && table['short-name-mode'] !== '') fragment.shortNameMode = shortNameMode(table['short-name-mode'], path)
  if (table['credential-helpers'] !== undefined) fragment.credentialHelpers = stringList(table['credential-helpers'], 'credential-helpers', path)
  if (table.registry !== undefined) fragment.registries = readRegistries(table.registry, path)
  if (table.aliases !== undefined) readAliases(table.aliases, fragment)
  return fragment
}

function readVersion1(registries: Table, fragment: RegistriesFragment): void {
  const lists = (name: string): string[] | undefined => {
    const section = registries[name]
    return isTable(section) && section.registries !== undefined ? stringList(section.registries, `registries.${name}`, fragment.path) : undefined
  }
  const entry = (location: string): RegistryEntry => {
    const clean = checkLocation(location, fragment.path)
    let found = fragment.registries.find(({ prefix }) => prefix === clean)
    if (found === undefined) fragment.registries.push((found = { prefix: clean, location: clean, insecure: false, blocked: false, pullFromMirror: 'all', mirrorByDigestOnly: false, mirrors: [] }))
    return found
  }
  fragment.searchRegistries = lists('search')?.map((host) => searchRegistry(host, fragment.path))
  for (const location of lists('block') ?? []) entry(location).blocked = true
  for (const location of lists('insecure') ?? []) entry(location).insecure = true
}

function readRegistries(value: unknown, path: string): RegistryEntry[] {
  if (!Array.isArray(value)) throw invalid(path, '"registry" must be written [[registry]]')
  const entries = new Map<string, RegistryEntry>()
  const byLocation = new Map<string, RegistryEntry>()
  for (const table of value as unknown[]) {
    if (!isTable(table)) throw invalid(path, '"registry" must be written [[registry]]')
    const entry = readRegistry(table, path)
    const key = entry.location === '' ? entry.prefix : entry.location
    const other = byLocation.get(key)
    if (other !== undefined && other.insecure !== entry.insecure) throw invalid(path, `registry ${key} is defined several times with conflicting "insecure"`)
    if (other !== undefined && other.blocked !== entry.blocked) throw invalid(path, `registry ${key} is defined several times with conflicting "blocked"`)
    byLocation.set(key, entry)
    // The first of several entries with one prefix counts.
    if (!entries.has(entry.prefix)) entries.set(entry.prefix, entry)
  }
  return [...entries.values()]
}

function readRegistry(table: Table, path: string): RegistryEntry {
  const location = checkLocation(text(table, 'location', path), path)
  const prefix = checkLocation(text(table, 'prefix', path), path) || location
  const isWildcard = prefix.startsWith('*.')
  if (prefix === '') throw invalid(path, 'a [[registry]] has neither location nor prefix')
  if (location === '' && !isWildcard) throw invalid(path, `registry ${prefix} has no location`)
  if (isWildcard && /[/@:]/.test(prefix)) throw invalid(path, `prefix ${prefix}: a wildcard stands for subdomains only (*.example.com)`)
  if (table['pull-from-mirror'] !== undefined) throw invalid(path, `registry ${prefix}: pull-from-mirror belongs into a [[registry.mirror]]`)
  const mirrorByDigestOnly = flag(table, 'mirror-by-digest-only', path)
  const mirrors = table.mirror === undefined ? [] : readMirrors(table.mirror, prefix, mirrorByDigestOnly, path)
  return { prefix, location, insecure: flag(table, 'insecure', path), blocked: flag(table, 'blocked', path), pullFromMirror: 'all', mirrorByDigestOnly, mirrors }
}

function readMirrors(value: unknown, prefix: string, byDigestOnly: boolean, path: string): RegistryEndpoint[] {
  if (!Array.isArray(value)) throw invalid(path, `registry ${prefix}: mirrors must be written [[registry.mirror]]`)
  return (value as unknown[]).map((table) => {
    if (!isTable(table)) throw invalid(path, `registry ${prefix}: mirrors must be written [[registry.mirror]]`)
    const location = checkLocation(text(table, 'location', path), path)
    if (location === '') throw invalid(path, `registry ${prefix}: a mirror has no location`)
    const mode = text(table, 'pull-from-mirror', path)
    if (mode !== '' && byDigestOnly) throw invalid(path, `registry ${prefix}: mirror-by-digest-only and pull-from-mirror of ${location} exclude each other`)
    if (!['', 'all', 'digest-only', 'tag-only'].includes(mode)) throw invalid(path, `mirror ${location}: unsupported pull-from-mirror ${JSON.stringify(mode)}`)
    return { location, insecure: flag(table, 'insecure', path), pullFromMirror: (mode || 'all') as PullFromMirror }
  })
}

function readAliases(value: unknown, fragment: RegistriesFragment): void {
  if (!isTable(value)) throw invalid(fragment.path, '[aliases] is not a table')
  for (const [name, target] of Object.entries(value)) {
    if (typeof target !== 'string') throw invalid(fragment.path, `alias ${name} is not a string`)
    const short = parseAliasPart(name, `alias ${JSON.stringify(name)}`, fragment.path)
    if (short.domain !== '') throw invalid(fragment.path, `alias ${JSON.stringify(name)} is not a short name`)
    if (target !== '') {
      const full = parseAliasPart(target, `alias ${name}: ${JSON.stringify(target)}`, fragment.path)
      if (full.domain === '') throw invalid(fragment.path, `alias ${name}: ${JSON.stringify(target)} has no registry host`)
    }
    fragment.aliases.set(name, { value: target, origin: fragment.path })
  }
}

function parseAliasPart(value: string, what: string, path: string): { domain: string } {
  let parsed
  try {
    parsed = parseReference(value)
  } catch {
    throw invalid(path, `${what} is not a valid name`)
  }
  if (parsed.tag !== undefined || parsed.digest !== undefined) throw invalid(path, `${what} must have neither tag nor digest`)
  return parsed
}

function searchRegistry(host: string, path: string): string {
  const clean = checkLocation(host, path)
  if (!isDomain(clean)) throw invalid(path, `unqualified-search-registries: ${JSON.stringify(host)} is not a registry host`)
  return clean
}

function shortNameMode(value: unknown, path: string): ShortNameMode {
  if (value === 'enforcing' || value === 'permissive' || value === 'disabled') return value
  throw invalid(path, `short-name-mode ${JSON.stringify(value)} is none of enforcing, permissive, disabled`)
}

function checkLocation(location: string, path: string): string {
  if (/^https?:\/\//.test(location)) throw invalid(path, `location ${location}: write it without http:// or https://`)
  return location.replace(/\/+$/, '')
}

function text(table: Table, key: string, path: string): string {
  const value = table[key]
  if (value === undefined) return ''
  if (typeof value !== 'string') throw invalid(path, `"${key}" is not a string`)
  return value
}

function flag(table: Table, key: string, path: string): boolean {
  const value = table[key]
  if (value === undefined) return false
  if (typeof value !== 'boolean') throw invalid(path, `"${key}" is not true or false`)
  return value
}

function stringList(value: unknown, key: string, path: string): string[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) throw invalid(path, `"${key}" is not a list of strings`)
  return value as string[]
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(path: string, why: string): TpodError {
  return new TpodError('REGISTRIES_CONF_INVALID', `read registries configuration ${path}: ${why}`)
}

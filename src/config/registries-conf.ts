/**
 * registries.conf(5), version 2 (and version 1's three lists in the main file): short-name aliases, search registries,
 * mirrors, insecure and blocked registries, with drop-ins from registries.conf.d. Semantics follow containers-registries.conf(5).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { formatReference, isDomain, parseNormalizedReference, parseReference } from '../oci/reference.ts'
import type { QualifiedReference } from '../oci/reference.ts'
import { parseSimpleToml } from './parse-simple-toml.ts'

export type PullFromMirror = 'all' | 'digest-only' | 'tag-only'
export type ShortNameMode = 'enforcing' | 'permissive' | 'disabled'

export interface RegistryEndpoint {
  /** host[:port][/namespace]; empty only with a wildcard prefix: the reference stays as it is. */
  location: string
  insecure: boolean
  pullFromMirror: PullFromMirror
}

export interface RegistryEntry extends RegistryEndpoint {
  prefix: string
  blocked: boolean
  mirrorByDigestOnly: boolean
  mirrors: RegistryEndpoint[]
}

export interface ShortNameAlias {
  /** A repository without tag or digest; '' where a file switches the alias off. */
  value: string
  /** File that says so. */
  origin: string
}

export interface RegistriesConfig {
  /** Sorted by prefix; each prefix once. */
  registries: RegistryEntry[]
  searchRegistries: string[]
  /** File that set the search registries, for messages. */
  searchOrigin: string
  shortNameMode: ShortNameMode
  aliases: ReadonlyMap<string, ShortNameAlias>
  credentialHelpers: string[]
}

/** Where to look. cli/ fills it from the environment and the options. */
export interface RegistriesPaths {
  /** CONTAINERS_REGISTRIES_CONF or --registries-conf: must exist. Absent: the user's file, else the system's, either may be missing. */
  configFile?: string
  /** CONTAINERS_REGISTRIES_CONF_DIR: read instead of the system's registries.conf.d. */
  configDirectory?: string
  /** The user's ~/.config/containers. */
  userDirectory?: string
  /** Default /etc/containers. */
  systemDirectory?: string
  /** short-name-aliases.conf written by podman's prompt: /var/cache/containers/… as root, ~/.cache/containers/… else. */
  aliasesFile?: string
}

/** A place to pull from, with the reference as that place calls it. */
export interface PullEndpoint {
  reference: QualifiedReference
  insecure: boolean
  isMirror: boolean
}

/** Loads once, when first asked: most commands never need these files. */
export function registriesLoader(paths: RegistriesPaths): () => Promise<RegistriesConfig> {
  let loading: Promise<RegistriesConfig> | undefined
  return () => (loading ??= loadRegistries(paths))
}

/** Reads and merges all files. Throws REGISTRIES_CONF_INVALID naming the file and what is wrong in it. */
export async function loadRegistries(paths: RegistriesPaths): Promise<RegistriesConfig> {
  const systemDirectory = paths.systemDirectory ?? '/etc/containers'
  const userFile = paths.userDirectory === undefined ? undefined : join(paths.userDirectory, 'registries.conf')
  const userText = paths.configFile === undefined && userFile !== undefined ? readOptional(userFile) : undefined
  const mainFile = paths.configFile ?? (userText === undefined ? join(systemDirectory, 'registries.conf') : userFile!)
  const mainText = userText ?? readOptional(mainFile)
  if (mainText === undefined && paths.configFile !== undefined) {
    throw new TpodError('REGISTRIES_CONF_INVALID', `read registries configuration ${mainFile}: no such file`, { remedy: 'unset CONTAINERS_REGISTRIES_CONF or create the file' })
  }
  // A user's own main file replaces the system's directory of drop-ins too, as podman does it.
  const directories = paths.configDirectory !== undefined ? [paths.configDirectory] : userText === undefined ? [join(systemDirectory, 'registries.conf.d')] : []
  if (paths.userDirectory !== undefined && paths.configDirectory === undefined) directories.push(join(paths.userDirectory, 'registries.conf.d'))

  const files: { path: string; text: string }[] = mainText === undefined ? [] : [{ path: mainFile, text: mainText }]
  for (const directory of directories) files.push(...readDropIns(directory))
  const aliasText = paths.aliasesFile === undefined ? undefined : readOptional(paths.aliasesFile)

  const { emptyFragment, mergeFragments, parseFragment } = await import('./registries-fragment.ts')
  const parsed = []
  for (const [index, { path, text }] of files.entries()) parsed.push(parseFragment(await parseToml(path, text), path, index > 0))
  if (aliasText !== undefined) {
    // The file podman writes at its prompt has nothing but aliases, and wins over all others.
    const fragment = emptyFragment(paths.aliasesFile!)
    fragment.aliases = parseFragment(await parseToml(paths.aliasesFile!, aliasText), paths.aliasesFile!, true).aliases
    parsed.push(fragment)
  }
  return mergeFragments(parsed)
}

/** The entry with the longest matching prefix. `name` starts with a host. */
export function findRegistry(config: RegistriesConfig, name: string): RegistryEntry | undefined {
  let best: RegistryEntry | undefined
  for (const entry of config.registries) {
    if (matchPrefix(name, entry.prefix) >= 0 && entry.prefix.length > (best?.prefix.length ?? 0)) best = entry
  }
  return best
}

/**
 * Where `reference` may be pulled from, mirrors first, in order of trial. Throws REGISTRY_BLOCKED.
 */
export function resolvePullEndpoints(config: RegistriesConfig, reference: QualifiedReference): PullEndpoint[] {
  const text = formatReference(reference)
  const registry = findRegistry(config, text)
  if (registry === undefined) return [{ reference, insecure: false, isMirror: false }]
  if (registry.blocked) {
    throw new TpodError('REGISTRY_BLOCKED', `pull ${text}: registry ${registry.prefix} is blocked in registries.conf`, {
      remedy: `remove "blocked = true" of prefix ${registry.prefix} if you trust it`,
    })
  }
  const isDigested = reference.digest !== undefined
  const mirrors = registry.mirrors.filter((mirror) => {
    if (registry.mirrorByDigestOnly) return isDigested
    return mirror.pullFromMirror === 'all' || (mirror.pullFromMirror === 'digest-only') === isDigested
  })
  return [
    ...mirrors.map((mirror) => ({ reference: rewrite(text, registry.prefix, mirror.location, reference), insecure: mirror.insecure, isMirror: true })),
    { reference: rewrite(text, registry.prefix, registry.location, reference), insecure: registry.insecure, isMirror: false },
  ]
}

/**
 * Length of the part of `name` that `prefix` covers, or -1. A prefix ends at a `/`, `:` or `@` of the name, so that
 * `example.com` also covers `example.com:5000`: odd, but a block must not be weaker here than in podman.
 */
export function matchPrefix(name: string, prefix: string): number {
  let end: number
  if (prefix.startsWith('*.')) {
    const suffix = prefix.slice(1)
    const index = name.indexOf(suffix)
    if (index < 0 || name.slice(0, index).includes('/')) return -1
    end = index + suffix.length
  } else {
    if (!name.startsWith(prefix)) return -1
    end = prefix.length
  }
  return end === name.length || '/:@'.includes(name[end]!) ? end : -1
}

function rewrite(text: string, prefix: string, location: string, original: QualifiedReference): QualifiedReference {
  if (location === '') return original
  const rewritten = location + text.slice(matchPrefix(text, prefix))
  const parsed = parseReference(rewritten)
  if (parsed.domain === '' || !isDomain(parsed.domain)) {
    throw new TpodError('REGISTRIES_CONF_INVALID', `rewrite ${text}: location ${JSON.stringify(location)} does not start with a registry host`)
  }
  return parseNormalizedReference(rewritten)
}

function readDropIns(directory: string): { path: string; text: string }[] {
  let names: string[]
  try {
    names = readdirSync(directory, { withFileTypes: true }).filter((entry) => !entry.isDirectory() && entry.name.endsWith('.conf')).map((entry) => entry.name)
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return []
    throw new TpodError('REGISTRIES_CONF_INVALID', `read ${directory}: ${errorCode(cause)}`, { cause })
  }
  const files: { path: string; text: string }[] = []
  for (const name of names.toSorted()) {
    const path = join(directory, name)
    const text = readOptional(path)
    if (text !== undefined) files.push({ path, text })
  }
  return files
}

/** In place, as the file is small: the runtimes' threads for files cost 1.5 ms at their first use, and a wait for each file. */
function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT' || errorCode(cause) === 'ENOTDIR') return undefined
    throw new TpodError('REGISTRIES_CONF_INVALID', `read registries configuration ${path}: ${errorCode(cause)}`, { cause })
  }
}

async function parseToml(path: string, text: string): Promise<Record<string, unknown>> {
  const simple = parseSimpleToml(text)
  if (simple !== undefined) return simple
  const { parse } = await import('smol-toml')
  try {
    return parse(text) as Record<string, unknown>
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new TpodError('REGISTRIES_CONF_INVALID', `read registries configuration ${path}: ${message}`, { cause })
  }
}

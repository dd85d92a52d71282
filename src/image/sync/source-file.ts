/**
 * The YAML file that names what is synced: per registry the repositories with their tags or digests, or a filter of tags.
 * Format: skopeo-sync(1), and `images-newest` of ours: the N newest images, by creation or by version.
 */
import { readFile } from 'node:fs/promises'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'

export interface NewestRule {
  count: number
  /** `created`: of the image's config; `semver`: of the tag, others are left out. */
  by: 'created' | 'semver'
  /** Only these tags are looked at. */
  tagRegex?: string
}

export interface RegistryToSync {
  registry: string
  /** Repository to tags and digests; none: all tags. */
  images: [repository: string, references: string[]][]
  imagesByTagRegex: [repository: string, regex: string][]
  imagesBySemver: [repository: string, constraint: string][]
  imagesNewest: [repository: string, rule: NewestRule][]
  credentials?: { username: string; password: string }
  tlsVerify?: boolean
  certDirectory?: string
}

/** Reads the file. Throws SYNC_FILE. `onUnknown` is told of keys that mean nothing here. */
export async function readSourceFile(path: string, onUnknown: (key: string) => void): Promise<RegistryToSync[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new TpodError('SYNC_FILE', `open ${path}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorCode(cause)}`, { cause })
  }
  const { parse } = await import('yaml')
  let document: unknown
  try {
    // Every scalar as text: a tag 1.0 is not the number 1.
    document = parse(text, { schema: 'failsafe', maxAliasCount: 100 })
  } catch (cause) {
    throw new TpodError('SYNC_FILE', `Failed to unmarshal ${JSON.stringify(path)}: ${String((cause as Error).message).split('\n', 1)[0]}`, { cause })
  }
  return Object.entries(mapping(document, path, 'the file')).map(([registry, value]) => registryOf(registry, value, path, onUnknown))
}

function registryOf(registry: string, value: unknown, path: string, onUnknown: (key: string) => void): RegistryToSync {
  const result: RegistryToSync = { registry, images: [], imagesByTagRegex: [], imagesBySemver: [], imagesNewest: [] }
  for (const [key, item] of Object.entries(mapping(value, path, registry))) {
    const where = `${registry}.${key}`
    const words = (): [string, string][] => Object.entries(mapping(item, path, where)).map(([name, word]) => [name, scalar(word, path, `${where}.${name}`)])
    if (key === 'images') result.images = Object.entries(mapping(item, path, where)).map(([name, list]) => [name, texts(list, path, `${where}.${name}`)])
    else if (key === 'images-by-tag-regex') result.imagesByTagRegex = words()
    else if (key === 'images-by-semver') result.imagesBySemver = words()
    else if (key === 'images-newest') result.imagesNewest = Object.entries(mapping(item, path, where)).map(([name, rule]) => [name, newestRule(rule, path, `${where}.${name}`)])
    else if (key === 'credentials') result.credentials = credentialsOf(item, path, where)
    else if (key === 'tls-verify') result.tlsVerify = flag(item, path, where)
    else if (key === 'cert-dir') result.certDirectory = scalar(item, path, where)
    else onUnknown(where)
  }
  return result
}

function newestRule(value: unknown, path: string, where: string): NewestRule {
  const { count, by = 'created', 'tag-regex': tagRegex, ...others } = typeof value === 'string' ? { count: value } as Record<string, unknown> : mapping(value, path, where)
  const wrong = Object.keys(others)[0]
  if (wrong !== undefined) throw bad(path, `${where}.${wrong}`, 'unknown key: there are count, by and tag-regex')
  if (typeof count !== 'string' || !/^[1-9]\d{0,5}$/.test(count)) throw bad(path, where, 'expected how many images, or count, by and tag-regex')
  if (by !== 'created' && by !== 'semver') throw bad(path, `${where}.by`, 'expected created or semver')
  return { count: Number(count), by, ...(tagRegex === undefined ? {} : { tagRegex: scalar(tagRegex, path, `${where}.tag-regex`) }) }
}

function credentialsOf(value: unknown, path: string, where: string): { username: string; password: string } {
  const { username = '', password = '' } = mapping(value, path, where)
  return { username: scalar(username, path, `${where}.username`), password: scalar(password, path, `${where}.password`) }
}

/** An empty value counts as an empty mapping, as in Go. */
function mapping(value: unknown, path: string, where: string): Record<string, unknown> {
  if (value === '' || value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw bad(path, where, 'expected a mapping')
  return value as Record<string, unknown>
}

function texts(value: unknown, path: string, where: string): string[] {
  if (value === '' || value === null || value === undefined) return []
  if (!Array.isArray(value)) throw bad(path, where, 'expected a list of tags and digests')
  return value.map((item) => scalar(item, path, where))
}

function scalar(value: unknown, path: string, where: string): string {
  if (typeof value !== 'string') throw bad(path, where, 'expected a word')
  return value
}

function flag(value: unknown, path: string, where: string): boolean {
  if (typeof value === 'string' && /^(?:true|yes|on|y)$/i.test(value)) return true
  if (typeof value === 'string' && /^(?:false|no|off|n)$/i.test(value)) return false
  throw bad(path, where, 'expected true or false')
}

function bad(path: string, where: string, why: string): TpodError {
  return new TpodError('SYNC_FILE', `Failed to unmarshal ${JSON.stringify(path)}: ${where}: ${why}`)
}

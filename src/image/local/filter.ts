/** `--filter` of images: podman's keys, negation by `!=`; several values of one key must all hold, references any. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { parseReference, splitStoredName } from '../../oci/reference.ts'
import type { ImageRecord } from '../../storage/types.ts'
import { parseDurationMs } from '../../text/duration.ts'
import { isManifestList } from './image-data.ts'
import type { ImageTree } from './image-tree.ts'
import type { ImageEntry } from './list.ts'
import { findImageIn, imageDigests, noSuchImage } from './resolve-local.ts'

export interface FilterContext {
  images: readonly ImageRecord[]
  registries: () => Promise<RegistriesConfig>
  tree: ImageTree
  containersOf: (imageId: string) => readonly string[]
  /** Needed by `containers=external`: made by another tool than this one. */
  isExternalContainer?: (containerId: string) => boolean | Promise<boolean>
  /** For `until`; default now. */
  nowMs?: number
}

export interface ImageFilter {
  apply(entries: readonly ImageEntry[]): Promise<ImageEntry[]>
}

type Predicate = (entry: ImageEntry) => boolean | Promise<boolean>

const imageFilterKeys = ['after', 'since', 'before', 'containers', 'dangling', 'digest', 'id', 'intermediate', 'label', 'manifest', 'readonly', 'reference', 'until'] as const

/** Throws BAD_FILTER, and NO_SUCH_IMAGE where before/since name none. */
export async function parseImageFilters(texts: readonly string[], context: FilterContext): Promise<ImageFilter> {
  const predicates: Predicate[] = []
  const wanted: string[] = []
  const unwanted: string[] = []
  for (const text of texts) {
    const { key, value, isNegated } = splitFilter(text)
    if (key === 'reference') {
      ;(isNegated ? unwanted : wanted).push(value)
      continue
    }
    const predicate = await parsePredicate(key, value, text, context)
    predicates.push(isNegated ? async (entry) => !(await predicate(entry)) : predicate)
  }
  const references = await parseReferences(wanted, unwanted, context)
  return {
    async apply(entries) {
      const shown: ImageEntry[] = []
      for (const entry of entries) {
        if (!(await holdsAll(predicates, entry)) || !references.matches(entry)) continue
        shown.push(references.onlyMatchingNames(entry))
      }
      return shown
    },
  }
}

async function holdsAll(predicates: readonly Predicate[], entry: ImageEntry): Promise<boolean> {
  for (const predicate of predicates) if (!(await predicate(entry))) return false
  return true
}

async function parsePredicate(key: string, value: string, text: string, context: FilterContext): Promise<Predicate> {
  const { tree } = context
  switch (key) {
    case 'after':
    case 'since': {
      const time = await createdMs(value, context)
      return (entry) => entry.createdMs > time
    }
    case 'before': {
      const time = await createdMs(value, context)
      return (entry) => entry.createdMs < time
    }
    case 'until': {
      const time = parseUntil(value, text, context.nowMs ?? Date.now())
      return (entry) => entry.createdMs < time
    }
    case 'containers': return containersPredicate(value, text, context)
    case 'dangling': return equals(parseBoolean(value, text), ({ image }) => tree.isDangling(image))
    case 'intermediate': return equals(parseBoolean(value, text), ({ image }) => tree.isIntermediate(image))
    case 'readonly': return equals(parseBoolean(value, text), (entry) => entry.isReadOnly)
    case 'manifest': return equals(parseBoolean(value, text), ({ image }) => isManifestList(image))
    case 'id': return ({ image }) => image.id.startsWith(value.replace(/^sha256:/, ''))
    case 'digest':
      if (!value.startsWith('sha256:')) throw badFilter(text, 'want digest=sha256:…')
      return ({ image }) => [...imageDigests(image)].some((digest) => digest.startsWith(value))
    case 'label': return labelPredicate(value)
    default: throw new TpodError('BAD_FILTER', `unsupported image filter ${JSON.stringify(key)}`, { remedy: `choose from ${imageFilterKeys.join(', ')}` })
  }
}

function labelPredicate(value: string): Predicate {
  const equal = value.indexOf('=')
  const name = equal < 0 ? value : value.slice(0, equal)
  return async (entry) => {
    const labels = await entry.labels()
    if (equal >= 0) return Object.hasOwn(labels, name) && matchesPattern(value.slice(equal + 1), labels[name]!)
    return Object.keys(labels).some((key) => matchesPattern(name, key))
  }
}

function containersPredicate(value: string, text: string, { containersOf, isExternalContainer }: FilterContext): Predicate {
  if (value === 'true' || value === 'false') return ({ image }) => containersOf(image.id).length > 0 === (value === 'true')
  if (value !== 'external') throw badFilter(text, 'want true, false or external')
  if (isExternalContainer === undefined) throw badFilter(text, 'external containers cannot be told apart here')
  return async ({ image }) => {
    for (const id of containersOf(image.id)) if (!(await isExternalContainer(id))) return false
    return true
  }
}

interface ReferenceFilter {
  matches(entry: ImageEntry): boolean
  /** A single full reference is a query: other names of the image are not shown. */
  onlyMatchingNames(entry: ImageEntry): ImageEntry
}

async function parseReferences(wanted: readonly string[], unwanted: readonly string[], context: FilterContext): Promise<ReferenceFilter> {
  const compile = async (value: string): Promise<(entry: ImageEntry) => boolean> => {
    const meant = await findImageIn(context.images, context.registries, value).catch(() => undefined)
    return (entry) => entry.image.id === meant?.image.id || entry.names.some((name) => spellings(name).some((spelling) => matchesPattern(value, spelling)))
  }
  const wantedTests = await Promise.all(wanted.map(compile))
  const unwantedTests = await Promise.all(unwanted.map(compile))
  const query = wanted.length === 1 && unwanted.length === 0 ? fullReference(wanted[0]!) : undefined
  return {
    matches: (entry) => !unwantedTests.some((test) => test(entry)) && (wantedTests.length === 0 || wantedTests.some((test) => test(entry))),
    onlyMatchingNames(entry) {
      if (query === undefined) return entry
      const isDigested = query.includes('@')
      return { ...entry, names: entry.names.filter((name) => (isDigested ? splitStoredName(name).repository === splitStoredName(query).repository : name === query)) }
    },
  }
}

/** All ways to write a stored name: with and without host, path, tag. */
function spellings(name: string): string[] {
  const { repository, tag, digest } = splitStoredName(name)
  const suffix = digest === undefined ? (tag === undefined ? '' : `:${tag}`) : `@${digest}`
  const path = repository.slice(repository.indexOf('/') + 1)
  const last = repository.slice(repository.lastIndexOf('/') + 1)
  return [repository, path, last].flatMap((base) => [base, base + suffix])
}

function fullReference(value: string): string | undefined {
  try {
    const reference = parseReference(value)
    return reference.domain !== '' && (reference.tag !== undefined || reference.digest !== undefined) ? value : undefined
  } catch {
    return undefined
  }
}

/** Go's path.Match: `*` and `?` stop at slashes, `[…]`, backslash escapes. A malformed pattern matches nothing. */
function matchesPattern(pattern: string, text: string): boolean {
  let source = ''
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index]!
    if (char === '*') source += '[^/]*'
    else if (char === '?') source += '[^/]'
    else if (char === '\\') source += escapeRegExp(pattern[++index] ?? '\\')
    else if (char === '[') {
      const end = pattern.indexOf(']', index + 1)
      if (end < 0) return false
      source += `[${pattern.slice(index + 1, end).replace(/[\\[]/g, '\\$&')}]`
      index = end
    } else source += escapeRegExp(char)
  }
  try {
    return new RegExp(`^${source}$`, 's').test(text)
  } catch {
    return false
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

function equals(wanted: boolean, fact: (entry: ImageEntry) => boolean | Promise<boolean>): Predicate {
  return async (entry) => (await fact(entry)) === wanted
}

async function createdMs(name: string, { images, registries }: FilterContext): Promise<number> {
  const found = await findImageIn(images, registries, name)
  if (found === undefined) throw noSuchImage(name)
  return Date.parse(found.image.created) || 0
}

/** A duration before now, unix seconds, or a date. */
function parseUntil(value: string, text: string, nowMs: number): number {
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000
  const date = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value) : Number.NaN
  if (!Number.isNaN(date)) return date
  try {
    return nowMs - parseDurationMs(value)
  } catch {
    throw badFilter(text, 'want a duration (24h), a date (2026-01-31T10:00:00Z) or unix seconds')
  }
}

function parseBoolean(value: string, text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false
  throw badFilter(text, 'want true or false')
}

function splitFilter(text: string): { key: string; value: string; isNegated: boolean } {
  const equal = text.indexOf('=')
  if (equal <= 0) throw badFilter(text, 'want KEY=VALUE')
  // `label!=x` negates, `label=a!=b` does not.
  const isNegated = text[equal - 1] === '!'
  return { key: text.slice(0, isNegated ? equal - 1 : equal), value: text.slice(equal + 1), isNegated }
}

function badFilter(text: string, why: string): TpodError {
  return new TpodError('BAD_FILTER', `invalid image filter ${JSON.stringify(text)}: ${why}`)
}

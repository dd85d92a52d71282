/** Searching registries for images, and listing a repository's tags, as `podman search` does. */
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { parseNormalizedReference } from '../../oci/reference.ts'
import type { EndpointOptions, TransportContext } from '../types.ts'

export interface SearchFilter {
  /** At least so many. */
  stars?: number
  isAutomated?: boolean
  isOfficial?: boolean
}

export interface SearchOptions {
  /** Results per registry; default 25. */
  limit?: number
  filter?: SearchFilter
  endpoint?: EndpointOptions
}

export interface FoundImage {
  /** The registry asked. */
  index: string
  /** With the registry. */
  name: string
  /** One line. */
  description: string
  stars: number
  isOfficial: boolean
  isAutomated: boolean
}

export interface FoundTag {
  index: string
  name: string
  tag: string
}

const defaultLimit = 25
const parallelRegistries = 6

/**
 * Before the first `/` of `term` stands the registry; without one all unqualified search registries are asked. Throws what
 * asking throws only if no registry found anything.
 */
export async function searchImages(context: TransportContext, term: string, options: SearchOptions = {}): Promise<FoundImage[]> {
  const { registries, rest } = await placesOf(context, term)
  const { limit = defaultLimit, filter = {}, endpoint = {} } = options
  return fromEach(registries, options, async (registry) => {
    const { searchRegistry } = await import('../registry/registry-api.ts')
    const found = await searchRegistry(context, registry, rest, { ...endpoint, limit }).catch((error: unknown) => {
      throw inWords(`couldn't search registry "${registry}"`, error, endpoint)
    })
    return found.slice(0, limit).filter((image) => matches(image, filter)).map((image) => ({ ...image, index: registry, name: fullName(registry, image.name), description: image.description.replaceAll(/\s*\n\s*/g, ' ') }))
  })
}

/** The tags of one repository (of each search registry, if none is named), in the registry's order. Errors as searchImages. */
export async function searchTags(context: TransportContext, term: string, options: Omit<SearchOptions, 'filter'> = {}): Promise<FoundTag[]> {
  const { registries, rest } = await placesOf(context, term.replace(/^docker:\/\//, ''))
  const { limit = defaultLimit, endpoint = {} } = options
  return fromEach(registries, options, async (registry) => {
    const reference = tagSource(`${registry}/${rest}`, rest)
    const { listTags } = await import('../registry/registry-api.ts')
    const tags = await listTags(context, reference, endpoint).catch((error: unknown) => {
      throw inWords('getting repository tags', error, endpoint)
    })
    return tags.slice(0, limit).map((tag) => ({ index: registry, name: reference.name, tag }))
  })
}

/** `stars=N`, `is-automated[=false]`, `is-official[=false]`. Throws BAD_FILTER in podman's words. */
export function parseSearchFilters(words: readonly string[]): SearchFilter {
  const filter: SearchFilter = {}
  for (const word of words) {
    const [name, value] = word.split(/=(.*)/s) as [string, string | undefined]
    if (name === 'stars') {
      if (value === undefined) throw new TpodError('BAD_FILTER', `invalid filter ${JSON.stringify(word)}, should be stars=<value>`)
      if (!/^[+-]?\d+$/.test(value)) throw new TpodError('BAD_FILTER', `incorrect value type for stars filter: ${JSON.stringify(value)} is not a number`)
      filter.stars = Number(value)
    } else if (name === 'is-automated') filter.isAutomated = value !== 'false'
    else if (name === 'is-official') filter.isOfficial = value !== 'false'
    else throw new TpodError('BAD_FILTER', `invalid filter type ${JSON.stringify(word)}`, { remedy: 'there are stars=NUMBER, is-automated and is-official' })
  }
  return filter
}

/** podman's words first: scripts look for them. */
function inWords(words: string, error: unknown, { signal }: EndpointOptions): unknown {
  if (signal?.aborted === true) return error
  const remedy = error instanceof TpodError && error.remedy !== undefined ? { remedy: error.remedy } : {}
  return new TpodError(errorCode(error) ?? 'REGISTRY_ERROR', `${words}: ${errorMessage(error)}`, { cause: error, ...remedy })
}

function tagSource(name: string, term: string): ReturnType<typeof parseNormalizedReference> {
  try {
    return parseNormalizedReference(name)
  } catch (cause) {
    throw new TpodError('BAD_REFERENCE', `reference "${term}" must be a docker reference`, { cause })
  }
}

/** A term may have anything in it, wildcards too: the reference grammar does not hold. */
async function placesOf(context: TransportContext, term: string): Promise<{ registries: readonly string[]; rest: string }> {
  const slash = term.indexOf('/')
  if (slash > 0) return { registries: [term.slice(0, slash)], rest: term.slice(slash + 1) }
  const { searchRegistries, searchOrigin } = await context.registries()
  if (searchRegistries.length === 0) {
    throw new TpodError('NO_SEARCH_REGISTRIES', `search ${JSON.stringify(term)}: no unqualified-search-registries in ${searchOrigin || 'registries.conf'}`, { remedy: `name a registry: docker.io/${term}` })
  }
  return { registries: searchRegistries, rest: term }
}

async function fromEach<T>(registries: readonly string[], { endpoint }: SearchOptions, ask: (registry: string) => Promise<T[]>): Promise<T[]> {
  const found: T[][] = registries.map(() => [])
  const failures: unknown[] = []
  const queue = registries.entries()
  const worker = async (): Promise<void> => {
    for (const [index, registry] of queue) {
      try {
        found[index] = await ask(registry)
      } catch (error) {
        if (endpoint?.signal?.aborted) throw error
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: parallelRegistries }, worker))
  const results = found.flat()
  if (results.length > 0 || failures.length === 0) return results
  if (failures.length === 1) throw failures[0]
  throw new TpodError(errorCode(failures[0]) ?? 'REGISTRY_ERROR', failures.map((error) => errorMessage(error)).join('; '), { cause: failures[0] })
}

function matches({ stars, isAutomated, isOfficial }: { stars: number; isAutomated: boolean; isOfficial: boolean }, filter: SearchFilter): boolean {
  return stars >= (filter.stars ?? 0)
    && (filter.isAutomated === undefined || isAutomated === filter.isAutomated)
    && (filter.isOfficial === undefined || isOfficial === filter.isOfficial)
}

function fullName(registry: string, name: string): string {
  const isDockerHub = registry === 'docker.io' || registry.endsWith('.docker.io')
  return isDockerHub && !name.includes('/') ? `docker.io/library/${name}` : `${registry}/${name}`
}

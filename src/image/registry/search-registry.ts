/** Searching as docker and podman do. */
import { throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import type { RegistryClient } from './client.ts'
import { readBody } from './http.ts'
import type { SearchResult } from './registry-api.ts'

interface Search {
  host: string
  term: string
  limit: number
  signal?: AbortSignal
}

const maxAnswerBytes = 8 * 1024 * 1024

/** The index (docker's v1 search) is asked without a login; where there is none, `catalog`, in which a full match comes first. */
export async function searchWith(client: RegistryClient, catalog: () => AsyncIterable<string[]>, search: Search): Promise<SearchResult[]> {
  const fromIndex = search.term === '' ? undefined : await searchIndex(client, search)
  if (fromIndex !== undefined) return fromIndex
  const found: SearchResult[] = []
  for await (const page of catalog()) {
    for (const name of page) {
      if (found.length === search.limit) return found
      if (!name.includes(search.term)) continue
      const result = { name: printable(name), description: '', stars: 0, isOfficial: false, isAutomated: false }
      if (name === search.term) found.unshift(result)
      else found.push(result)
    }
    if (found.length === search.limit) return found
  }
  return found
}

/** Undefined: the registry has no index. */
async function searchIndex(client: RegistryClient, { host, term, limit, signal }: Search): Promise<SearchResult[] | undefined> {
  const query = new URLSearchParams({ q: term, n: String(limit) })
  const what = `search ${host}`
  let bytes: Buffer
  try {
    const response = await client.send({ path: `/v1/search?${query}`, what, accept: 'application/json', missing: 'REGISTRY_ERROR', isAnonymous: true, ...(signal === undefined ? {} : { signal }) })
    bytes = await readBody(response, maxAnswerBytes, what)
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof TpodError && /^REGISTRY_(?:ERROR|UNAUTHORIZED|DENIED)$/.test(error.code)) return undefined
    throw error
  }
  const results = parseResults(bytes)
  if (results === undefined) throw new TpodError('BAD_ANSWER', `${what}: the answer is no search result`)
  return results.slice(0, limit)
}

function parseResults(bytes: Buffer): SearchResult[] | undefined {
  let json: { results?: unknown } | null
  try {
    json = JSON.parse(bytes.toString('utf8')) as { results?: unknown } | null
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  if (!Array.isArray(json.results)) return []
  return json.results.flatMap((result: Record<string, unknown> | null) => {
    if (typeof result?.name !== 'string' || result.name === '') return []
    return [{
      name: printable(result.name),
      description: typeof result.description === 'string' ? printable(result.description) : '',
      stars: Number.isSafeInteger(result.star_count) ? (result.star_count as number) : 0,
      isOfficial: result.is_official === true,
      isAutomated: result.is_automated === true,
    }]
  })
}

/** What strangers wrote must not drive the terminal. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').slice(0, 1000)
}

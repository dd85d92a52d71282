/** Lists that a registry gives in pages (distribution specification, "Listing tags"): each page names the next in its Link header. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { RegistryClient } from './client.ts'
import { headerOf, readBody } from './http.ts'
import type { HttpResponse } from './http.ts'

export interface PagesRequest {
  path: string
  /** Of the JSON object. */
  field: string
  what: string
  missing: string
  scopes?: readonly string[]
  signal?: AbortSignal
}

const maxPageBytes = 16 * 1024 * 1024
const maxEntries = 2_000_000
/** Pages in a row that bring nothing: some registries filter after they have cut. */
const maxEmptyPages = 100

/** Entries as sent, strings only. Ends with an error where the list has no end. Throws BAD_ANSWER, REGISTRY_*, `missing`. */
export async function* readPages(client: RegistryClient, { path, field, what, ...request }: PagesRequest): AsyncGenerator<string[]> {
  const seen = new Set<string>()
  let next: string | undefined = path
  let entries = 0
  let empty = 0
  while (next !== undefined) {
    seen.add(next)
    const response = await client.send({ path: next, what, accept: 'application/json', isSmall: true, ...request })
    const page = parsePage(await readBody(response, maxPageBytes, what), field, what)
    yield page
    entries += page.length
    empty = page.length === 0 ? empty + 1 : 0
    if (entries > maxEntries || empty > maxEmptyPages) throw new TpodError('BAD_ANSWER', `${what}: ${response.url.host} sends a list without an end`)
    next = nextPath(response)
    if (next !== undefined && seen.has(next)) throw new TpodError('BAD_ANSWER', `${what}: ${response.url.host} sends us round in a circle: ${next.slice(0, 200)}`)
  }
}

function parsePage(bytes: Buffer, field: string, what: string): string[] {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new TpodError('BAD_ANSWER', `${what}: the registry's answer is not JSON`)
  }
  const list = typeof json === 'object' && json !== null ? (json as Record<string, unknown>)[field] : undefined
  // A repository without tags has null.
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw new TpodError('BAD_ANSWER', `${what}: "${field}" in the registry's answer is no list`)
  return list.filter((entry): entry is string => typeof entry === 'string')
}

/** Path and query alone: whatever host is named, it is the registry that is asked, and nobody else sees the login. */
function nextPath(response: HttpResponse): string | undefined {
  const link = headerOf(response, 'link')
  const target = /<([^>]{1,4096})>\s*;\s*rel="?next"?/i.exec(link)?.[1] ?? /^\s*<([^>]{1,4096})>/.exec(link)?.[1]
  if (target === undefined || !URL.canParse(target, response.url)) return undefined
  const url = new URL(target, response.url)
  return url.pathname + url.search
}

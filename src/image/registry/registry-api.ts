/**
 * What registries are asked besides images: tags, digests, logins, searches. Mirrors and rewritten locations
 * of registries.conf are not used here; whether a registry is blocked or insecure is. Every answer is bounded.
 */
import type { Credentials } from '../../config/auth-file.ts'
import { findRegistry } from '../../config/registries-conf.ts'
import { errorCode, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { isDigest } from '../../oci/digest.ts'
import { manifestAccept } from '../../oci/media-types.ts'
import { formatReference, isDomain, isTag } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { EndpointOptions, TransportContext } from '../types.ts'
import { openRegistryClient } from './client.ts'
import type { RegistryClient, RegistryClientOptions } from './client.ts'
import { connectionOptions } from './client-options.ts'
import { headerOf } from './http.ts'
import { directConnection } from './open-registry.ts'
import { readPages } from './pages.ts'

/** All tags of the repository, in the registry's order, each once. Throws REPOSITORY_UNKNOWN, REGISTRY_*, BAD_ANSWER. */
export async function listTags(context: TransportContext, reference: QualifiedReference, options: EndpointOptions = {}): Promise<string[]> {
  const client = await openRepository(context, reference, options)
  try {
    const tags = new Set<string>()
    const what = `list tags of ${reference.name}`
    for await (const page of readPages(client, { path: 'tags/list', field: 'tags', what, missing: 'REPOSITORY_UNKNOWN', ...signalOf(options) })) {
      // Nexus has null among them.
      for (const tag of page) if (isTag(tag)) tags.add(tag)
    }
    return [...tags]
  } finally {
    client.close()
  }
}

/** Of the manifest that the tag means now; asked for without the manifest where the registry tells. Throws MANIFEST_UNKNOWN, REGISTRY_*. */
export async function getDigest(context: TransportContext, reference: QualifiedReference, options: EndpointOptions = {}): Promise<string> {
  if (reference.digest !== undefined) return reference.digest
  const what = `read ${formatReference(reference)}`
  const client = await openRepository(context, reference, options)
  try {
    const told = await headDigest(client, reference.tag ?? 'latest', what, options.signal)
    if (told !== undefined) return told
  } finally {
    client.close()
  }
  const { openRegistrySource } = await import('./registry-source.ts')
  const source = await openRegistrySource(reference, formatReference(reference), { ...(await directConnection(context, reference, options)), action: 'read' })
  try {
    return (await source.getManifest(undefined, signalOf(options))).digest
  } finally {
    await source.close()
  }
}

/** Undefined: the registry does not say, or does not answer HEAD. */
export async function headDigest(client: RegistryClient, tag: string, what: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    const response = await client.send({ method: 'HEAD', path: `manifests/${tag}`, what, accept: manifestAccept, isSmall: true, missing: 'MANIFEST_UNKNOWN', ...(signal === undefined ? {} : { signal }) })
    response.discard()
    const digest = headerOf(response, 'docker-content-digest')
    return isDigest(digest) ? digest : undefined
  } catch (error) {
    throwIfAborted(signal)
    if (errorCode(error) === 'REGISTRY_ERROR') return undefined
    throw error
  }
}

export interface DeleteManifestOptions extends EndpointOptions {
  /** Only the tag goes: other tags of the same manifest stay. */
  tagOnly?: boolean
}

/** See delete-manifest.ts. */
export async function deleteManifest(context: TransportContext, reference: QualifiedReference, options: DeleteManifestOptions = {}): Promise<void> {
  const { deleteFromRegistry } = await import('./delete-manifest.ts')
  await deleteFromRegistry(context, reference, options)
}

/**
 * Whether the registry takes these credentials: at its root, where it answers whoever is known. Throws REGISTRY_UNAUTHORIZED
 * where it does not, REGISTRY_UNREACHABLE, REGISTRY_TLS, … One that asks nobody to log in takes any.
 */
export async function checkCredentials(context: TransportContext, host: string, credentials: Credentials, options: EndpointOptions = {}): Promise<void> {
  const client = await openHost(context, host, { ...options, credentials: { find: async () => credentials } })
  try {
    const response = await client.send({ path: '/v2/', what: `reach ${host}`, isSmall: true, missing: 'REGISTRY_ERROR', ...signalOf(options) })
    response.discard()
  } finally {
    client.close()
  }
}

export interface SearchOptions extends EndpointOptions {
  /** Default 25. */
  limit?: number
}

export interface SearchResult {
  name: string
  description: string
  stars: number
  isOfficial: boolean
  isAutomated: boolean
}

/** docker's index search where the registry has one, else names of its catalogue that contain `term`. */
export async function searchRegistry(context: TransportContext, host: string, term: string, options: SearchOptions = {}): Promise<SearchResult[]> {
  const { searchWith } = await import('./search-registry.ts')
  // Docker's catalogue is closed, and its search is not at the host that serves images.
  const client = await openHost(context, host, options, host === 'docker.io' ? 'index.docker.io' : host)
  try {
    return await searchWith(client, () => repositoryPages(client, host, options), { host, term, limit: options.limit ?? 25, ...signalOf(options) })
  } finally {
    client.close()
  }
}

/** For one repository, at the registry that it names. */
export async function openRepository(context: TransportContext, reference: QualifiedReference, options: EndpointOptions, actions: NonNullable<RegistryClientOptions['actions']> = 'pull'): Promise<RegistryClient> {
  return openRegistryClient({ ...(await directConnection(context, reference, options)), host: reference.domain, repository: reference.path, actions })
}

async function openHost(context: TransportContext, host: string, options: EndpointOptions, apiHost?: string): Promise<RegistryClient> {
  if (!isDomain(host)) throw new TpodError('BAD_REFERENCE', `reach ${JSON.stringify(host)}: not the name of a registry`, { remedy: 'write HOST[:PORT]' })
  const registry = findRegistry(await context.registries(), host)
  if (registry?.blocked === true) throw new TpodError('REGISTRY_BLOCKED', `reach ${host}: registry ${registry.prefix} is blocked in registries.conf`, { remedy: `remove "blocked = true" of prefix ${registry.prefix} if you trust it` })
  return openRegistryClient({ ...connectionOptions(context, host, registry?.insecure === true, options), host, repository: '', ...(apiHost === undefined ? {} : { apiHost }) })
}

function repositoryPages(client: RegistryClient, host: string, options: EndpointOptions): AsyncGenerator<string[]> {
  return readPages(client, { path: '/v2/_catalog', field: 'repositories', what: `list repositories of ${host}`, missing: 'CATALOG_UNKNOWN', scopes: ['registry:catalog:*'], ...signalOf(options) })
}

function signalOf({ signal }: EndpointOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

/** `docker://` names as sources and destinations of a copy. */
import { findRegistry, resolvePullEndpoints } from '../../config/registries-conf.ts'
import type { PullEndpoint } from '../../config/registries-conf.ts'
import { errorMessage, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { formatReference, parseNormalizedReference, withDefaultTag } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import { dockerPolicyScopes } from '../trust/policy-scopes.ts'
import type { EndpointOptions, ImageDestination, ImageIdentity, ImageSource, TransportContext } from '../types.ts'
import { connectionOptions } from './client-options.ts'
import type { ConnectionOptions } from './client-options.ts'

/**
 * `details` = `//host/repo[:tag|@digest]`; without a host docker.io is meant, without tag and digest `latest`. Mirrors of
 * registries.conf are tried in order, the registry itself last; the first that has the image's manifest serves all the
 * rest. Where there are none, nothing is asked before the first call. The caller closes it.
 * Throws BAD_IMAGE_NAME, BAD_REFERENCE, REGISTRY_BLOCKED, REGISTRIES_CONF_INVALID; with mirrors REGISTRY_*, MANIFEST_UNKNOWN.
 */
export async function openRegistrySourceByName(context: TransportContext, details: string, options: EndpointOptions = {}): Promise<ImageSource> {
  const reference = parseRegistryName(details)
  const endpoints = resolvePullEndpoints(await context.registries(), reference)
  const identity = identityOf(reference)
  if (endpoints.length === 1) return openEndpoint(context, endpoints[0]!, identity, options)
  const failures: string[] = []
  for (const endpoint of endpoints) {
    const source = await openEndpoint(context, endpoint, identity, options)
    try {
      const manifest = await source.getManifest(undefined, options.signal === undefined ? {} : { signal: options.signal })
      // Asked for again, it would be another moment's.
      return { ...source, getManifest: async (digest, asked) => (digest === undefined || digest === manifest.digest ? manifest : source.getManifest(digest, asked)) }
    } catch (error) {
      await source.close()
      throwIfAborted(options.signal)
      if (endpoint === endpoints.at(-1)) throw failures.length === 0 ? error : withMirrors(error, failures)
      failures.push(errorMessage(error))
    }
  }
  throw new TpodError('REGISTRY_ERROR', `read ${formatReference(reference)}: there is no place to read it from`)
}

/** A place to push to; registries.conf says whether it is blocked or insecure, its mirrors and locations are for reading only. Asks nothing yet. */
export async function openRegistryDestinationByName(context: TransportContext, details: string, options: EndpointOptions = {}): Promise<ImageDestination> {
  const reference = parseRegistryName(details)
  const [{ openRegistryDestination }, connection] = await Promise.all([import('./registry-destination.ts'), directConnection(context, reference, options)])
  const resumeDirectory = options.resumeDirectory ?? context.uploadsDirectory
  return openRegistryDestination(reference, identityOf(reference), connection, {
    ...(resumeDirectory === undefined ? {} : { resumeDirectory }),
    ...(options.precomputeDigests === undefined ? {} : { precomputeDigests: options.precomputeDigests }),
    ...(context.temporaryDirectory === undefined ? {} : { temporaryDirectory: context.temporaryDirectory }),
  })
}

/** Connection to the registry that `reference` itself names, for what mirrors are not asked for: pushing, deleting, listing. Throws REGISTRY_BLOCKED. */
export async function directConnection(context: TransportContext, reference: QualifiedReference, options: EndpointOptions): Promise<ConnectionOptions> {
  const text = formatReference(reference)
  const registry = findRegistry(await context.registries(), text)
  if (registry?.blocked === true) {
    throw new TpodError('REGISTRY_BLOCKED', `reach ${text}: registry ${registry.prefix} is blocked in registries.conf`, { remedy: `remove "blocked = true" of prefix ${registry.prefix} if you trust it` })
  }
  return connectionOptions(context, reference.name, registry?.insecure === true, options)
}

/** `//host/repo[:tag|@digest]`, completed. Throws BAD_IMAGE_NAME, BAD_REFERENCE. */
export function parseRegistryName(details: string): QualifiedReference {
  if (!details.startsWith('//')) throw new TpodError('BAD_IMAGE_NAME', `docker: image reference ${details} does not start with //`, { remedy: `write docker://${details}` })
  const reference = withDefaultTag(parseNormalizedReference(details.slice(2)))
  if (reference.tag !== undefined && reference.digest !== undefined) {
    throw new TpodError('BAD_REFERENCE', `docker:${details}: Docker references with both a tag and digest are currently not supported`, { remedy: 'leave the tag away: the digest says which image is meant' })
  }
  return reference
}

function identityOf(reference: QualifiedReference): ImageIdentity & { dockerReference: QualifiedReference } {
  return { transport: 'docker', name: `//${formatReference(reference)}`, dockerReference: reference, policyScopes: dockerPolicyScopes(reference) }
}

async function openEndpoint(context: TransportContext, endpoint: PullEndpoint, identity: ReturnType<typeof identityOf>, options: EndpointOptions): Promise<ImageSource> {
  const { openRegistrySource } = await import('./registry-source.ts')
  const name = identity.name.slice(2)
  const shownAs = endpoint.isMirror ? `${name} from mirror ${endpoint.reference.domain}` : name
  return openRegistrySource(endpoint.reference, shownAs, {
    ...connectionOptions(context, endpoint.reference.name, endpoint.insecure, options, identity.dockerReference.domain), action: 'read', identity,
  })
}

function withMirrors(error: unknown, failures: readonly string[]): unknown {
  if (!(error instanceof TpodError)) return error
  const remedy = error.remedy === undefined ? {} : { remedy: error.remedy }
  return new TpodError(error.code, `${error.message} (Mirrors also failed: ${failures.join('; ')})`, { cause: error, ...remedy })
}

import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { formatReference } from '../../oci/reference.ts'
import { parseManifest } from '../../oci/image-types.ts'
import { resolvePullCandidates } from '../pull/short-names.ts'
import { parseImageName, transportOf } from '../transports/image-name.ts'
import type { ImageName } from '../transports/image-name.ts'
import { openSource } from '../transports/open-source.ts'
import type { EndpointOptions, ImageContext } from '../types.ts'
import { inspectedList, parseListDocument } from './list-document.ts'
import { getStoredList } from './stored-list.ts'

export interface InspectedManifest {
  /** podman's view of a list; a single image's manifest as it is. */
  document: unknown
  /** Set for a single image: the media type. */
  singleImageType?: string
}

/**
 * The list of that name in the store; where there is none (or a single image), what the registry or the named transport
 * has: podman's way. Throws what reaching it throws.
 */
export async function inspectManifest(context: ImageContext, name: string, endpoint: EndpointOptions = {}): Promise<InspectedManifest> {
  if (transportOf(name) === undefined) {
    const stored = await getStoredList(context.store, context.registries, name).catch((error: unknown) => {
      if (!['NO_SUCH_IMAGE', 'NOT_A_MANIFEST_LIST'].includes(errorCode(error) ?? '')) throw error
      return undefined
    })
    if (stored !== undefined) return { document: inspectedList(stored.list) }
  }
  let first: unknown
  for (const candidate of await remoteNames(context, name)) {
    try {
      return await inspectAt(context, candidate, endpoint)
    } catch (error) {
      first ??= error
      if (endpoint.signal?.aborted) break
    }
  }
  throw first
}

async function remoteNames(context: ImageContext, name: string): Promise<ImageName[]> {
  if (transportOf(name) !== undefined) return [parseImageName(name)]
  const { candidates } = await resolvePullCandidates(name, await context.registries())
  return candidates.map((candidate) => ({ transport: 'docker', details: `//${formatReference(candidate)}` }))
}

async function inspectAt(context: ImageContext, name: ImageName, endpoint: EndpointOptions): Promise<InspectedManifest> {
  try {
    return await inspectSource(context, name, endpoint)
  } catch (error) {
    if (!(error instanceof TpodError)) throw error
    throw new TpodError(error.code, `reading image "${name.transport}:${name.details}": ${error.message}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
}

async function inspectSource(context: ImageContext, name: ImageName, endpoint: EndpointOptions): Promise<InspectedManifest> {
  const source = await openSource(context, name, endpoint)
  try {
    const raw = await source.getManifest(undefined, endpoint.signal === undefined ? {} : { signal: endpoint.signal })
    const manifest = parseManifest(raw.bytes, raw.mediaType, source.description)
    if (manifest.kind === 'index') return { document: inspectedList(parseListDocument(raw.bytes, source.description)) }
    return { document: parseJson(raw.bytes, source.description), singleImageType: manifest.mediaType }
  } finally {
    await source.close()
  }
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new TpodError('BAD_MANIFEST', `read manifest of ${what}: not valid JSON`, { cause })
  }
}

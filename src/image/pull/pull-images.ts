/** Pulling from wherever: a registry's image or all tags of a repository, a directory, an archive, a daemon, another store. */
import { errorCode, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { formatReference, isShortName, parseNormalizedReference, parseReference, withDefaultTag } from '../../oci/reference.ts'
import { pullImage } from './pull.ts'
import type { PulledImage } from './pull.ts'
import { resolvePullCandidates } from './short-names.ts'
import { parseImageName, transportOf } from '../transports/image-name.ts'
import type { ImageName } from '../transports/image-name.ts'
import type { StorageReference } from '../transports/storage-reference.ts'
import type { EndpointOptions, ImageContext, PullOptions } from '../types.ts'

export interface PullImagesOptions extends PullOptions {
  /** All tags of the repository. */
  allTags?: boolean
}

/**
 * As pullImage, for names with a transport too; an archive may hold several images. Policies other than always count for
 * registries only. Names are given as podman gives them: an OCI layout's is localhost/PATH, a directory's image has none.
 * Throws what pullImage throws, BAD_IMAGE_NAME, and what the transport throws.
 */
export async function pullImages(context: ImageContext, name: string, options: PullImagesOptions = {}): Promise<PulledImage[]> {
  const { allTags, ...pull } = options
  const named = nameOf(name)
  if (named === undefined || named.transport === 'docker') {
    const plain = named === undefined ? name : formatReference(withDefaultTag(parseNormalizedReference(named.details.slice(2))))
    return allTags === true ? pullAllTags(context, named === undefined ? name : named.details.slice(2), pull) : [await pullImage(context, plain, pull)]
  }
  if (allTags === true) throw new TpodError('BAD_FLAG', `pulling all tags is not supported for ${named.transport} transport`)
  const pulled: PulledImage[] = []
  for (const { name: each, as } of await imagesOf(context, named, pull)) pulled.push(await pullNamed(context, each, as, pull))
  return pulled
}

/** `docker:latest` is an image called docker, `oci:x` a layout. */
function nameOf(name: string): ImageName | undefined {
  const transport = transportOf(name)
  if (transport === undefined || (transport === 'docker' && !name.startsWith('docker://'))) return undefined
  return parseImageName(name)
}

async function pullAllTags(context: ImageContext, name: string, options: PullOptions): Promise<PulledImage[]> {
  const reference = parseReference(name)
  if (reference.tag !== undefined || reference.digest !== undefined) throw new TpodError('BAD_REFERENCE', `pull --all-tags ${name}: tag can't be used with --all-tags/-a`, { remedy: `write ${name.slice(0, name.length - (reference.tag ?? reference.digest ?? '').length - 1)}` })
  const repository = isShortName(reference) ? await findRepository(context, name, options) : reference
  const base = { domain: repository.domain, path: repository.path }
  const pulled: PulledImage[] = []
  for (const tag of await tagsOf(context, formatReference(base), options)) pulled.push(await pullImage(context, formatReference({ ...base, tag }), options))
  return pulled
}

/** The first candidate of a short name that is there. */
async function findRepository(context: ImageContext, name: string, options: PullOptions): Promise<{ domain: string; path: string }> {
  const { candidates, reason } = await resolvePullCandidates(name, await context.registries(), options.chooseCandidate)
  if (reason !== '') options.onProgress?.({ type: 'resolved', shortName: name, reason })
  let failure: unknown
  for (const { domain, path } of candidates) {
    try {
      await tagsOf(context, formatReference({ domain, path }), options)
      return { domain, path }
    } catch (error) {
      throwIfAborted(options.signal)
      failure ??= error
    }
  }
  throw failure
}

async function tagsOf(context: ImageContext, repository: string, options: PullOptions): Promise<string[]> {
  const { listRegistryTags } = await import('../remote/list-image-tags.ts')
  return listRegistryTags(context, `//${repository}`, endpointOf(options))
}

function endpointOf({ tlsVerify, certDirectory, credentials, retries, retryDelayMs, stallTimeoutMs, signal, onProgress }: PullOptions): EndpointOptions {
  const all = { tlsVerify, certDirectory, credentials, retries, retryDelayMs, stallTimeoutMs, signal, onProgress }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

interface NamedSource {
  name: ImageName
  /** How the image is called here; undefined: by what its config says. */
  as: StorageReference | undefined
}

async function imagesOf(context: ImageContext, name: ImageName, options: PullOptions): Promise<NamedSource[]> {
  const { transport, details } = name
  switch (transport) {
    case 'docker-daemon': return [{ name, as: { reference: withDefaultTag(parseNormalizedReference(details)) } }]
    case 'oci': return [{ name, as: localhostName(details.split(':', 1)[0]!) }]
    case 'oci-archive': return [{ name, as: await archivedName(context, name, options) }]
    case 'containers-storage': return [{ name, as: await storedName(context, details) }]
    case 'docker-archive': return dockerArchiveImages(context, details)
    default: return [{ name, as: undefined }]
  }
}

/** No name where the path cannot be one, for capitals in it for instance: podman pulls nothing from there. */
function localhostName(path: string): StorageReference | undefined {
  try {
    return { reference: withDefaultTag(parseNormalizedReference(`localhost/${path.replace(/^\/+/, '')}`)) }
  } catch (error) {
    if (errorCode(error) !== 'BAD_REFERENCE') throw error
    return undefined
  }
}

async function storedName(context: ImageContext, details: string): Promise<StorageReference> {
  const { openStoreOf } = await import('../transports/storage-reference.ts')
  const { named } = await openStoreOf(context, details)
  if (named.reference === undefined) throw new TpodError('BAD_IMAGE_NAME', `could not get an image name for storage reference ${JSON.stringify(details)}`, { remedy: 'name the image, not its id' })
  return { reference: named.reference }
}

/** What the archive's index calls the image. */
async function archivedName(context: ImageContext, name: ImageName, options: PullOptions): Promise<StorageReference | undefined> {
  const { readArchivedName } = await import('../transports/oci-archive.ts')
  const text = await readArchivedName(context, name.details, endpointOf(options))
  if (text === undefined || text === '') return undefined
  return { reference: withDefaultTag(isShortName(parseReference(text)) ? parseNormalizedReference(`localhost/${text}`) : parseNormalizedReference(text)) }
}

async function dockerArchiveImages(context: ImageContext, details: string): Promise<NamedSource[]> {
  const colon = details.indexOf(':')
  const path = colon < 0 ? details : details.slice(0, colon)
  const { listDockerArchive } = await import('../transports/docker-archive-source.ts')
  const names = colon < 0 ? await listDockerArchive(context, path) : [details.slice(colon + 1)]
  return names.map((each) => ({ name: { transport: 'docker-archive', details: `${path}:${each}` }, as: each.startsWith('@') ? undefined : { reference: withDefaultTag(parseNormalizedReference(each)) } }))
}

async function pullNamed(context: ImageContext, name: ImageName, as: StorageReference | undefined, options: PullOptions): Promise<PulledImage> {
  const [{ openSource }, { pullIntoStore }] = await Promise.all([import('../transports/open-source.ts'), import('./pull-into-store.ts')])
  const source = await openSource(context, name, endpointOf(options))
  try {
    const { image, existed } = await pullIntoStore(context, source, as ?? {}, options)
    return { image, reference: as?.reference === undefined ? image.id : formatReference(as.reference), alreadyPresent: existed }
  } catch (error) {
    if (errorCode(error) === 'NO_SUCH_IMAGE') throw new TpodError('NO_SUCH_IMAGE', `pull ${name.transport}:${name.details}: image not known`, { cause: error })
    throw error
  } finally {
    await source.close()
  }
}

/** The tags of a repository, and the names within a docker archive. */
import { TpodError } from '../../errors/tpod-error.ts'
import { parseNormalizedReference, type QualifiedReference } from '../../oci/reference.ts'
import { transportOf } from '../transports/image-name.ts'
import type { EndpointOptions, TransportContext } from '../types.ts'

export interface ImageTags {
  /** host/path; absent for archives. */
  Repository?: string
  /** Of a repository its tags, in the registry's order; of an archive whole names, `@0` for the first image if it has none. */
  Tags: string[]
}

/** `name` is `docker://HOST/PATH`, without a tag, or `docker-archive:PATH`. Throws BAD_IMAGE_NAME in skopeo's words. */
export async function listImageTags(context: TransportContext, name: string, options: EndpointOptions = {}): Promise<ImageTags> {
  const transport = transportOf(name)
  if (transport === undefined) throw new TpodError('BAD_IMAGE_NAME', `Invalid ${JSON.stringify(name)}: does not specify a transport`, { remedy: `write docker://${name}` })
  if (transport === 'docker-archive') {
    const { listDockerArchive } = await import('../transports/docker-archive-source.ts')
    return { Tags: await listDockerArchive(context, name.slice('docker-archive:'.length)) }
  }
  if (transport !== 'docker') throw new TpodError('BAD_IMAGE_NAME', `Unsupported transport '${transport}' for tag listing. Only supported: docker, docker-archive`)
  const reference = repositoryOf(name)
  return { Repository: reference.name, Tags: await tagsOf(context, reference, options) }
}

/** `details` is `//HOST/PATH[:TAG]`; the tag is of no account. */
export async function listRegistryTags(context: TransportContext, details: string, options: EndpointOptions): Promise<string[]> {
  return tagsOf(context, parseNormalizedReference(details.replace(/^\/\//, '')), options)
}

async function tagsOf(context: TransportContext, reference: QualifiedReference, options: EndpointOptions): Promise<string[]> {
  const { listTags } = await import('../registry/registry-api.ts')
  return listTags(context, reference, options)
}

function repositoryOf(name: string): QualifiedReference {
  if (!name.startsWith('docker://')) throw new TpodError('BAD_IMAGE_NAME', `docker: image reference ${name} does not start with docker://`)
  const reference = parseNormalizedReference(name.slice('docker://'.length))
  if (reference.tag !== undefined || reference.digest !== undefined) throw new TpodError('BAD_IMAGE_NAME', 'No tag or digest allowed in reference', { remedy: `write docker://${reference.name}` })
  return reference
}

/** Finds what a sync has to copy: tags of repositories, directories with a manifest.json, the entries of a source file. */
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { anonymous } from '../../config/auth-file.ts'
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { isDigest } from '../../oci/digest.ts'
import { formatReference, isTag, parseNormalizedReference, type QualifiedReference } from '../../oci/reference.ts'
import { listRegistryTags } from '../remote/list-image-tags.ts'
import type { EndpointOptions, TransportContext } from '../types.ts'
import { newestTags, tagsByRegex, tagsBySemver } from './choose-tags.ts'
import type { RegistryToSync } from './source-file.ts'
import type { SyncEvent, SyncImage, SyncPlan, SyncRequest } from './types.ts'

type Log = (level: SyncEvent['level'], message: string, fields?: Record<string, string>) => void

/** Throws what makes the whole sync senseless; a broken entry of a source file is logged and left out, as skopeo does. */
export async function planSync(context: TransportContext, request: SyncRequest): Promise<SyncPlan> {
  const log: Log = (level, message, fields = {}) => request.onEvent?.({ level, message, fields })
  const groups = await findGroups(context, request, log)
  const images = groups.flatMap((group) => group.map((image, index) => ({ ...image, place: `${index + 1}/${group.length}` })))
  return { images, sources: groups.length }
}

type Found = Omit<SyncImage, 'place'>

async function findGroups(context: TransportContext, request: SyncRequest, log: Log): Promise<Found[][]> {
  const { from, source = {} } = request
  if (request.sourceKind === 'docker') return [await findInRepository(context, from, source, log)]
  if (request.sourceKind === 'dir') return [await findInDirectory(from)]
  const { readSourceFile } = await import('./source-file.ts')
  const registries = await readSourceFile(from, (key) => log('warning', `Unknown key in ${from}: ${key}`))
  const groups: Found[][] = []
  for (const registry of registries) groups.push(...await findInRegistry(context, registry, source, log))
  return groups
}

async function findInRepository(context: TransportContext, from: string, endpoint: EndpointOptions, log: Log): Promise<Found[]> {
  let reference: QualifiedReference
  try {
    reference = parseNormalizedReference(from)
  } catch (cause) {
    throw new TpodError('BAD_REFERENCE', `Cannot obtain a valid image reference for transport "docker" and reference ${JSON.stringify(from)}: ${errorMessage(cause)}`, { cause })
  }
  const isTagged = reference.tag !== undefined || reference.digest !== undefined
  log('info', 'Tag presence check', { imagename: from, tagged: String(isTagged) })
  if (isTagged) return [found(reference, endpoint)]
  const images = (await tagsOf(context, reference, endpoint, log)).map((tag) => found({ ...reference, tag }, endpoint))
  if (images.length === 0) throw new TpodError('NOTHING_TO_SYNC', `No images to sync found in ${JSON.stringify(from)}`)
  return images
}

async function findInDirectory(from: string): Promise<Found[]> {
  try {
    await stat(from)
  } catch (cause) {
    throw new TpodError('NOTHING_TO_SYNC', `Invalid source directory specified: stat ${from}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorMessage(cause)}`, { cause })
  }
  const images: Found[] = []
  for await (const directory of imageDirectories(from)) {
    const below = relative(from, directory)
    images.push({ from: `dir:${directory}`, shownFrom: `dir:${directory}`, suffix: below === '' ? basename(from) : below, endpoint: {} })
  }
  if (images.length === 0) throw new TpodError('NOTHING_TO_SYNC', `No images to sync found in ${JSON.stringify(from)}`)
  return images
}

/** In lexical order; symbolic links are not followed. */
async function* imageDirectories(directory: string): AsyncGenerator<string> {
  const entries = (await readdir(directory, { withFileTypes: true })).toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  for (const entry of entries) {
    if (entry.isDirectory()) yield* imageDirectories(join(directory, entry.name))
    else if (entry.name === 'manifest.json') {
      yield directory
      return
    }
  }
}

async function findInRegistry(context: TransportContext, registry: RegistryToSync, usual: EndpointOptions, log: Log): Promise<Found[][]> {
  const endpoint = endpointOf(registry, usual)
  const { images, imagesByTagRegex, imagesBySemver, imagesNewest } = registry
  if (images.length + imagesByTagRegex.length + imagesBySemver.length + imagesNewest.length === 0) {
    log('warning', 'No images specified for registry', { registry: registry.registry })
    return []
  }
  const groups: Found[][] = []
  const scan = async (name: string, choose: (reference: QualifiedReference) => Promise<Found[]>): Promise<void> => {
    const fields = { repo: name, registry: registry.registry }
    const reference = repositoryOf(registry.registry, name, fields, log)
    if (reference === undefined) return
    log('info', 'Processing repo', fields)
    try {
      const group = await choose(reference)
      if (group.length === 0) log('warning', 'No refs to sync found', fields)
      else groups.push(group)
    } catch (error) {
      if (usual.signal?.aborted === true) throw error
      log('error', 'Error processing repo, skipping', fields)
      log('error', errorMessage(error))
    }
  }
  const filtered = (matches: (tag: string) => boolean) => async (reference: QualifiedReference): Promise<Found[]> =>
    (await tagsOf(context, reference, endpoint, log)).filter(matches).map((tag) => found({ ...reference, tag }, endpoint))
  for (const [name, references] of images) {
    if (references.length > 0) await scan(name, async (reference) => references.flatMap((text) => namedImage(reference, text, endpoint, log)))
    else await scan(name, filtered(() => true))
  }
  for (const [name, regex] of imagesByTagRegex) await scan(name, async (reference) => filtered(tagsByRegex(regex))(reference))
  for (const [name, constraint] of imagesBySemver) await scan(name, async (reference) => filtered(tagsBySemver(constraint))(reference))
  for (const [name, rule] of imagesNewest) {
    await scan(name, async (reference) => {
      const tags = await newestTags(context, reference.name, await tagsOf(context, reference, endpoint, log), rule, endpoint)
      return tags.map((tag) => found({ ...reference, tag }, endpoint))
    })
  }
  return groups
}

function endpointOf({ certDirectory, tlsVerify, credentials }: RegistryToSync, usual: EndpointOptions): EndpointOptions {
  return {
    ...usual,
    ...(certDirectory === undefined || certDirectory === '' ? {} : { certDirectory }),
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(credentials === undefined || (credentials.username === '' && credentials.password === '') ? {} : { credentials: { find: async () => credentials, forOthers: anonymous } }),
  }
}

function repositoryOf(registry: string, name: string, fields: Record<string, string>, log: Log): QualifiedReference | undefined {
  try {
    const reference = parseNormalizedReference(`${registry}/${name}`)
    if (reference.tag === undefined && reference.digest === undefined) return reference
    throw new TpodError('BAD_REFERENCE', 'input names a reference, not a repository')
  } catch (error) {
    log('error', 'Error parsing repository name, skipping', fields)
    log('error', errorMessage(error))
    return undefined
  }
}

function namedImage(reference: QualifiedReference, text: string, endpoint: EndpointOptions, log: Log): Found[] {
  if (isDigest(text)) return [found({ ...reference, digest: text }, endpoint)]
  if (isTag(text)) return [found({ ...reference, tag: text }, endpoint)]
  log('error', 'Error parsing ref, skipping', { ref: text })
  log('error', 'invalid tag format')
  return []
}

async function tagsOf(context: TransportContext, reference: QualifiedReference, endpoint: EndpointOptions, log: Log): Promise<string[]> {
  log('info', 'Getting tags', { image: reference.name })
  try {
    // The registry's answer: what cannot be a tag cannot be asked for, nor become a file name.
    return (await listRegistryTags(context, `//${reference.name}`, endpoint)).filter(isTag)
  } catch (cause) {
    if (endpoint.signal?.aborted === true) throw cause
    throw new TpodError(cause instanceof TpodError ? cause.code : 'REGISTRY_ERROR', `Error determining repository tags for repo ${reference.name}: ${errorMessage(cause)}`, { cause })
  }
}

function found(reference: QualifiedReference, endpoint: EndpointOptions): Found {
  const text = formatReference(reference)
  return { from: `docker://${text}`, shownFrom: `docker://${familiarName(text)}`, suffix: text, endpoint }
}

/** As docker writes it: docker.io's own names without host. */
export function familiarName(text: string): string {
  return text.replace(/^docker\.io\/(?:library\/)?/, '')
}

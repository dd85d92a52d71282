/** Deleting on a registry: a manifest with all its tags, or a tag alone. */
import { errorCode, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import { manifestAccept, ociConfig, ociManifest } from '../../oci/media-types.ts'
import { maxManifestBytes } from '../../oci/image-types.ts'
import { formatReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { TransportContext } from '../types.ts'
import type { RegistryClient } from './client.ts'
import { headerOf, readBody } from './http.ts'
import { RegistryRefusal } from './registry-errors.ts'
import { headDigest, listTags, openRepository } from './registry-api.ts'
import type { DeleteManifestOptions } from './registry-api.ts'

interface Deletion {
  context: TransportContext
  client: RegistryClient
  reference: QualifiedReference
  what: string
  options: DeleteManifestOptions
  signal: { signal?: AbortSignal }
}

interface Found {
  bytes: Buffer
  mediaType: string
  digest: string
}

const maxSiblings = 5_000
const parallelHeads = 8
const maxNamed = 10

/**
 * As `skopeo delete`: the tag is resolved to its manifest, and that is deleted, with every tag of it. With `tagOnly` the
 * others stay: by a tag's DELETE where the registry knows it (OCI distribution 1.1), else by the manifest's where it has no
 * other tag; where it has, nothing is deleted and the error (TAG_DELETE_UNSUPPORTED) names them.
 * Throws MANIFEST_UNKNOWN, DELETE_UNSUPPORTED, REGISTRY_*.
 */
export async function deleteFromRegistry(context: TransportContext, reference: QualifiedReference, options: DeleteManifestOptions): Promise<void> {
  const what = `delete ${formatReference(reference)}`
  const client = await openRepository(context, reference, options, '*')
  const deletion: Deletion = { context, client, reference, what, options, signal: options.signal === undefined ? {} : { signal: options.signal } }
  try {
    if (options.tagOnly === true) await deleteTag(deletion)
    else await deleteDigest(deletion, reference.digest ?? (await findManifest(deletion)).digest)
  } finally {
    client.close()
  }
}

async function deleteDigest({ client, what, signal }: Deletion, digest: string): Promise<void> {
  try {
    const response = await client.send({ method: 'DELETE', path: `manifests/${digest}`, what, expect: [202, 200, 204], missing: 'MANIFEST_UNKNOWN', ...signal })
    response.discard()
  } catch (error) {
    if (!isUnsupported(error)) throw error
    throw new TpodError('DELETE_UNSUPPORTED', `${(error as Error).message}: the registry does not permit deleting`, { cause: error, remedy: "docker's registry needs storage.delete.enabled: true (REGISTRY_STORAGE_DELETE_ENABLED)" })
  }
}

async function findManifest({ client, reference, what, signal }: Deletion): Promise<Found> {
  const place = reference.digest ?? reference.tag ?? 'latest'
  const response = await client.send({ path: `manifests/${place}`, what, accept: manifestAccept, missing: 'MANIFEST_UNKNOWN', ...signal })
  const bytes = await readBody(response, maxManifestBytes, `the manifest of ${reference.name}`)
  const { manifestDigest } = await import('../../oci/schema1.ts')
  return { bytes, mediaType: headerOf(response, 'content-type'), digest: manifestDigest(bytes) }
}

async function deleteTag(deletion: Deletion): Promise<void> {
  const { client, reference, what, signal } = deletion
  const { tag } = reference
  if (tag === undefined) throw new TpodError('BAD_REFERENCE', `${what}: a digest has no tag to delete alone`, { remedy: 'name a tag' })
  const found = await findManifest(deletion)
  try {
    const response = await client.send({ method: 'DELETE', path: `manifests/${tag}`, what, expect: [202, 200, 204], missing: 'MANIFEST_UNKNOWN', ...signal })
    response.discard()
    return
  } catch (error) {
    throwIfAborted(deletion.options.signal)
    if (!isUnsupported(error)) throw error
  }
  const siblings = await siblingsOf(deletion, tag, found.digest)
  if (siblings.length === 0) return deleteDigest(deletion, found.digest)
  await deleteStandIn(deletion, tag, found, siblings)
}

/** Other tags of the same manifest. */
async function siblingsOf({ context, client, reference, options, what }: Deletion, tag: string, digest: string): Promise<string[]> {
  const tags = (await listTags(context, reference, options)).filter((other) => other !== tag)
  if (tags.length > maxSiblings) throw new TpodError('TAG_DELETE_UNSUPPORTED', `${what}: ${reference.domain} cannot delete a tag alone, and ${tags.length} other tags are too many to look for those that would go with it`)
  const siblings: string[] = []
  const queue = tags.values()
  const worker = async (): Promise<void> => {
    for (const other of queue) {
      const found = await headDigest(client, other, what, options.signal).catch((error: unknown) => {
        if (errorCode(error) === 'MANIFEST_UNKNOWN') return ''
        throw error
      })
      // Not said: it may be one.
      if (found === digest || found === undefined) siblings.push(other)
    }
  }
  await Promise.all(Array.from({ length: parallelHeads }, worker))
  return siblings.toSorted()
}

/**
 * For registries that delete manifests only: the tag is moved to a manifest that nobody else has, and that one is deleted.
 * What fails in between is undone. Needs the right to push; without it the error names the tags that would go.
 */
async function deleteStandIn(deletion: Deletion, tag: string, found: Found, siblings: readonly string[]): Promise<void> {
  const { client, reference, what, signal } = deletion
  const config = Buffer.from('{}')
  // Unique: the manifest's digest must be no other image's.
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: ociConfig, digest: digestOf(config), size: config.length },
    layers: [],
    annotations: { 'io.tpod.deleted-tag': `${tag} ${new Date().toISOString()} ${crypto.randomUUID()}` },
  }))
  const put = async (bytes: Uint8Array, mediaType: string): Promise<void> => {
    const response = await client.send({ method: 'PUT', path: `manifests/${tag}`, what, headers: { 'Content-Type': mediaType }, body: bytes, expect: [200, 201, 202], missing: 'REPOSITORY_UNKNOWN', ...signal })
    response.discard()
  }
  try {
    const { startUpload } = await import('./upload-session.ts')
    const { location } = await startUpload(client, what, deletion.options.signal)
    location.searchParams.set('digest', digestOf(config))
    const response = await client.send({ method: 'PUT', path: location, what, body: config, headers: { 'Content-Type': 'application/octet-stream' }, expect: [201, 204], missing: 'UPLOAD_UNKNOWN', ...signal })
    response.discard()
    await put(manifest, ociManifest)
  } catch (cause) {
    throwIfAborted(deletion.options.signal)
    const named = siblings.slice(0, maxNamed).join(', ') + (siblings.length > maxNamed ? `, and ${siblings.length - maxNamed} more` : '')
    throw new TpodError('TAG_DELETE_UNSUPPORTED', `${what}: ${reference.domain} cannot delete a tag alone, and with its manifest would go the tags ${named}`, { cause, remedy: `delete ${reference.name}@${found.digest} if all of them may go` })
  }
  try {
    await deleteDigest(deletion, digestOf(manifest))
  } catch (error) {
    await put(found.bytes, found.mediaType)
    throw error
  }
}

function isUnsupported(error: unknown): boolean {
  return error instanceof RegistryRefusal && (error.complaint.status === 405 || error.complaint.code === 'UNSUPPORTED' || (error.complaint.status === 400 && /^(?:DIGEST_INVALID|TAG_INVALID|UNSUPPORTED|)$/.test(error.complaint.code)))
}

/** An image being pushed to a registry (distribution specification, "Push"). */
import { errorCode, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { isDigest, parseDigest } from '../../oci/digest.ts'
import { dockerList, dockerManifest, dockerSchema1, dockerSchema1Signed, ociIndex, ociManifest } from '../../oci/media-types.ts'
import { formatReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { BlobToStore, DestinationTraits, EndpointOptions, ImageDestination, ImageIdentity, RawManifest, StoredBlob } from '../types.ts'
import { uploadBlob } from './blob-upload.ts'
import type { UploadContext } from './blob-upload.ts'
import { openRegistryClient } from './client.ts'
import type { RegistryClient } from './client.ts'
import type { ConnectionOptions } from './client-options.ts'
import { headerOf } from './http.ts'
import { RegistryRefusal } from './registry-errors.ts'
import { sessionOf } from './upload-session.ts'
import type { UploadSession } from './upload-session.ts'

const traits: DestinationTraits = {
  manifestTypes: [ociManifest, dockerManifest, dockerSchema1Signed, dockerSchema1],
  indexTypes: [ociIndex, dockerList],
  layers: 'compressed',
  parallelBlobs: 6,
  keepsForeignLayers: true,
  embedsReference: true,
}

/** Other repositories that are asked for one blob: each is a request, which is soon more than sending it. */
const maxMounts = 4

interface Destination {
  client: RegistryClient
  reference: QualifiedReference
  what: string
  upload: UploadContext
  /** Where blobs wait until their digest is known, if it must be before they are sent. */
  precompute?: { directory: string | undefined }
  /** Left by mounts that the registry didn't make, by digest. */
  begun: Map<string, UploadSession>
}

export interface RegistryDestinationOptions extends Pick<EndpointOptions, 'resumeDirectory' | 'precomputeDigests'> {
  /** For precomputeDigests. */
  temporaryDirectory?: string
}

/** Asks nothing yet. Each blob, and then each manifest, is in the repository as soon as its call returns; the tag moves with the image's own manifest. */
export async function openRegistryDestination(reference: QualifiedReference, identity: ImageIdentity, connection: ConnectionOptions, options: RegistryDestinationOptions = {}): Promise<ImageDestination> {
  const shownAs = formatReference(reference)
  const what = `push ${shownAs}`
  const client = await openRegistryClient({ ...connection, host: reference.domain, repository: reference.path, actions: 'pull,push' })
  const records = options.resumeDirectory === undefined ? {} : { records: (await import('./upload-records.ts')).uploadRecords(options.resumeDirectory) }
  const { attempts, retryDelayMs, stallTimeoutMs, onRetry } = connection
  const upload: UploadContext = { client, repository: reference.name, what, attempts, retryDelayMs, stallTimeoutMs, limits: { chunkBytes: Infinity }, ...(onRetry === undefined ? {} : { onRetry }), ...records }
  const destination: Destination = { client, reference, what, upload, begun: new Map(), ...(options.precomputeDigests === true ? { precompute: { directory: options.temporaryDirectory } } : {}) }
  return {
    description: shownAs,
    identity,
    traits,
    reuseBlob: (blob) => reuseBlob(destination, blob),
    putBlob: (bytes, blob) => putBlob(destination, bytes, blob),
    putManifest: (manifest, { isInstance, signal }) => putManifest(destination, manifest, isInstance, signal),
    async putSignatures(signatures, digest, { signal } = {}) {
      const { writeSignatures } = await import('./signatures.ts')
      await writeSignatures({ client, reference, what, connection }, signatures, parseDigest(digest, what), signal)
    },
    commit: async () => {},
    close: async () => client.close(),
  }
}

async function reuseBlob(destination: Destination, blob: BlobToStore): Promise<StoredBlob | undefined> {
  if (blob.digest === undefined) return undefined
  const digest = parseDigest(blob.digest, destination.what)
  const present = await sizeOf(destination, digest, blob.signal)
  if (present !== undefined) return { digest, sizeBytes: present }
  const { domain, name } = destination.reference
  const candidates = [...new Set(blob.knownAt)].filter((known) => known.startsWith(`${domain}/`) && known !== name).slice(0, maxMounts)
  for (const candidate of candidates) {
    if (!(await mount(destination, digest, candidate.slice(domain.length + 1), blob.signal))) continue
    const size = blob.sizeBytes ?? (await sizeOf(destination, digest, blob.signal))
    if (size !== undefined) return { digest, sizeBytes: size }
  }
  return undefined
}

/** Bytes of the blob there; undefined: it isn't, or not certainly, there. */
async function sizeOf({ client, what }: Destination, digest: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  try {
    const response = await client.send({ method: 'HEAD', path: `blobs/${digest}`, what, isSmall: true, missing: 'BLOB_UNKNOWN', ...(signal === undefined ? {} : { signal }) })
    response.discard()
    const length = headerOf(response, 'content-length')
    return /^\d{1,15}$/.test(length) ? Number(length) : undefined
  } catch (error) {
    throwIfAborted(signal)
    if (errorCode(error) === 'BLOB_UNKNOWN') return undefined
    throw error
  }
}

/** True: the repository now has the blob that `from` (a path on the same registry) has. Refusals are no errors: it is uploaded then. */
async function mount({ client, what, reference, begun }: Destination, digest: string, from: string, signal: AbortSignal | undefined): Promise<boolean> {
  const path = `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`
  const scopes = [`repository:${reference.path}:pull,push`, `repository:${from}:pull`]
  try {
    const response = await client.send({ method: 'POST', path, what, scopes, expect: [201, 202], missing: 'REPOSITORY_UNKNOWN', ...(signal === undefined ? {} : { signal }) })
    response.discard()
    if (response.status === 201) return true
    // Not mounted, but an upload is open now: ours will take it.
    begun.set(digest, sessionOf(client, response, what))
    return false
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof TpodError && /^REGISTRY_(?:UNAUTHORIZED|DENIED|ERROR|RATE_LIMIT)$|^REPOSITORY_UNKNOWN$/.test(error.code)) return false
    throw error
  }
}

async function putBlob(destination: Destination, bytes: AsyncIterable<Uint8Array>, blob: BlobToStore): Promise<StoredBlob> {
  const { begun, upload, what, precompute } = destination
  if (blob.digest === undefined) return precompute === undefined ? uploadBlob(upload, bytes, blob) : putPrecomputed(destination, bytes, blob, precompute.directory)
  const digest = parseDigest(blob.digest, what)
  const session = begun.get(digest)
  begun.delete(digest)
  return uploadBlob(upload, bytes, blob, session)
}

async function putPrecomputed(destination: Destination, bytes: AsyncIterable<Uint8Array>, blob: BlobToStore, directory: string | undefined): Promise<StoredBlob> {
  const { precomputeBlob } = await import('./precompute-blob.ts')
  const computed = await precomputeBlob(bytes, directory)
  try {
    const known: BlobToStore = { ...blob, digest: computed.digest, sizeBytes: computed.sizeBytes, reread: computed.read }
    return (await reuseBlob(destination, known)) ?? (await putBlob(destination, computed.read(0), known))
  } finally {
    computed.close()
  }
}

/** Throws MANIFEST_REJECTED where another type may be taken instead. */
async function putManifest({ client, reference, what }: Destination, manifest: RawManifest, isInstance: boolean, signal: AbortSignal | undefined): Promise<void> {
  if (!isInstance && reference.digest !== undefined && reference.digest !== manifest.digest) {
    throw new TpodError('DIGEST_MISMATCH', `${what}: the image's manifest has digest ${manifest.digest}`, { remedy: 'push to a tag, or preserve the digests' })
  }
  const place = isInstance ? manifest.digest : (reference.digest ?? reference.tag ?? 'latest')
  if (isInstance && !isDigest(place)) parseDigest(place, what)
  try {
    const response = await client.send({
      method: 'PUT',
      path: `manifests/${place}`,
      what: `${what}: manifest ${manifest.digest.slice(7, 19)}`,
      headers: { 'Content-Type': manifest.mediaType },
      body: manifest.bytes,
      expect: [200, 201, 202],
      missing: 'REPOSITORY_UNKNOWN',
      ...(signal === undefined ? {} : { signal }),
    })
    response.discard()
  } catch (error) {
    throw isTypeRefused(error) ? new TpodError('MANIFEST_REJECTED', (error as Error).message, { cause: error, remedy: 'push with another --format' }) : error
  }
}

/** As containers/image tells it: OpenShift, old docker registries and ECR each have their own way. */
function isTypeRefused(error: unknown): boolean {
  if (!(error instanceof RegistryRefusal)) return false
  const { status, code, message } = error.complaint
  return status === 415 || code === 'MANIFEST_INVALID' || code === 'TAG_INVALID' || (code === 'UNSUPPORTED' && message.includes('Invalid JSON syntax'))
}

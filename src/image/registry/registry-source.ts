/** An image on a registry. */
import { TpodError, throwIfAborted } from '../../errors/tpod-error.ts'
import { digestOf, parseDigest } from '../../oci/digest.ts'
import { maxManifestBytes } from '../../oci/image-types.ts'
import { manifestAccept } from '../../oci/media-types.ts'
import { formatReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { BlobOptions, ImageIdentity, ImageSource, RawManifest } from '../types.ts'
import { openRegistryClient } from './client.ts'
import type { RegistryClient } from './client.ts'
import type { ConnectionOptions } from './client-options.ts'
import { headerOf, readBody } from './http.ts'
import type { HttpResponse } from './http.ts'
import { waitToRetry } from './retry.ts'

export interface RegistrySourceOptions extends ConnectionOptions {
  /** What messages say is being done; default pull. */
  action?: string
  /** Default: as the reference says, without policy scopes. */
  identity?: ImageIdentity
}

/** However often new bytes come in between, a blob that breaks more often than this is given up. */
const maxBreaks = 50
const maxSmallBytes = 1024 * 1024

/** `reference` is as the place that is asked calls it; messages use `shownAs` (the user's name for the image). */
export async function openRegistrySource(reference: QualifiedReference, shownAs: string, options: RegistrySourceOptions): Promise<ImageSource> {
  const client = await openRegistryClient({ ...options, host: reference.domain, repository: reference.path })
  const what = `${options.action ?? 'pull'} ${shownAs}`
  return {
    description: formatReference(reference),
    identity: options.identity ?? { transport: 'docker', name: `//${formatReference(reference)}`, dockerReference: reference, policyScopes: [] },
    getManifest: (digest, { signal } = {}) => getManifest(client, reference, what, digest, signal),
    getBlob: (digest, blobOptions = {}) => readBlob(client, digest, what, blobOptions, options),
    async getSignatures(digest, { signal } = {}) {
      const { readSignatures } = await import('./signatures.ts')
      const signed = digest ?? reference.digest ?? (await getManifest(client, reference, what, undefined, signal)).digest
      return readSignatures({ client, reference, what, connection: options }, signed, signal)
    },
    close: async () => client.close(),
  }
}

async function getManifest(client: RegistryClient, reference: QualifiedReference, what: string, digest: string | undefined, signal: AbortSignal | undefined): Promise<RawManifest> {
  const wanted = digest === undefined ? reference.digest : parseDigest(digest, what)
  const response = await client.send({ path: `manifests/${wanted ?? reference.tag ?? 'latest'}`, what, accept: manifestAccept, isSmall: true, missing: 'MANIFEST_UNKNOWN', ...(signal === undefined ? {} : { signal }) })
  const bytes = await readBody(response, maxManifestBytes, `the manifest of ${reference.name}`)
  const actual = await digestOfManifest(bytes)
  if (wanted !== undefined && actual !== wanted) {
    throw new TpodError('DIGEST_MISMATCH', `${what}: ${reference.domain} served a manifest with digest ${actual} instead of ${wanted}`, { remedy: 'the registry or a proxy before it is broken or hostile' })
  }
  return { bytes, digest: actual, mediaType: headerOf(response, 'content-type') }
}

/** Signed manifests of docker's schema 1 are known by the digest of what was signed. */
async function digestOfManifest(bytes: Buffer): Promise<string> {
  return bytes.includes('"signatures"') ? (await import('../../oci/schema1.ts')).manifestDigest(bytes) : digestOf(bytes)
}

/** Resumes by Range from the bytes already handed out; a server without ranges is read again and its beginning skipped. */
async function* readBlob(client: RegistryClient, digest: string, image: string, { offset = 0, sizeBytes, signal }: BlobOptions, { retryDelayMs, attempts, onRetry }: RegistrySourceOptions): AsyncGenerator<Uint8Array> {
  const what = `${image}: layer ${parseDigest(digest, image).slice(7, 19)}`
  let position = offset
  let fruitless = 0
  for (let breaks = 1; ; breaks++) {
    const before = position
    let failure: unknown
    try {
      for await (const chunk of readFrom(client, digest, what, position, sizeBytes !== undefined && sizeBytes <= maxSmallBytes, signal)) {
        position += chunk.length
        if (sizeBytes !== undefined && position > sizeBytes) throw new TpodError('DIGEST_MISMATCH', `${what}: the registry sent more than the ${sizeBytes} bytes that the manifest states`)
        yield chunk
      }
      if (sizeBytes === undefined || position === sizeBytes) return
      failure = new TpodError('BLOB_TRUNCATED', `${what}: the registry sent ${position} of ${sizeBytes} bytes`, { remedy: 'try again; if it stays, the blob on the registry is damaged' })
    } catch (error) {
      throwIfAborted(signal)
      if (!isResumable(error, position)) throw error
      failure = error
    }
    fruitless = position > before ? 1 : fruitless + 1
    // Attempts are counted anew whenever bytes arrived.
    if (fruitless >= attempts || breaks >= maxBreaks) throw truncation(failure, what, position, sizeBytes)
    await waitToRetry(failure, fruitless, {
      delayMs: retryDelayMs,
      attempts,
      ...(signal === undefined ? {} : { signal }),
      ...(onRetry === undefined ? {} : { onRetry: (why, attempt, delayMs) => onRetry(what, why, attempt, delayMs) }),
    })
  }
}

async function* readFrom(client: RegistryClient, digest: string, what: string, position: number, isSmall: boolean, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const response = await client.send({ path: `blobs/${digest}`, what, offset: position, isSmall, missing: 'BLOB_UNKNOWN', ...(signal === undefined ? {} : { signal }) })
  let skip = response.status === 206 ? startOf(response, position, what) : position
  for await (const chunk of response.body) {
    if (skip >= chunk.length) {
      skip -= chunk.length
      continue
    }
    yield skip === 0 ? chunk : chunk.subarray(skip)
    skip = 0
  }
}

/** Bytes of a partial answer that we have already. */
function startOf(response: HttpResponse, position: number, what: string): number {
  const start = /^bytes (\d+)-/.exec(headerOf(response, 'content-range'))?.[1]
  if (start !== undefined && Number(start) <= position) return position - Number(start)
  response.discard()
  throw new TpodError('REGISTRY_ERROR', `${what}: asked for bytes from ${position}, got ${JSON.stringify(headerOf(response, 'content-range'))}`)
}

function isResumable(error: unknown, position: number): boolean {
  if (!(error instanceof TpodError)) return false
  // Refused in the middle of a blob: the registry, or the proxy, is being restarted.
  return error.code === 'BROKEN_TRANSFER' || (/^(?:REGISTRY_UNREACHABLE|PROXY_UNREACHABLE|PROXY_REFUSED)$/.test(error.code) && position > 0)
}

function truncation(failure: unknown, what: string, position: number, sizeBytes: number | undefined): unknown {
  if (failure instanceof TpodError && failure.code !== 'BROKEN_TRANSFER') return failure
  const total = sizeBytes === undefined ? '' : ` of ${sizeBytes}`
  return new TpodError('BLOB_TRUNCATED', `${what}: the connection breaks after ${position}${total} bytes`, { cause: failure, remedy: 'try again; the network or the registry is unreliable' })
}

/** Signatures of what lies on a registry: puts the places that trust/ knows together with this registry's client. */
import { errorCode } from '../../errors/tpod-error.ts'
import { maxManifestBytes } from '../../oci/image-types.ts'
import { manifestAccept } from '../../oci/media-types.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { RegistrySignaturePlaces } from '../trust/registry-signatures.ts'
import type { AttachmentRepository } from '../trust/sigstore-attachments.ts'
import type { Signature } from '../types.ts'
import { startUpload } from './upload-session.ts'
import type { RegistryClient } from './client.ts'
import type { ConnectionOptions } from './client-options.ts'
import { headerOf, readBody } from './http.ts'

export interface SignatureOptions {
  client: RegistryClient
  /** As the registry that is asked calls the image. */
  reference: QualifiedReference
  /** Action and object for messages. */
  what: string
  connection: Pick<ConnectionOptions, 'tls' | 'proxyFor' | 'stallTimeoutMs' | 'userAgent' | 'registriesDirectories' | 'lookasideDirectory'>
}

/** Throws LOOKASIDE_FAILED, SIGNATURE_INVALID, ATTACHMENT_INVALID, REGISTRY_*. */
export async function readSignatures(options: SignatureOptions, manifestDigest: string, signal?: AbortSignal): Promise<Signature[]> {
  const { readRegistrySignatures } = await import('../trust/registry-signatures.ts')
  return withPlaces(options, (places) => readRegistrySignatures(places, manifestDigest, signal))
}

/** Throws SIGNATURES_DISABLED, LOOKASIDE_FAILED, REGISTRY_*. */
export async function writeSignatures(options: SignatureOptions, signatures: readonly Signature[], manifestDigest: string, signal?: AbortSignal): Promise<void> {
  const { writeRegistrySignatures } = await import('../trust/registry-signatures.ts')
  await withPlaces(options, (places) => writeRegistrySignatures(places, signatures, manifestDigest, signal))
}

async function withPlaces<T>({ client, reference, what, connection }: SignatureOptions, act: (places: RegistrySignaturePlaces) => Promise<T>): Promise<T> {
  const { signatureFetcher } = await import('../trust/fetch-signature.ts')
  const { tls, proxyFor, stallTimeoutMs, userAgent, registriesDirectories, lookasideDirectory } = connection
  const fetcher = signatureFetcher({ tls, stallTimeoutMs, userAgent, ...(proxyFor === undefined ? {} : { proxyFor }) })
  try {
    return await act({
      reference,
      registriesDirectories: registriesDirectories ?? ['/etc/containers/registries.d'],
      ...(lookasideDirectory === undefined ? {} : { lookasideDirectory }),
      attachments: async () => attachmentRepository(client, reference.name, what),
      fetchUrl: fetcher.fetchUrl,
    })
  } finally {
    fetcher.close()
  }
}

function attachmentRepository(client: RegistryClient, name: string, what: string): AttachmentRepository {
  const of = (signal: AbortSignal | undefined): { what: string; signal?: AbortSignal } => ({ what: `${what}: signatures`, ...(signal === undefined ? {} : { signal }) })
  return {
    name,
    async getManifest(tag, signal) {
      const response = await client.send({ path: `manifests/${tag}`, accept: manifestAccept, missing: 'MANIFEST_UNKNOWN', ...of(signal) }).catch(isMissing)
      return response === undefined ? undefined : { bytes: await readBody(response, maxManifestBytes, `signatures of ${name}`), mediaType: headerOf(response, 'content-type') }
    },
    async getBlob(digest, maxBytes, signal) {
      return readBody(await client.send({ path: `blobs/${digest}`, missing: 'BLOB_UNKNOWN', ...of(signal) }), maxBytes, `signature of ${name}`)
    },
    async putBlob(bytes, digest, signal) {
      const known = await client.send({ method: 'HEAD', path: `blobs/${digest}`, missing: 'BLOB_UNKNOWN', ...of(signal) }).catch(isMissing)
      known?.discard()
      if (known !== undefined) return
      const { location } = await startUpload(client, of(signal).what, signal)
      location.searchParams.set('digest', digest)
      const response = await client.send({ method: 'PUT', path: location, body: bytes, headers: { 'Content-Type': 'application/octet-stream' }, expect: [201, 204], missing: 'UPLOAD_UNKNOWN', ...of(signal) })
      response.discard()
    },
    async putManifest(tag, bytes, mediaType, signal) {
      const response = await client.send({ method: 'PUT', path: `manifests/${tag}`, body: bytes, headers: { 'Content-Type': mediaType }, expect: [200, 201, 202], missing: 'REPOSITORY_UNKNOWN', ...of(signal) })
      response.discard()
    },
  }
}

function isMissing(error: unknown): undefined {
  if (/^(?:MANIFEST|BLOB)_UNKNOWN$/.test(errorCode(error) ?? '')) return undefined
  throw error
}

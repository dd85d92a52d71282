/** All signatures of a registry's image, from wherever registries.d says: its lookaside storage, and attachments in the registry itself. */
import { pathToFileURL } from 'node:url'
import { findSignaturePlace, loadRegistriesD } from '../../config/registries-d.ts'
import type { SignaturePlace } from '../../config/registries-d.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { Signature } from '../types.ts'
import { readLookaside, writeLookaside } from './lookaside.ts'
import type { FetchUrl } from './lookaside.ts'
import { dockerPolicyScopes } from './policy-scopes.ts'
import type { AttachmentRepository } from './sigstore-attachments.ts'

export interface RegistrySignaturePlaces {
  /** As the registry that is asked calls the image. */
  reference: QualifiedReference
  /** Directories of registries.d; the first that exists counts. */
  registriesDirectories: readonly string[]
  /** Where signatures lie where registries.d names no place; default /var/lib/containers/sigstore, root's. */
  lookasideDirectory?: string
  /** Asked for only where attachments are in use. */
  attachments: () => Promise<AttachmentRepository>
  fetchUrl: FetchUrl
}

/** Lookaside first, then attachments, as containers/image orders them. */
export async function readRegistrySignatures(places: RegistrySignaturePlaces, manifestDigest: string, signal?: AbortSignal): Promise<Signature[]> {
  const place = await placeOf(places)
  const options = { fetchUrl: places.fetchUrl, ...(signal === undefined ? {} : { signal }) }
  const signatures = await readLookaside(place.read ?? defaultBase(places), places.reference, manifestDigest, options)
  if (!place.useSigstoreAttachments) return signatures
  const { readSigstoreAttachments } = await import('./sigstore-attachments.ts')
  return [...signatures, ...(await readSigstoreAttachments(await places.attachments(), manifestDigest, signal))]
}

/** Simple signatures replace those of the lookaside storage, sigstore ones are added to the attachments. Throws SIGNATURES_DISABLED, LOOKASIDE_FAILED, what the registry throws. */
export async function writeRegistrySignatures(places: RegistrySignaturePlaces, signatures: readonly Signature[], manifestDigest: string, signal?: AbortSignal): Promise<void> {
  if (signatures.length === 0) return
  const place = await placeOf(places)
  const sigstore = signatures.filter((signature) => signature.kind === 'sigstore')
  const simple = signatures.filter((signature) => signature.kind === 'simple')
  if (sigstore.length > 0) {
    if (!place.useSigstoreAttachments) throw new TpodError('SIGNATURES_DISABLED', 'writing sigstore attachments is disabled by configuration', { remedy: `set use-sigstore-attachments: true for ${places.reference.name} in registries.d` })
    const { writeSigstoreAttachments } = await import('./sigstore-attachments.ts')
    await writeSigstoreAttachments(await places.attachments(), sigstore, manifestDigest, signal)
  }
  if (simple.length > 0) await writeLookaside(place.write ?? defaultBase(places), places.reference, manifestDigest, simple)
}

async function placeOf({ reference, registriesDirectories }: RegistrySignaturePlaces): Promise<SignaturePlace> {
  return findSignaturePlace(await loadRegistriesD(registriesDirectories), dockerPolicyScopes(reference))
}

function defaultBase({ lookasideDirectory }: RegistrySignaturePlaces): string {
  return pathToFileURL(lookasideDirectory ?? '/var/lib/containers/sigstore').href
}

/** Which image of the store a name, id or digest means: podman's order of search (libimage LookupImage). */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { isDigest } from '../../oci/digest.ts'
import { formatReference, isShortName, parseReference, withDefaultTag, withoutRedundantTag } from '../../oci/reference.ts'
import type { QualifiedReference, Reference } from '../../oci/reference.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { localCandidates } from '../pull/short-names.ts'

export interface LocalImage {
  image: ImageRecord
  /** The name it was found by: fully qualified, or the id (part) or digest as given. */
  resolvedName: string
  /** By id or bare digest: the user did not say any name. */
  isById: boolean
}

/**
 * Order: full id or `sha256:` + id; exact qualified name; for short names alias, localhost/, search registries,
 * docker.io; then a unique id prefix; then any stored name that ends in `/NAME`. Undefined when there is none.
 * Throws BAD_REFERENCE, AMBIGUOUS_ID. `registries` is asked for short names only.
 */
export async function findLocalImage(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string): Promise<LocalImage | undefined> {
  return findImageIn(await store.listImages(), registries, nameOrId)
}

/** Throws NO_SUCH_IMAGE (exit status 125; rmi makes it 1). */
export async function getLocalImage(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string): Promise<LocalImage> {
  const found = await findLocalImage(store, registries, nameOrId)
  if (found === undefined) throw noSuchImage(nameOrId)
  return found
}

export function noSuchImage(nameOrId: string): TpodError {
  return new TpodError('NO_SUCH_IMAGE', `${nameOrId}: image not known`)
}

/** As findLocalImage, on a snapshot. */
export async function findImageIn(images: readonly ImageRecord[], registries: () => Promise<RegistriesConfig>, nameOrId: string): Promise<LocalImage | undefined> {
  const hex = nameOrId.startsWith('sha256:') ? nameOrId.slice('sha256:'.length) : nameOrId
  if (isDigest(`sha256:${hex}`)) {
    const image = images.find(({ id }) => id === hex) ?? images.find((candidate) => hasDigest(candidate, `sha256:${hex}`))
    return image === undefined ? undefined : { image, resolvedName: nameOrId, isById: true }
  }
  if (nameOrId.startsWith('sha256:')) throw new TpodError('BAD_REFERENCE', `invalid image id ${JSON.stringify(nameOrId)}: want 64 hex digits after sha256:`)
  const reference = withoutRedundantTag(parseReference(nameOrId))
  const config = isShortName(reference) ? await registries() : emptyRegistries
  for (const candidate of localCandidates(reference, config)) {
    const image = findByName(images, candidate)
    if (image !== undefined) return { image, resolvedName: formatReference(candidate), isById: false }
  }
  const byPrefix = findByIdPrefix(images, nameOrId)
  if (byPrefix !== undefined) return { image: byPrefix, resolvedName: nameOrId, isById: true }
  return isShortName(reference) ? findBySuffix(images, reference) : undefined
}

/** Every manifest digest the image is known by. */
export function imageDigests(image: ImageRecord): Set<string> {
  const digests = new Set<string>()
  if (image.digest !== undefined && image.digest !== '') digests.add(image.digest)
  for (const [key, digest] of Object.entries(image['big-data-digests'] ?? {})) if (key.startsWith('manifest')) digests.add(digest)
  return digests
}

const emptyRegistries: RegistriesConfig = { registries: [], searchRegistries: [], searchOrigin: '', shortNameMode: 'permissive', aliases: new Map(), credentialHelpers: [] }

function hasDigest(image: ImageRecord, digest: string): boolean {
  return imageDigests(image).has(digest)
}

function findByName(images: readonly ImageRecord[], reference: QualifiedReference): ImageRecord | undefined {
  const name = formatReference(reference)
  const exact = images.find((image) => image.names?.includes(name))
  if (exact !== undefined || reference.digest === undefined) return exact
  // Pulled by tag: no name@digest is stored, but the image has that digest and a name of that repository.
  const { digest } = reference
  return images.find((image) => hasDigest(image, digest) && image.names?.some((stored) => repositoryOf(stored) === reference.name))
}

function findByIdPrefix(images: readonly ImageRecord[], prefix: string): ImageRecord | undefined {
  if (!/^[0-9a-f]+$/.test(prefix)) return undefined
  const found = images.filter(({ id }) => id.startsWith(prefix))
  if (found.length > 1) throw new TpodError('AMBIGUOUS_ID', `image id ${prefix} is ambiguous: ${found.map(({ id }) => id.slice(0, prefix.length + 6)).join(', ')}`, { remedy: 'give more digits' })
  return found[0]
}

/** Docker's habit: `NAME` means any stored `…/NAME`. */
function findBySuffix(images: readonly ImageRecord[], reference: Reference): LocalImage | undefined {
  const wanted = withDefaultTag(reference)
  for (const image of images) {
    for (const name of image.names ?? []) {
      const repository = repositoryOf(name)
      if (repository !== wanted.path && !repository.endsWith(`/${wanted.path}`)) continue
      const isMatch = wanted.digest === undefined ? name === `${repository}:${wanted.tag}` : hasDigest(image, wanted.digest)
      if (isMatch) return { image, resolvedName: name, isById: false }
    }
  }
  return undefined
}

function repositoryOf(name: string): string {
  const withoutDigest = name.split('@')[0]!
  const colon = withoutDigest.lastIndexOf(':')
  return colon > withoutDigest.lastIndexOf('/') ? withoutDigest.slice(0, colon) : withoutDigest
}

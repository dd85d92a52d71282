/** Names of local images. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, isShortName, parseReference, qualifyReference, withDefaultTag, withoutRedundantTag } from '../../oci/reference.ts'
import type { ImageRecord, Store } from '../../storage/types.ts'
import { getLocalImage } from './resolve-local.ts'

/**
 * Full form of a new local name: `localhost/` where there is no registry host, `:latest` where there is no tag.
 * Throws BAD_REFERENCE; digests cannot be given to an image.
 */
export function normalizeNewName(name: string): string {
  const reference = parseReference(name)
  if (reference.digest !== undefined) throw new TpodError('BAD_REFERENCE', `tag ${name}: an image cannot be given a digest as its name`, { remedy: 'give NAME[:TAG]' })
  return formatReference(withDefaultTag(qualifyReference(reference, isShortName(reference) ? 'localhost' : reference.domain)))
}

/** A name an image may have already: also one with a digest, beside which a tag means nothing. Throws BAD_REFERENCE. */
function normalizeStoredName(name: string): string {
  const reference = withoutRedundantTag(parseReference(name))
  if (reference.digest === undefined) return normalizeNewName(name)
  return formatReference(qualifyReference(reference, isShortName(reference) ? 'localhost' : reference.domain))
}

/** Adds names; each is taken away from the image that had it. All names are checked before any is given. */
export async function tagImage(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string, newNames: readonly string[]): Promise<ImageRecord> {
  const names = newNames.map(normalizeNewName)
  const { image } = await getLocalImage(store, registries, nameOrId)
  return store.changeImageNames(image.id, 'add', names)
}

/** Removes the given names, or all. Throws NO_SUCH_TAG for a name the image does not have. The image itself stays. */
export async function untagImage(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string, names: readonly string[] = []): Promise<ImageRecord> {
  const { image } = await getLocalImage(store, registries, nameOrId)
  if (names.length === 0) return store.changeImageNames(image.id, 'set', [])
  const full = names.map(normalizeStoredName)
  const unknown = full.find((name) => image.names?.includes(name) !== true)
  if (unknown !== undefined) throw new TpodError('NO_SUCH_TAG', `${unknown}: tag not known`)
  return store.changeImageNames(image.id, 'remove', full)
}

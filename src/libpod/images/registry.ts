/** Images where they lie, without an engine: what skopeo's commands and `tpod image` share. */
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { EndpointOptions, TransportContext } from '../../image/types.ts'

export interface DeleteImageOptions extends EndpointOptions {
  /** The tag alone goes; other tags of the same manifest stay, or the registry is not touched. */
  tagOnly?: boolean
}

/**
 * Deletes the image that `name` (`transport:details`) means. On a registry the manifest goes, and with it every tag of it,
 * unless `tagOnly`; in a store the name's image; in an OCI layout the entry of its index. Other transports cannot delete.
 */
export async function deleteImage(context: TransportContext, name: string, options: DeleteImageOptions = {}): Promise<void> {
  const { parseImageName } = await import('../../image/transports/image-name.ts')
  const { transport, details } = parseImageName(name)
  if (transport === 'docker') {
    const [{ deleteManifest }, { parseNormalizedReference, withDefaultTag }] = await Promise.all([import('../../image/registry/registry-api.ts'), import('../../oci/reference.ts')])
    await deleteManifest(context, withDefaultTag(parseNormalizedReference(details.replace(/^\/\//, ''))), options)
    return
  }
  if (options.tagOnly === true) throw new TpodError('BAD_FLAG', `delete ${name}: only a registry has tags to delete alone`)
  if (transport === 'containers-storage') return deleteFromStore(context, details)
  throw new TpodError('DELETE_UNSUPPORTED', `Deleting images not implemented for ${transport}: images`)
}

/** As skopeo: the image itself goes, whatever other names it has; one in use by a container stays. */
async function deleteFromStore(context: TransportContext, details: string): Promise<void> {
  const { findStoredImage, openStoreOf } = await import('../../image/transports/storage-reference.ts')
  const { store, named } = await openStoreOf(context, details)
  await store.deleteImage((await findStoredImage(store, named)).id)
}

/** The digest by which a manifest in a file is known. Throws MANIFEST_FILE. */
export async function digestOfManifestFile(path: string): Promise<string> {
  const [{ manifestDigest }, { readFile }] = await Promise.all([import('../../oci/schema1.ts'), import('node:fs/promises')])
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new TpodError('MANIFEST_FILE', `Error reading manifest from ${path}: open ${path}: ${systemReason(cause)}`, { cause })
  }
  return manifestDigest(bytes)
}

function systemReason(cause: unknown): string {
  const code = errorCode(cause)
  return code === 'ENOENT' ? 'no such file or directory' : code ?? errorMessage(cause)
}

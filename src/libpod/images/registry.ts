/** Images where they lie, without an engine: what skopeo's commands and `tpod image` share. */
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { CopyBetweenOptions } from '../../image/copy/copy-between.ts'
import type { CopyResult } from '../../image/copy/types.ts'
import type { InspectRemoteOptions, RemoteInspect } from '../../image/remote/inspect-remote.ts'
import type { SyncRequest, SyncResult } from '../../image/sync/types.ts'
import type { EndpointOptions, TransportContext } from '../../image/types.ts'

/** From one place to another, both named `transport:details`; contract and errors as in image/copy/copy-between.ts. */
export async function copyImage(context: TransportContext, from: string, to: string, options: CopyBetweenOptions = {}): Promise<CopyResult> {
  const { copyBetween } = await import('../../image/copy/copy-between.ts')
  return copyBetween(context, from, to, options)
}

/** What skopeo's inspect says of the image that `name` (`transport:details`) means. Throws BAD_IMAGE_NAME, MANIFEST_UNKNOWN and what the transport throws. */
export async function inspectRemoteImage(context: TransportContext, name: string, options: InspectRemoteOptions = {}): Promise<RemoteInspect> {
  const { inspectRemote } = await import('../../image/remote/inspect-remote.ts')
  return inspectRemote(context, name, options)
}

/** All tags of a repository (`docker://host/path`), or the names in a docker archive. */
export async function listRemoteTags(context: TransportContext, name: string, options: EndpointOptions = {}): Promise<string[]> {
  const { listImageTags } = await import('../../image/remote/list-image-tags.ts')
  return (await listImageTags(context, name, options)).Tags
}

/** Many images from a registry, a directory or a YAML file; contract as in image/sync/sync-images.ts. */
export async function syncImages(context: TransportContext, request: SyncRequest): Promise<SyncResult> {
  const { syncImages: sync } = await import('../../image/sync/sync-images.ts')
  return sync(context, request)
}

export interface DeleteImageOptions extends EndpointOptions {
  /** The tag alone goes; other tags of the same manifest stay, or the registry is not touched. */
  tagOnly?: boolean
}

/**
 * Deletes the image that `name` (`transport:details`) means. On a registry the manifest goes, and with it every tag of it,
 * unless `tagOnly`; in a store the name's image. Other transports cannot delete.
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

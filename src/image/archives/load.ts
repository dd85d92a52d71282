/** Images from files into the store: what `podman load` reads. */
import { statSync } from 'node:fs'
import { errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import { copyImage } from '../copy/copy-image.ts'
import type { OnPullProgress } from '../progress.ts'
import { normalizeNewName } from '../local/tag.ts'
import { openArchiveDescriptor, openArchiveFiles } from '../transports/archive-files.ts'
import { describeErrno, openDirectoryFiles } from '../transports/file-set.ts'
import type { FileSet } from '../transports/file-set.ts'
import { entryName, isImageEntry, readLayoutIndex } from '../transports/oci-layout-index.ts'
import { storageImageDestination } from '../transports/storage-destination.ts'
import { pathPolicyScopes } from '../trust/policy-scopes.ts'
import type { ImageContext, ImageIdentity, ImageSource } from '../types.ts'

/** A path, or an open descriptor (standard input), which is closed. */
export type LoadInput = string | { fd: number; shownAs: string }

export interface LoadOptions {
  signal?: AbortSignal
  onProgress?: OnPullProgress
}

interface LoadableImage {
  names: readonly QualifiedReference[]
  open: () => Promise<ImageSource>
}

/**
 * Loads all images of a docker archive, an OCI archive (either compressed or not), an OCI layout or a dir: image; which it
 * is shows in its files. Returns what they are called now, `sha256:ID` where one has no name. What fails leaves the
 * images before it loaded. policy.json is asked for each.
 * Throws NO_SUCH_IMAGE_PATH, UNKNOWN_PAYLOAD, ARCHIVE_*, BAD_MANIFEST, BAD_CONFIG, DIGEST_MISMATCH, POLICY_*, NO_SPACE.
 */
export async function loadImages(context: ImageContext, input: LoadInput, options: LoadOptions = {}): Promise<string[]> {
  const path = typeof input === 'string' ? input : input.shownAs
  const isDirectory = typeof input === 'string' && statInput(input)
  const files = isDirectory ? openDirectoryFiles(path) : await openArchive(context, input, options)
  try {
    const loaded: string[] = []
    for (const image of await imagesIn(files, path, isDirectory, options.signal)) loaded.push(...(await loadOne(context, image, options)))
    return loaded
  } finally {
    await files.close()
  }
}

/** True for a directory. */
function statInput(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (cause) {
    throw new TpodError('NO_SUCH_IMAGE_PATH', `stat ${path}: ${describeErrno(cause)}`, { cause })
  }
}

async function openArchive(context: ImageContext, input: LoadInput, { signal }: LoadOptions): Promise<FileSet> {
  const archive = { temporaryDirectory: context.temporaryDirectory, signal }
  try {
    if (typeof input === 'string') return await openArchiveFiles(input, archive)
    return await openArchiveDescriptor(input.fd, input.shownAs, archive)
  } catch (error) {
    // What is no tar at all; an archive that is merely damaged says so itself.
    if (!(error instanceof TpodError) || error.code !== 'ARCHIVE_INVALID') throw error
    throw unknownPayload(errorMessage(error), error)
  }
}

async function imagesIn(files: FileSet, path: string, isDirectory: boolean, signal: AbortSignal | undefined): Promise<LoadableImage[]> {
  const isLayout = (await files.sizeOf('index.json')) !== undefined
  const hasManifest = (await files.sizeOf('manifest.json')) !== undefined
  // docker from 25 on writes both; manifest.json is what it reads itself.
  if (hasManifest && !isDirectory) return dockerArchiveImages(files, path, isLayout ? await fullNames(files) : new Set(), signal)
  if (isLayout) return layoutImages(files, path, isDirectory)
  if (!hasManifest) throw unknownPayload(`${path} has neither manifest.json nor index.json`)
  const { openDirectorySource } = await import('../transports/directory.ts')
  return [{ names: [], open: () => openDirectorySource(path) }]
}

/** Names that index.json gives whole where docker's manifest.json has `alpine:3`. */
async function fullNames(files: FileSet): Promise<ReadonlySet<string>> {
  const { manifests } = await readLayoutIndex(files)
  return new Set(manifests.flatMap(({ annotations }) => annotations?.['io.containerd.image.name'] ?? []))
}

async function dockerArchiveImages(files: FileSet, path: string, known: ReadonlySet<string>, signal: AbortSignal | undefined): Promise<LoadableImage[]> {
  const [{ readDockerManifest }, { dockerArchiveSource }] = await Promise.all([import('../transports/docker-archive-manifest.ts'), import('../transports/docker-archive-source.ts')])
  const identity: ImageIdentity = { transport: 'docker-archive', name: path, policyScopes: [] }
  return (await readDockerManifest(files)).map((item) => ({
    names: item.tags.map((tag) => newName(known.size > 0 ? wholeName(tag, known) : tag, path)),
    open: () => dockerArchiveSource({ files, item, identity, close: async () => undefined, ...(signal === undefined ? {} : { signal }) }),
  }))
}

async function layoutImages(files: FileSet, path: string, isDirectory: boolean): Promise<LoadableImage[]> {
  const { layoutSource } = await import('../transports/oci-layout-source.ts')
  const entries = (await readLayoutIndex(files)).manifests.filter(isImageEntry)
  if (entries.length === 0) throw unknownPayload(`${path} has no images`)
  const identity: ImageIdentity = { transport: isDirectory ? 'oci' : 'oci-archive', name: path, policyScopes: pathPolicyScopes(path) }
  return entries.map((entry) => {
    const name = entryName(entry)
    return { names: name === undefined ? [] : [newName(name, path)], open: async () => layoutSource({ files, entry, identity, close: async () => undefined }) }
  })
}

async function loadOne(context: ImageContext, { names, open }: LoadableImage, { signal, onProgress }: LoadOptions): Promise<string[]> {
  const source = await open()
  const [reference, ...additionalNames] = names
  const destination = storageImageDestination(context.store, reference === undefined ? {} : { reference }, { additionalNames })
  try {
    await copyImage(context, source, destination, {
      policy: await context.policy(),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    return names.length === 0 ? [`sha256:${destination.result().image.id}`] : names.map(formatReference)
  } finally {
    await Promise.all([destination.close(), source.close()])
  }
}

/** Names are the archive's author's: checked, and given a host where they have none. */
function newName(text: string, path: string): QualifiedReference {
  try {
    const reference = parseReference(normalizeNewName(text))
    return { ...reference, name: formatReference({ domain: reference.domain, path: reference.path }) }
  } catch (cause) {
    throw new TpodError('BAD_MANIFEST', `load ${path}: the image's name ${JSON.stringify(text.slice(0, 300))} is invalid`, { cause })
  }
}

/** docker's full form of a name, where `known` has it. */
function wholeName(tag: string, known: ReadonlySet<string>): string {
  for (const prefix of ['docker.io/library/', 'docker.io/']) if (known.has(prefix + tag)) return prefix + tag
  return tag
}

function unknownPayload(why: string, cause?: unknown): TpodError {
  return new TpodError('UNKNOWN_PAYLOAD', `payload does not match any of the supported image formats: ${why}`, { ...(cause === undefined ? {} : { cause }), remedy: 'load takes docker-archive, oci-archive, an OCI layout or a dir: directory; a root file system is imported' })
}

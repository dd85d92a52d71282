/** Writing OCI layouts: blobs first, each in one step, the entry in index.json last. */
import { closeSync, constants, existsSync, fstatSync, lstatSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { sweepTemporaryFiles } from '../../host/fs/temporary.ts'
import { writeFileAtomicSync } from '../../host/fs/write-file-atomic.ts'
import { withFileLock } from '../../host/lock/lock-file.ts'
import { Open } from '../../host/native/constants.ts'
import { digestHex, digestOf, parseDigest } from '../../oci/digest.ts'
import { maxManifestBytes } from '../../oci/image-types.ts'
import type { Descriptor } from '../../oci/image-types.ts'
import { ociIndex, ociManifest } from '../../oci/media-types.ts'
import { pathPolicyScopes } from '../trust/policy-scopes.ts'
import type { DestinationTraits, EndpointOptions, ImageDestination, ImageIdentity, RawManifest } from '../types.ts'
import { describeErrno, openDirectoryFiles } from './file-set.ts'
import { guessMediaType } from './guess-media-type.ts'
import { addLayoutEntry, layoutVersion, newLayoutIndex, parseLayoutIndex, referenceAnnotation } from './oci-layout-index.ts'
import type { LayoutIndex } from './oci-layout-index.ts'
import { formatLayoutName, parseLayoutName } from './oci-layout-name.ts'
import type { LayoutName } from './oci-layout-name.ts'
import { openPlace, openPlaceWithin } from './open-place.ts'
import type { Place } from './open-place.ts'
import { explainWrite } from './spool-file.ts'
import { writeBlobFile } from './write-blob.ts'

export const layoutTraits: DestinationTraits = {
  manifestTypes: [ociManifest],
  indexTypes: [ociIndex],
  layers: 'compressed',
  noSignatures: 'Pushing signatures for OCI images is not supported',
  parallelBlobs: 4,
  keepsForeignLayers: true,
}

/**
 * PATH[:REFERENCE]; the layout is made where there is none, else the image joins those in it. Several processes may write
 * to one layout at once: index.json is read and replaced under a lock on `oci-layout`, held for milliseconds. Links within
 * a layout are not followed: it may come from elsewhere, and must not choose where we write.
 * Throws BAD_IMAGE_NAME, BAD_MANIFEST (the present index.json), NOT_A_LAYOUT, OUTSIDE_LAYOUT, NOT_REGULAR, NO_SPACE.
 */
export async function openOciLayoutDestination(details: string, options: EndpointOptions = {}): Promise<ImageDestination> {
  const name = parseLayoutName('oci', details)
  if (name.index !== undefined) throw new TpodError('BAD_IMAGE_NAME', `Destination reference must not contain a manifest index @${name.index}`)
  const layout = openLayout(name.path, options.sharedBlobDirectory)
  try {
    await readIndex(layout)
    for (const { path } of [layout.root, layout.blobs]) sweepTemporaryFiles(path)
    const identity: ImageIdentity = { transport: 'oci', name: formatLayoutName(name), policyScopes: pathPolicyScopes(name.path) }
    return layoutDestination(layout, name, identity, options.acceptUncompressedLayers === true)
  } catch (error) {
    closeLayout(layout)
    throw error
  }
}

interface Layout {
  /** As the user calls it. */
  directory: string
  root: Place
  /** …/sha256. */
  blobs: Place
}

function layoutDestination(layout: Layout, name: LayoutName, identity: ImageIdentity, acceptsUncompressed: boolean): ImageDestination {
  const { directory, blobs } = layout
  const pathOf = (digest: string): string => `${blobs.path}/${digestHex(parseDigest(digest, `write ${directory}`))}`
  let entry: Descriptor | undefined
  return {
    description: `oci:${formatLayoutName(name)}`,
    identity,
    traits: acceptsUncompressed ? { ...layoutTraits, layers: 'as-is' } : layoutTraits,
    reuseBlob: async ({ digest, sizeBytes }) => {
      const present = digest === undefined ? undefined : sizeOfFile(pathOf(digest))
      if (digest === undefined || present === undefined || (sizeBytes !== undefined && present !== sizeBytes)) return undefined
      return { digest, sizeBytes: present }
    },
    // Blobs that several layouts share may lie on another file system than this one.
    putBlob: (bytes, blob) => writeBlobFile(bytes, blob, blobs.path, pathOf, directory),
    putManifest: async (manifest, { isInstance }) => {
      await writeBlobFile(once(manifest.bytes), { kind: 'config', digest: manifest.digest, mediaType: manifest.mediaType }, blobs.path, pathOf, directory)
      if (!isInstance) entry = layoutEntry(manifest, name.reference)
    },
    commit: async () => {
      if (entry === undefined) throw new Error('an image was committed without its manifest')
      await addToIndex(layout, entry)
    },
    close: async () => closeLayout(layout),
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** How an image stands in index.json. */
export function layoutEntry({ bytes, mediaType }: RawManifest, reference: string | undefined): Descriptor {
  return {
    mediaType: mediaType || guessMediaType(bytes) || ociManifest,
    digest: digestOf(bytes),
    size: bytes.length,
    ...(reference === undefined ? {} : { annotations: { [referenceAnnotation]: reference } }),
  }
}

async function addToIndex(layout: Layout, entry: Descriptor): Promise<void> {
  const version = openVersion(layout)
  try {
    if (!fstatSync(version).isFile()) throw new TpodError('NOT_REGULAR', `write ${layout.directory}: its oci-layout is not a regular file`)
    // `oci-layout` is never replaced, so that all who wait do so on the same file.
    await withFileLock(`/proc/self/fd/${version}`, 'write', async () => {
      if (fstatSync(version).size === 0) writeSync(version, JSON.stringify({ imageLayoutVersion: layoutVersion }), 0)
      const index = (await readIndex(layout)) ?? newLayoutIndex()
      addLayoutEntry(index, entry)
      writeFileAtomicSync(`${layout.root.path}/index.json`, JSON.stringify(index), { mode: 0o644, isLocked: true })
    })
  } catch (error) {
    throw explainWrite(error, layout.directory)
  } finally {
    closeSync(version)
  }
}

function openVersion({ directory, root }: Layout): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    return openSync(`${root.path}/oci-layout`, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | Open.O_CLOEXEC, 0o644)
  } catch (cause) {
    if (errorCode(cause) === 'ELOOP') throw new TpodError('OUTSIDE_LAYOUT', `write ${directory}: its oci-layout is a symbolic link`, { cause, remedy: 'replace the link by the file it means' })
    throw explainWrite(cause, directory)
  }
}

/** Undefined where there is none. Throws BAD_MANIFEST, OUTSIDE_LAYOUT, NOT_REGULAR. */
async function readIndex({ directory, root }: Layout): Promise<LayoutIndex | undefined> {
  const files = openDirectoryFiles(root.path, directory)
  try {
    const index = await files.read('index.json', maxManifestBytes)
    return index === undefined ? undefined : parseLayoutIndex(index, directory)
  } finally {
    await files.close()
  }
}

function openLayout(directory: string, shared: string | undefined): Layout {
  const opened: Place[] = []
  const open = (place: Place): Place => {
    opened.push(place)
    return place
  }
  try {
    if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o755 })
    const root = open(openPlace(directory))
    makeDirectory(`${root.path}/blobs`)
    if (shared !== undefined) mkdirSync(shared, { recursive: true, mode: 0o755 })
    const above = open(shared === undefined ? openPlaceWithin(root, 'blobs', directory) : openPlace(shared))
    makeDirectory(`${above.path}/sha256`)
    const blobs = open(openPlaceWithin(above, 'sha256', shared ?? directory))
    above.close()
    return { directory, root, blobs }
  } catch (cause) {
    for (const place of opened) place.close()
    if (cause instanceof TpodError) throw cause
    throw new TpodError('NO_SUCH_IMAGE_PATH', `make the layout ${directory}: ${describeErrno(cause)}`, { cause })
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 })
  } catch (error) {
    // What it is shows when it is opened.
    if (errorCode(error) !== 'EEXIST') throw error
  }
}

function closeLayout({ root, blobs }: Layout): void {
  root.close()
  blobs.close()
}

/** Of a regular file; what else lies there is replaced. */
function sizeOfFile(path: string): number | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats?.isFile() === true ? stats.size : undefined
}

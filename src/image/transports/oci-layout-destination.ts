/** Writing OCI layouts: blobs first, each in one step, the entry in index.json last. */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { writeFileAtomicSync } from '../../host/fs/write-file-atomic.ts'
import { sweepTemporaryFiles } from '../../host/fs/temporary.ts'
import { readFileIfExists } from '../../host/fs/read-optional.ts'
import { withFileLock } from '../../host/lock/lock-file.ts'
import { digestHex, digestOf, parseDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/image-types.ts'
import { ociIndex, ociManifest } from '../../oci/media-types.ts'
import { pathPolicyScopes } from '../trust/policy-scopes.ts'
import type { DestinationTraits, EndpointOptions, ImageDestination, ImageIdentity, RawManifest } from '../types.ts'
import { describeErrno } from './file-set.ts'
import { guessMediaType } from './guess-media-type.ts'
import { addLayoutEntry, layoutVersion, newLayoutIndex, parseLayoutIndex, referenceAnnotation } from './oci-layout-index.ts'
import { formatLayoutName, parseLayoutName } from './oci-layout-name.ts'
import type { LayoutName } from './oci-layout-name.ts'
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
 * to one layout at once: index.json is read and replaced under a lock on `oci-layout`, held for milliseconds.
 * Throws BAD_IMAGE_NAME, BAD_MANIFEST (the present index.json), NOT_A_LAYOUT, NO_SPACE.
 */
export async function openOciLayoutDestination(details: string, options: EndpointOptions = {}): Promise<ImageDestination> {
  const name = parseLayoutName('oci', details)
  if (name.index !== undefined) throw new TpodError('BAD_IMAGE_NAME', `Destination reference must not contain a manifest index @${name.index}`)
  checkPresent(name.path)
  const place = { directory: name.path, blobs: `${options.sharedBlobDirectory ?? `${name.path}/blobs`}/sha256` }
  makeDirectories(place)
  for (const path of [place.directory, place.blobs]) sweepTemporaryFiles(path)
  const identity: ImageIdentity = { transport: 'oci', name: formatLayoutName(name), policyScopes: pathPolicyScopes(name.path) }
  return layoutDestination(place, name, identity, options.acceptUncompressedLayers === true)
}

interface LayoutPlace {
  directory: string
  /** …/sha256. */
  blobs: string
}

function layoutDestination({ directory, blobs }: LayoutPlace, name: LayoutName, identity: ImageIdentity, acceptsUncompressed: boolean): ImageDestination {
  const pathOf = (digest: string): string => `${blobs}/${digestHex(parseDigest(digest, `write ${directory}`))}`
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
    putBlob: (bytes, blob) => writeBlobFile(bytes, blob, blobs, pathOf),
    putManifest: async (manifest, { isInstance }) => {
      await writeBlobFile(once(manifest.bytes), { kind: 'config', digest: manifest.digest, mediaType: manifest.mediaType }, blobs, pathOf)
      if (!isInstance) entry = layoutEntry(manifest, name.reference)
    },
    commit: async () => {
      if (entry === undefined) throw new Error('an image was committed without its manifest')
      await addToIndex(directory, entry)
    },
    close: async () => undefined,
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

async function addToIndex(directory: string, entry: Descriptor): Promise<void> {
  // `oci-layout` is never replaced, so that all who wait do so on the same file.
  await withFileLock(`${directory}/oci-layout`, 'write', () => {
    const layout = `${directory}/oci-layout`
    if (readFileIfExists(layout)?.length === 0) writeFileSync(layout, JSON.stringify({ imageLayoutVersion: layoutVersion }))
    const present = readFileIfExists(`${directory}/index.json`)
    const index = present === undefined ? newLayoutIndex() : parseLayoutIndex(present, directory)
    addLayoutEntry(index, entry)
    writeFileAtomicSync(`${directory}/index.json`, JSON.stringify(index), { mode: 0o644, isLocked: true })
  })
}

function checkPresent(directory: string): void {
  const index = readFileIfExists(`${directory}/index.json`)
  if (index !== undefined) parseLayoutIndex(index, directory)
}

function makeDirectories({ directory, blobs }: LayoutPlace): void {
  try {
    if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o755 })
    for (const path of [`${directory}/blobs`, dirname(blobs), blobs]) if (!existsSync(path)) mkdirSync(path, { recursive: true, mode: 0o755 })
  } catch (cause) {
    throw new TpodError('NO_SUCH_IMAGE_PATH', `make the layout ${directory}: ${describeErrno(cause)}`, { cause })
  }
}

function sizeOfFile(path: string): number | undefined {
  try {
    const stats = statSync(path)
    return stats.isFile() ? stats.size : undefined
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** docker-archive: what `docker save` and `podman save` write, the forms of docker 1.10 to 28. */
import { detectCompression, magicBytes } from '../../archive/compression.ts'
import { decompressDetected } from '../../archive/detect-compression.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { digestOf, parseDigest } from '../../oci/digest.ts'
import { maxConfigBytes, parseImageConfig } from '../../oci/image-types.ts'
import { dockerManifest } from '../../oci/media-types.ts'
import type { BlobOptions, EndpointOptions, ImageIdentity, ImageSource, RawManifest, TransportContext } from '../types.ts'
import { cleanName, openArchiveFiles } from './archive-files.ts'
import { chooseDockerImage, readDockerManifest } from './docker-archive-manifest.ts'
import type { DockerImageItem } from './docker-archive-manifest.ts'
import { dockerArchiveIdentity, parseDockerArchiveName } from './docker-archive-name.ts'
import type { FileSet } from './file-set.ts'
import { streamBlob } from './stream-blob.ts'

/** What a directory image of the archive looks like to who lists it. */
export interface DockerArchiveImage {
  /** Place in the archive: `docker-archive:PATH:@N`. */
  index: number
  /** As written there. */
  tags: readonly string[]
}

/** The images of an archive. Throws ARCHIVE_*, BAD_MANIFEST, NOT_AN_ARCHIVE. */
export async function listDockerArchiveImages(path: string, options: { temporaryDirectory?: string } = {}): Promise<DockerArchiveImage[]> {
  const files = await openArchiveFiles(path, options)
  try {
    return (await readDockerManifest(files)).map(({ tags }, index) => ({ index, tags }))
  } finally {
    await files.close()
  }
}

/** What stands after `docker-archive:PATH:` for each image: its names as written there, or `@N` where it has none. Throws as above. */
export async function listDockerArchive(context: Pick<TransportContext, 'temporaryDirectory'>, path: string): Promise<string[]> {
  const images = await listDockerArchiveImages(path, context.temporaryDirectory === undefined ? {} : { temporaryDirectory: context.temporaryDirectory })
  return images.flatMap(({ index, tags }) => (tags.length === 0 ? [`@${index}`] : tags))
}

/** PATH[:REFERENCE|:@N], any compression. Throws BAD_IMAGE_NAME, NO_SUCH_IMAGE_PATH, ARCHIVE_*, IMAGE_NOT_IN_ARCHIVE, AMBIGUOUS_IMAGE, BAD_CONFIG. */
export async function openDockerArchiveSource(context: Pick<TransportContext, 'temporaryDirectory'>, details: string, options: EndpointOptions = {}): Promise<ImageSource> {
  const name = parseDockerArchiveName(details)
  const files = await openArchiveFiles(name.path, { temporaryDirectory: context.temporaryDirectory, signal: options.signal })
  try {
    const item = chooseDockerImage(await readDockerManifest(files), name)
    return await dockerArchiveSource({ files, item, identity: dockerArchiveIdentity(name), close: () => files.close(), ...(options.signal === undefined ? {} : { signal: options.signal }) })
  } catch (error) {
    await files.close()
    throw error
  }
}

export interface DockerArchiveParts {
  files: FileSet
  item: DockerImageItem
  identity: ImageIdentity
  close: () => Promise<void>
  signal?: AbortSignal
}

interface ArchivedLayer {
  name: string
  sizeBytes: number
  isCompressed: boolean
}

/**
 * The source of one image. The archive has no manifest: one is made of the config and the layers uncompressed, byte for
 * byte as containers/image makes it. Layers that are compressed in the archive are read once more for their length.
 */
export async function dockerArchiveSource({ files, item, identity, close, signal }: DockerArchiveParts): Promise<ImageSource> {
  const description = `${identity.transport}:${identity.name}`
  const config = await files.read(item.config, maxConfigBytes)
  if (config === undefined) throw new TpodError('ARCHIVE_INVALID', `read ${description}: loading tar component ${JSON.stringify(item.config)}: file does not exist`)
  const diffIds = parseImageConfig(config, description).rootfs.diff_ids
  const layers = await findLayers(files, item.layers, diffIds, description, signal)
  const configDigest = digestOf(config)
  const manifest = makeManifest(configDigest, config.length, diffIds.map((diffId) => ({ diffId, sizeBytes: layers.get(diffId)?.sizeBytes ?? 0 })))
  return {
    description,
    identity,
    getManifest: async (digest) => {
      if (digest !== undefined && digest !== manifest.digest) throw new TpodError('MANIFEST_UNKNOWN', `read ${description}: manifest lists are not supported by ${identity.transport}:`)
      return manifest
    },
    getBlob: (digest, options) => (digest === configDigest ? once(config.subarray(options?.offset ?? 0)) : readLayer(files, layers, digest, options, description)),
    close,
  }
}

/** As in manifests. Each name may lead to the same compressed layer, which is read for each. */
const maxLayers = 1000

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield Uint8Array.from(bytes)
}

async function findLayers(files: FileSet, names: readonly string[], diffIds: readonly string[], description: string, signal: AbortSignal | undefined): Promise<Map<string, ArchivedLayer>> {
  if (diffIds.length > maxLayers) throw new TpodError('ARCHIVE_LIMIT', `read ${description}: more than ${maxLayers} layers`)
  if (names.length !== diffIds.length) throw new TpodError('ARCHIVE_INVALID', `read ${description}: Inconsistent layer count: ${names.length} in manifest, ${diffIds.length} in config`)
  const layers = new Map<string, ArchivedLayer>()
  const owners = new Map<string, string>()
  for (const [position, diffId] of diffIds.entries()) {
    if (layers.has(diffId)) continue
    const name = names[position] as string
    const owner = owners.get(cleanName(name) ?? name)
    if (owner !== undefined && owner !== diffId) throw new TpodError('ARCHIVE_INVALID', `read ${description}: Layer tarfile ${JSON.stringify(name)} used for two different DiffID values`)
    owners.set(cleanName(name) ?? name, diffId)
    layers.set(diffId, await measureLayer(files, name, description, signal))
  }
  return layers
}

async function measureLayer(files: FileSet, name: string, description: string, signal: AbortSignal | undefined): Promise<ArchivedLayer> {
  const opened = await files.open(name, signal === undefined ? {} : { signal })
  if (opened === undefined) throw new TpodError('ARCHIVE_INVALID', `read ${description}: layer ${JSON.stringify(name)} is missing in the tarball`)
  const start = await readStart(files, name)
  if (detectCompression(start) === 'none') return { name, sizeBytes: opened.sizeBytes, isCompressed: false }
  let sizeBytes = 0
  for await (const chunk of decompressDetected(opened.bytes, { storedBytes: opened.sizeBytes, signal })) sizeBytes += chunk.length
  return { name, sizeBytes, isCompressed: true }
}

async function readStart(files: FileSet, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of (await files.open(name))?.bytes ?? []) {
    parts.push(chunk)
    length += chunk.length
    if (length >= magicBytes) break
  }
  return Buffer.concat(parts).subarray(0, magicBytes)
}

async function* readLayer(files: FileSet, layers: ReadonlyMap<string, ArchivedLayer>, wanted: string, { offset = 0, sizeBytes, signal }: BlobOptions = {}, description: string): AsyncGenerator<Uint8Array> {
  const digest = parseDigest(wanted, description)
  const layer = layers.get(digest)
  if (layer === undefined) throw new TpodError('BLOB_UNKNOWN', `read ${description}: Unknown blob ${digest}`)
  const abort = signal === undefined ? {} : { signal }
  if (!layer.isCompressed) {
    yield* streamBlob(files, layer.name, digest, { offset, ...abort, ...(sizeBytes === undefined ? {} : { sizeBytes }) }, description)
    return
  }
  const opened = await files.open(layer.name, abort)
  if (opened === undefined) return
  let skip = offset
  for await (const chunk of decompressDetected(opened.bytes, { storedBytes: opened.sizeBytes, signal })) {
    if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip)
    skip = Math.max(0, skip - chunk.length)
  }
}

/** Field for field as Go writes it: other tools compute the same digest of the same archive. */
function makeManifest(configDigest: string, configBytes: number, layers: readonly { diffId: string; sizeBytes: number }[]): RawManifest {
  const json = {
    schemaVersion: 2,
    mediaType: dockerManifest,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: configBytes, digest: configDigest },
    layers: layers.map(({ diffId, sizeBytes }) => ({ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: sizeBytes, digest: diffId })),
  }
  const bytes = Buffer.from(JSON.stringify(json))
  return { bytes, digest: digestOf(bytes), mediaType: dockerManifest }
}

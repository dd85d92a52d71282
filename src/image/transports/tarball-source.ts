/** tarball: layers from root file system archives, one each; the config and the manifest are made up. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { detectCompression } from '../../archive/compression.ts'
import { decompressDetected } from '../../archive/detect-compression.ts'
import type { CompressionName } from '../../archive/types.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import type { ContainerConfig, Platform } from '../../oci/image-types.ts'
import type { BlobOptions, EndpointOptions, ImageIdentity, ImageSource, TransportContext } from '../types.ts'
import { describeErrno } from './file-set.ts'
import { readFileRange } from './read-file-range.ts'
import { spoolToFile } from './spool-file.ts'
import { makeTarballImage } from './tarball-image.ts'
import type { TarballLayer } from './tarball-image.ts'

/** What the image is to be beside its layers. */
export interface TarballMetadata {
  config?: ContainerConfig
  platform?: Partial<Platform>
  /** Of each history entry; default "imported from tarball". */
  comment?: string
  author?: string
}

interface OpenLayer extends TarballLayer {
  fd: number
}

/** PATH[:PATH…]; `-` is standard input. Each file is read once for its digests. Throws BAD_IMAGE_NAME, NO_SUCH_IMAGE_PATH, ARCHIVE_*. */
export async function openTarballSource(context: Pick<TransportContext, 'temporaryDirectory' | 'platform'>, details: string, options: EndpointOptions = {}, metadata: TarballMetadata = {}): Promise<ImageSource> {
  const paths = details.split(':')
  if (paths.some((path) => path === '')) throw new TpodError('BAD_IMAGE_NAME', `Invalid image name "tarball:${details}": an empty path`)
  const layers: OpenLayer[] = []
  const close = async (): Promise<void> => {
    for (const { fd } of layers.splice(0)) closeSync(fd)
  }
  try {
    for (const path of paths) layers.push(await openLayer(path, context.temporaryDirectory, options.signal))
    return tarballSource(details, layers, { ...metadata, platform: { ...context.platform, ...metadata.platform } }, close)
  } catch (error) {
    await close()
    throw error
  }
}

function tarballSource(details: string, layers: readonly OpenLayer[], metadata: TarballMetadata & { platform: Platform }, close: () => Promise<void>): ImageSource {
  const { config, manifest } = makeTarballImage(layers, metadata)
  const description = `tarball:${details}`
  const identity: ImageIdentity = { transport: 'tarball', name: details, policyScopes: [] }
  const configDigest = digestOf(config)
  return {
    description,
    identity,
    getManifest: async (digest) => {
      if (digest !== undefined && digest !== manifest.digest) throw new TpodError('MANIFEST_UNKNOWN', `read ${description}: manifest lists are not supported by the "tarball" transport`)
      return manifest
    },
    getBlob: async function* (digest, { offset = 0, signal }: BlobOptions = {}) {
      if (digest === configDigest) {
        if (offset < config.length) yield Uint8Array.from(config.subarray(offset))
        return
      }
      const layer = layers.find((one) => one.digest === digest)
      if (layer === undefined) throw new TpodError('BLOB_UNKNOWN', `read ${description}: no blob with digest ${JSON.stringify(digest)} found`)
      yield* readFileRange(layer.fd, offset, layer.sizeBytes - offset, signal === undefined ? {} : { signal })
    },
    close,
  }
}

async function openLayer(path: string, temporaryDirectory: string | undefined, signal: AbortSignal | undefined): Promise<OpenLayer> {
  const { fd, sizeBytes, modified } = await openInput(path, temporaryDirectory, signal)
  try {
    return { fd, sizeBytes, modified, ...(await digestsOf(fd, sizeBytes, signal)) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

async function openInput(path: string, temporaryDirectory: string | undefined, signal: AbortSignal | undefined): Promise<{ fd: number; sizeBytes: number; modified: bigint }> {
  const now = BigInt(Date.now()) * 1_000_000n
  // Standard input may be a socket, which cannot be opened by a path.
  let fd = 0
  try {
    if (path !== '-') fd = openSync(path, constants.O_RDONLY | constants.O_NOCTTY)
  } catch (cause) {
    throw new TpodError('NO_SUCH_IMAGE_PATH', `error opening ${JSON.stringify(path)}: ${describeErrno(cause)}`, { cause })
  }
  const stats = fstatSync(fd, { bigint: true })
  if (stats.isFile()) return { fd, sizeBytes: Number(stats.size), modified: path === '-' ? now : stats.mtimeNs }
  try {
    if (stats.isDirectory()) throw new TpodError('NO_SUCH_IMAGE_PATH', `error opening ${JSON.stringify(path)}: is a directory`)
    const { readStream } = await import('./read-stream.ts')
    return { ...(await spoolToFile(readStream(fd, signal), temporaryDirectory)), modified: now }
  } finally {
    closeSync(fd)
  }
}

/** Of the bytes as they are and uncompressed, in one pass. */
async function digestsOf(fd: number, sizeBytes: number, signal: AbortSignal | undefined): Promise<{ digest: string; diffId: string; compression: CompressionName }> {
  const hash = createHash('sha256')
  let compression: CompressionName | undefined
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of readFileRange(fd, 0, sizeBytes, signal === undefined ? {} : { signal })) {
      compression ??= detectCompression(chunk)
      hash.update(chunk)
      yield chunk
    }
  }
  const inner = createHash('sha256')
  for await (const chunk of decompressDetected(counted(), { storedBytes: sizeBytes, signal })) {
    if (compression !== 'none') inner.update(chunk)
  }
  const digest = `sha256:${hash.digest('hex')}`
  return { digest, diffId: compression === 'none' || compression === undefined ? digest : `sha256:${inner.digest('hex')}`, compression: compression ?? 'none' }
}

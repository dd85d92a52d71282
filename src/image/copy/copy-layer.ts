/** One layer from source to destination: reused there, or read once, verified, perhaps compressed anew, written. */
import { compress } from '../../archive/compress.ts'
import { decompress } from '../../archive/compression.ts'
import { detected } from '../../archive/detect-compression.ts'
import type { CompressionName } from '../../archive/types.ts'
import { errorCode, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { layerCompressionOf, withLayerCompression } from '../../oci/media-types.ts'
import type { LayerCompression } from '../../oci/media-types.ts'
import type { BlobState, OnPullProgress } from '../progress.ts'
import type { BlobToStore, ImageDestination, ImageSource, StoredBlob } from '../types.ts'
import { hashed, measured, verified } from './blob-streams.ts'
import type { SourceLayer } from './source-image.ts'
import type { CopyOptions } from './types.ts'

export interface LayerJob {
  source: ImageSource
  destination: ImageDestination
  layer: SourceLayer
  index: number
  /** `sha256:…` of its uncompressed tar, as the config says. */
  diffId?: string
  /** The digest of the uncompressed tar is wanted in any case. */
  needsDiffId: boolean
  /** The destination may have it in another form and use that. */
  mayChange: boolean
  /** It may be compressed or decompressed. */
  mayCompress: boolean
  compression: CopyOptions['compression']
  /** Where the destination's registry may find it: `host/path`. */
  knownAt?: readonly string[]
  signal?: AbortSignal
  onProgress?: OnPullProgress
}

export interface CopiedLayer extends SourceLayer {
  sizeBytes: number
  diffId?: string
}

const maxTransfers = 3

/** Throws DIGEST_MISMATCH when the blob, or what is in it, is not what manifest and config say. */
export async function copyLayer(job: LayerJob): Promise<CopiedLayer> {
  const { layer, destination } = job
  if (destination.traits.keepsForeignLayers === true && (layer.urls?.length ?? 0) > 0) {
    if (job.needsDiffId) throw new TpodError('UNSUPPORTED_MANIFEST', 'getting DiffID for foreign layers is not supported')
    return { ...layer, sizeBytes: layer.sizeBytes ?? 0 }
  }
  const reused = job.needsDiffId ? undefined : await reuse(job)
  if (reused !== undefined) {
    report(job, 'present', layer.sizeBytes ?? reused.sizeBytes)
    return reused
  }
  try {
    const result = await transferAgain(job)
    report(job, 'done', layer.sizeBytes ?? result.sizeBytes)
    return result
  } catch (error) {
    report(job, 'failed', 0)
    throw error
  }
}

async function reuse(job: LayerJob): Promise<CopiedLayer | undefined> {
  const { layer, destination, diffId } = job
  const stated = layerCompressionOf(layer.mediaType)
  // Asked to recompress, the destination's copy in the old form is of no use.
  if (job.compression?.force === true && job.mayCompress && destination.traits.layers === 'compressed' && stated !== job.compression.format) return undefined
  const other = await reuseOtherForm(job)
  if (other !== undefined) return other
  const stored = await destination.reuseBlob(blobOf(job, { digest: layer.digest, ...(diffId === undefined ? {} : { diffId }) }))
  if (stored === undefined || (stored.digest !== layer.digest && !job.mayChange)) return undefined
  const mediaType = mediaTypeOf(layer, stored, layer.mediaType)
  return mediaType === undefined ? undefined : resultOf(job, stored, mediaType, diffId)
}

/** What would have to be compressed may be there already, as an earlier push or the registry that it came from has it. */
async function reuseOtherForm(job: LayerJob): Promise<CopiedLayer | undefined> {
  const { layer, source, destination, diffId, compression, mayChange, mayCompress } = job
  if (diffId === undefined || source.layerForms === undefined || !mayChange || !mayCompress || destination.traits.layers !== 'compressed' || layerCompressionOf(layer.mediaType) !== 'none') return undefined
  for (const form of await source.layerForms(diffId)) {
    const formCompression = layerCompressionOf(form.mediaType)
    const mediaType = formCompression === undefined ? undefined : withLayerCompression(layer.mediaType, formCompression)
    if (mediaType === undefined || (compression !== undefined && compression.format !== formCompression)) continue
    const stored = await destination.reuseBlob({ ...blobOf(job, { digest: form.digest, diffId, mediaType }), sizeBytes: form.sizeBytes, knownAt: [...(job.knownAt ?? []), ...form.knownAt] })
    if (stored === undefined || stored.digest !== form.digest) continue
    await remember(job, { diffId, digest: stored.digest, sizeBytes: stored.sizeBytes, mediaType })
    return resultOf(job, stored, mediaType, diffId)
  }
  return undefined
}

async function remember({ source, destination: { identity } }: LayerJob, { diffId, digest, sizeBytes, mediaType }: { diffId: string; digest: string; sizeBytes: number; mediaType: string }): Promise<void> {
  const repository = identity.transport === 'docker' ? identity.dockerReference?.name : undefined
  if (repository !== undefined) await source.rememberLayerForm?.(diffId, { digest, sizeBytes, mediaType, knownAt: [repository] })
}

/** A destination that has lost what it had got takes the layer once more from its start. */
async function transferAgain(job: LayerJob): Promise<CopiedLayer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transfer(job)
    } catch (error) {
      throwIfAborted(job.signal)
      if (errorCode(error) !== 'UPLOAD_BROKEN' || attempt >= maxTransfers) throw error
    }
  }
}

async function transfer(job: LayerJob): Promise<CopiedLayer> {
  const { layer, source, signal } = job
  const what = `copy ${source.description}: layer ${layer.digest.slice(7, 19)}`
  report(job, 'downloading', 0)
  const limits = { ...(layer.sizeBytes === undefined ? {} : { sizeBytes: layer.sizeBytes }), ...(signal === undefined ? {} : { signal }) }
  const incoming = verified(source.getBlob(layer.digest, limits), { digest: layer.digest, what, ...limits, onBytes: (bytes) => report(job, 'downloading', bytes) })
  const { compression, bytes } = await detected(incoming)
  const target = targetCompression(job, compression)
  let found: string | undefined
  const onDiffId = (digest: string): void => {
    found = digest
    if (job.diffId === undefined || digest === job.diffId) return
    throw new TpodError('DIGEST_MISMATCH', `${what}: unpacked it has digest ${digest}, but the image config says ${job.diffId}`, { remedy: 'the image is damaged or forged: ask who made it' })
  }
  try {
    // The blob's own digest is its diff id.
    if (compression === 'none') onDiffId(layer.digest)
    const mediaType = mediaTypeAs(layer.mediaType, target, compression)
    const expectedDiffId = found ?? job.diffId
    // What only passes can be had again; what is measured on its way must all pass.
    const mayReread = target === 'as-is' && (compression === 'none' || !job.needsDiffId)
    const stored = await job.destination.putBlob(transform(job, bytes, compression, target, onDiffId), blobOf(job, {
      ...(target === 'as-is' ? { digest: layer.digest } : {}),
      ...(mayReread ? { reread: (offset) => source.getBlob(layer.digest, { ...limits, offset }) } : {}),
      ...(target === 'as-is' || expectedDiffId === undefined ? {} : { resumeKey: `${expectedDiffId} ${target} ${job.compression?.level ?? 'default'}` }),
      mediaType,
      ...(expectedDiffId === undefined ? {} : { diffId: expectedDiffId }),
    }))
    if (target === 'as-is' && stored.digest !== layer.digest) throw new TpodError('DIGEST_MISMATCH', `${what}: the destination stored it with digest ${stored.digest}`)
    const result = resultOf(job, stored, mediaTypeOf(layer, stored, mediaType) ?? mediaType, found ?? job.diffId)
    if ((target === 'gzip' || target === 'zstd') && result.diffId !== undefined) await remember(job, { ...result, diffId: result.diffId })
    return result
  } finally {
    // A destination that fails before its first read leaves the connection open.
    await incoming.return()
  }
}

function resultOf({ layer }: LayerJob, stored: StoredBlob, mediaType: string, diffId: string | undefined): CopiedLayer {
  const result: CopiedLayer = { ...layer, digest: stored.digest, sizeBytes: stored.sizeBytes, mediaType, ...(diffId === undefined ? {} : { diffId }) }
  if (stored.digest === layer.digest || layer.annotations === undefined) return result
  // They tell places within the blob that it was.
  return { ...result, annotations: Object.fromEntries(Object.entries(layer.annotations).filter(([name]) => !name.startsWith('io.github.containers.zstd-chunked.'))) }
}

/** In the source's format, however the destination calls it; undefined if that format has no such compression. */
function mediaTypeOf(layer: SourceLayer, stored: StoredBlob, expected: string): string | undefined {
  const compression = stored.mediaType === undefined ? undefined : layerCompressionOf(stored.mediaType)
  return compression === undefined || layerCompressionOf(layer.mediaType) === undefined ? (stored.mediaType ?? expected) : withLayerCompression(layer.mediaType, compression)
}

type Target = 'as-is' | 'none' | 'gzip' | 'zstd'

function targetCompression({ destination, mayCompress, compression: wanted }: LayerJob, now: CompressionName): Target {
  if (!mayCompress) return 'as-is'
  if (destination.traits.layers === 'uncompressed') return now === 'none' ? 'as-is' : 'none'
  if (destination.traits.layers === 'as-is') return 'as-is'
  if (now === 'none') return wanted?.format ?? 'gzip'
  return wanted?.force === true && wanted.format !== now ? wanted.format : 'as-is'
}

function transform(job: LayerJob, bytes: AsyncIterable<Uint8Array>, now: CompressionName, target: Target, onDiffId: (digest: string) => void): AsyncIterable<Uint8Array> {
  const level = job.compression?.level
  if (target === 'as-is') return now !== 'none' && job.needsDiffId ? measured(bytes, now, onDiffId) : bytes
  const plain = now === 'none' ? bytes : hashed(decompress(now, bytes, job.signal), onDiffId)
  return target === 'none' ? plain : compress(target, plain, level === undefined ? {} : { level })
}

/** What the layer is now; a type whose compression isn't known stays. */
function mediaTypeAs(mediaType: string, target: Target, now: CompressionName): string {
  let compression: LayerCompression
  if (target !== 'as-is') compression = target
  else if (now === 'none' || now === 'gzip' || now === 'zstd') compression = now
  else return mediaType
  const same = withLayerCompression(mediaType, compression)
  if (same !== undefined || target === 'as-is') return same ?? mediaType
  // Docker's formats cannot say zstd; the manifest becomes OCI's.
  return withLayerCompression('application/vnd.oci.image.layer.v1.tar', compression)!
}

function blobOf({ layer, index, knownAt, signal }: LayerJob, more: Partial<Pick<BlobToStore, 'digest' | 'diffId' | 'mediaType' | 'reread' | 'resumeKey'>>): BlobToStore {
  return {
    kind: 'layer', mediaType: layer.mediaType, layerIndex: index, ...more,
    ...(more.digest === undefined || layer.sizeBytes === undefined ? {} : { sizeBytes: layer.sizeBytes }),
    ...(knownAt === undefined ? {} : { knownAt }),
    ...(signal === undefined ? {} : { signal }),
  }
}

function report({ layer, onProgress }: LayerJob, state: BlobState, bytes: number): void {
  onProgress?.({ type: 'blob', kind: 'layer', digest: layer.digest, state, bytes, total: layer.sizeBytes ?? 0 })
}

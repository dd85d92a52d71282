/** One image, alone or one of an index: layers, config, manifest, signatures. */
import { errorCode, errorMessage, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { maxConfigBytes, parseImageConfig } from '../../oci/image-types.ts'
import type { Descriptor } from '../../oci/image-types.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { BlobState } from '../progress.ts'
import type { ImageSource, RawManifest } from '../types.ts'
import { verified } from './blob-streams.ts'
import { buildConfig, buildManifest, conflictsWithName } from './build-manifest.ts'
import type { BuiltConfig } from './build-manifest.ts'
import { chooseFormats } from './choose-format.ts'
import { emptyLayer, emptyLayerDigest } from './convert-schema1.ts'
import type { CopiedLayer, LayerJob } from './copy-layer.ts'
import { copyLayers } from './copy-layers.ts'
import type { CopyTask } from './copy-task.ts'
import { measureDiffIds } from './measure-diff-ids.ts'
import { addSignatures, cannotChange, getSignatures, whyUnchangeable } from './signatures.ts'
import { isContainerImage, layerOf, manifestTypeOf, mayChangeCompression, parseSourceImage } from './source-image.ts'
import type { SourceImage, SourceLayer } from './source-image.ts'
import type { ManifestFormat } from './types.ts'

interface Work {
  task: CopyTask
  image: SourceImage
  what: string
  unchangeable: string | undefined
  /** In the form in which the source has them, and as many; undefined: as the manifest lists them. */
  storedLayers: readonly SourceLayer[] | undefined
  /** The source's; absent for artifacts and schema 1. */
  configBytes: Uint8Array | undefined
  /** Of all layers, empty ones included. */
  diffIds: readonly (string | undefined)[]
  embeddedReference: QualifiedReference | undefined
  isInstance: boolean
}

/** Copies the image that `raw` describes and returns the manifest that the destination has got. */
export async function copyInstance(task: CopyTask, raw: RawManifest, isInstance: boolean): Promise<RawManifest> {
  const { source, destination, options, top } = task
  const { signal } = options
  const what = source.description
  // Before anything else of the image is read.
  if (options.policy !== undefined) await checkPolicyOf(task, raw)
  const image = parseSourceImage(raw, what)
  const signatures = await getSignatures(task, raw.digest, 'image')
  const unchangeable = whyUnchangeable(task, signatures, [raw.digest, top.digest])
  const embeddedReference = destination.traits.embedsReference === true ? destination.identity.dockerReference : undefined
  if (unchangeable !== undefined && conflictsWithName({ image, embeddedReference })) {
    throw cannotChange(`Copying a schema1 image with an embedded Docker reference to ${destination.description} would change the manifest, which we cannot do`, unchangeable, signatures)
  }
  const storedLayers = await findStoredLayers(source, image)
  if (storedLayers !== undefined && unchangeable !== undefined) throw cannotChange('Copying this image would require changing layer representation, which we cannot do', unchangeable, signatures)
  const isImage = isContainerImage(image)
  const formats = chooseFormats({
    source: image.format,
    accepted: destination.traits.manifestTypes,
    ...(options.format === undefined ? {} : { forced: options.format }),
    ...(unchangeable === undefined ? {} : { unchangeable }),
    needsZstd: options.compression?.format === 'zstd' && destination.traits.layers === 'compressed' && isImage,
  })
  const configBytes = image.config === undefined || !isImage ? undefined : await readConfig(task, image.config)
  const work: Work = { task, image, what, unchangeable, storedLayers, configBytes, embeddedReference, isInstance, diffIds: diffIdsOf(image, configBytes, what) }
  throwIfAborted(signal)
  const manifest = await copyAs(work, formats)
  await addSignatures(task, signatures, manifest, 'image')
  return manifest
}

export async function checkPolicyOf({ source, temporaryDirectory, options: { policy, signal } }: CopyTask, raw: RawManifest): Promise<void> {
  const { checkTrust } = await import('../trust/check-trust.ts')
  await checkTrust(policy!, source, raw, { ...(signal === undefined ? {} : { signal }), ...(temporaryDirectory === undefined ? {} : { temporaryDirectory }) })
}

async function findStoredLayers(source: ImageSource, image: SourceImage): Promise<readonly SourceLayer[] | undefined> {
  if (image.manifest === undefined || source.layersAsStored === undefined) return undefined
  const stored = (await source.layersAsStored(image.manifest, image.raw.digest))?.map(layerOf)
  if (stored === undefined) return undefined
  if (stored.length !== image.layers.length) throw new TpodError('BAD_MANIFEST', `copy ${source.description}: it has ${stored.length} layers, its manifest ${image.layers.length}`)
  return stored.some(({ digest }, index) => digest !== image.layers[index]!.digest) ? stored : undefined
}

function diffIdsOf(image: SourceImage, configBytes: Uint8Array | undefined, what: string): readonly (string | undefined)[] {
  const unknown = image.layers.map(() => undefined)
  if (configBytes === undefined) return unknown
  const ids = parseImageConfig(configBytes, what).rootfs.diff_ids
  // Whoever unpacks it will refuse it; a copy need not.
  return ids.length === image.layers.length ? ids : unknown
}

/** Tries the formats in turn: a registry's answer alone tells what it takes. */
async function copyAs(work: Work, formats: readonly ManifestFormat[]): Promise<RawManifest> {
  const { task: { options, destination }, image } = work
  const needsDiffIds = image.format === 'v2s1' && formats[0] !== 'v2s1'
  let diffIds = work.diffIds
  if (needsDiffIds && destination.traits.configFirst === true) diffIds = await measureDiffIds(work.task, image)
  let config: BuiltConfig | undefined
  if (destination.traits.configFirst === true) config = await putConfig(work, formats[0]!, diffIds, undefined)
  const layers = await copyLayers(layerJobs({ ...work, diffIds }, formats[0]!, needsDiffIds), parallelLayers(work.task), options.signal)
  const all = withEmptyLayers(image, layers)
  if (needsDiffIds) diffIds = all.map(({ diffId }) => diffId)
  if (image.config !== undefined && !isContainerImage(image)) await copyArtifactConfig(work, image.config)
  const refusals: string[] = []
  for (const [index, format] of formats.entries()) {
    try {
      config = await putConfig(work, format, diffIds, config)
      return await putManifest(work, format, all, config)
    } catch (error) {
      const isLast = index === formats.length - 1
      if (!/^(?:MANIFEST_REJECTED|UNSUPPORTED_MANIFEST)$/.test(errorCode(error) ?? '') || (isLast && index === 0)) throw error
      refusals.push(`${manifestTypeOf[format]}(${errorMessage(error)})`)
      if (isLast) throw new TpodError('MANIFEST_REJECTED', `Uploading manifest failed, attempted the following formats: ${refusals.join(', ')}`, { cause: error })
    }
  }
  throw new Error('no formats')
}

/** Two layers at once keep two processors busy; a registry's latency is worth a third. */
function parallelLayers({ source, destination, options }: CopyTask): number {
  // zstd's highest levels take some 800 MB for each layer.
  if (options.compression?.format === 'zstd' && (options.compression.level ?? 0) > 19) return 1
  const isRemote = source.identity.transport === 'docker' || destination.identity.transport === 'docker'
  return Math.max(1, Math.min(options.parallelLayers ?? (isRemote ? 3 : 2), destination.traits.parallelBlobs))
}

function layerJobs({ task, image, unchangeable, storedLayers, diffIds }: Work, format: ManifestFormat, needsDiffIds: boolean): LayerJob[] {
  const { source, destination, options } = task
  const from = source.identity.transport === 'docker' ? source.identity.dockerReference?.name : undefined
  const isEmpty = (index: number): boolean => format !== 'v2s1' && image.schema1?.layers[index]!.isEmpty === true
  const jobs: LayerJob[] = []
  for (const [index, listed] of image.layers.entries()) {
    if (isEmpty(index)) continue
    const diffId = diffIds[index]
    jobs.push({
      // What the manifest says beside (URLs, annotations) is of the blob that it lists.
      source, destination, layer: storedLayers?.[index] ?? listed, index: jobs.length,
      ...(diffId === undefined ? {} : { diffId }),
      needsDiffId: needsDiffIds && diffId === undefined,
      mayChange: unchangeable === undefined && (options.signers?.length ?? 0) === 0,
      mayCompress: unchangeable === undefined && mayChangeCompression(image, listed),
      compression: options.compression,
      ...(from === undefined ? {} : { knownAt: [from] }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    })
  }
  return jobs
}

/** As many as the source's: empty layers that were not copied stand in their place. */
function withEmptyLayers(image: SourceImage, copied: readonly CopiedLayer[]): CopiedLayer[] {
  if (copied.length === image.layers.length) return [...copied]
  const rest = [...copied]
  return image.schema1!.layers.map((layer, index) => (layer.isEmpty ? { ...image.layers[index]!, sizeBytes: 0 } : rest.shift()!))
}

async function putConfig(work: Work, format: ManifestFormat, diffIds: readonly (string | undefined)[], put: BuiltConfig | undefined): Promise<BuiltConfig | undefined> {
  const { image, what, configBytes, task: { destination, options: { signal, onProgress } } } = work
  if (!isContainerImage(image)) return undefined
  const config = buildConfig(image, format, configBytes, diffIds, what)
  if (config === undefined || config.digest === put?.digest) return config
  const { bytes, digest, mediaType } = config
  const report = (state: BlobState, size: number): void => onProgress?.({ type: 'blob', kind: 'config', digest, state, bytes: size, total: bytes.length })
  report('downloading', 0)
  const blob = { kind: 'config' as const, digest, sizeBytes: bytes.length, mediaType, ...(signal === undefined ? {} : { signal }) }
  // Where it comes first it is what the destination learns of the image, stored already or not.
  if (destination.traits.configFirst === true || (await destination.reuseBlob(blob)) === undefined) await destination.putBlob(once(bytes), blob)
  report('done', bytes.length)
  return config
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** An artifact's config is any document, of any size. */
async function copyArtifactConfig({ task: { source, destination, options: { signal, onProgress } }, what }: Work, { digest, size, mediaType }: Descriptor): Promise<void> {
  const report = (state: BlobState, bytes: number): void => onProgress?.({ type: 'blob', kind: 'config', digest, state, bytes, total: size })
  const limits = { sizeBytes: size, ...(signal === undefined ? {} : { signal }) }
  const blob = { kind: 'config' as const, digest, mediaType, ...limits }
  report('downloading', 0)
  if ((await destination.reuseBlob(blob)) === undefined) {
    await destination.putBlob(verified(source.getBlob(digest, limits), { digest, what: `copy ${what}: config ${digest.slice(7, 19)}`, ...limits }), blob)
  }
  report('done', size)
}

async function putManifest(work: Work, format: ManifestFormat, layers: readonly CopiedLayer[], config: BuiltConfig | undefined): Promise<RawManifest> {
  const { task: { destination, options: { signal, onProgress } }, image, isInstance, configBytes, embeddedReference, what } = work
  const layersChanged = work.storedLayers !== undefined || layers.some(({ digest }, index) => digest !== image.layers[index]!.digest)
  const manifest = await buildManifest({ image, format, layers, layersChanged, config, configBytes, embeddedReference, what })
  if (manifest.digest !== image.raw.digest && work.unchangeable !== undefined) {
    throw cannotChange(`the manifest of ${what} would have to change for ${destination.description}, which we cannot do`, work.unchangeable, [])
  }
  if (format === 'v2s1' && image.format !== 'v2s1') await putEmptyLayer(work)
  onProgress?.({ type: 'manifest', digest: manifest.digest })
  await destination.putManifest(manifest, { isInstance, ...(signal === undefined ? {} : { signal }) })
  return manifest
}

async function putEmptyLayer({ configBytes, what, task: { destination, options: { signal } } }: Work): Promise<void> {
  if (parseImageConfig(configBytes!, what).history?.some((step) => step.empty_layer === true) !== true) return
  const blob = { kind: 'layer' as const, digest: emptyLayerDigest, sizeBytes: emptyLayer.length, mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...(signal === undefined ? {} : { signal }) }
  if ((await destination.reuseBlob(blob)) === undefined) await destination.putBlob(once(emptyLayer), blob)
}

async function readConfig({ source, options: { signal } }: CopyTask, { digest, size }: Descriptor): Promise<Uint8Array> {
  const what = `copy ${source.description}: config ${digest.slice(7, 19)}`
  if (size > maxConfigBytes) throw new TpodError('BODY_TOO_LARGE', `${what}: it has ${size} bytes, more than ${maxConfigBytes}`)
  const limits = { sizeBytes: size, ...(signal === undefined ? {} : { signal }) }
  const chunks: Uint8Array[] = []
  // Copied: a chunk that was read is freed.
  for await (const chunk of verified(source.getBlob(digest, limits), { digest, what, ...limits })) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** Several images of an index, and the index, whose entries follow what the images became. */
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import { encodeGoJson } from '../../oci/go-json.ts'
import type { Descriptor, ImageIndex, Platform } from '../../oci/image-types.ts'
import { dockerList, ociIndex } from '../../oci/media-types.ts'
import type { RawManifest } from '../types.ts'
import { ociDescriptor, sortedOrNothing } from './build-manifest.ts'
import { chooseIndexTypes } from './choose-format.ts'
import { getInstance } from './copy-image.ts'
import { checkPolicyOf, copyInstance } from './copy-instance.ts'
import type { CopyTask } from './copy-task.ts'
import { addSignatures, cannotChange, getSignatures, whyUnchangeable } from './signatures.ts'

/** Copies what options.instances says of it and returns the index as the destination has it. */
export async function copyIndex(task: CopyTask, index: ImageIndex): Promise<RawManifest> {
  const { destination, options: { instances, format, onProgress }, top } = task
  const { traits } = destination
  if (traits.indexTypes.length === 0) {
    throw new TpodError('UNSUPPORTED_MANIFEST', `copying multiple images: destination transport ${JSON.stringify(destination.identity.transport)} does not support copying multiple images as a group`)
  }
  const signatures = await getSignatures(task, top.digest, 'image list')
  const unchangeable = whyUnchangeable(task, signatures, [top.digest])
  const types = chooseIndexTypes(index.mediaType, traits.indexTypes, format)
  if (types[0] !== index.mediaType && unchangeable !== undefined) {
    throw cannotChange(`Manifest list must be converted to type ${JSON.stringify(types[0])} to be written to destination, but we cannot modify it`, unchangeable, signatures)
  }
  const entries = await copyInstances(task, index.manifests, chosenDigests(index, instances))
  onProgress?.({ type: 'step', text: 'Writing manifest list to image destination' })
  const isChanged = entries.some(({ digest, mediaType, size }, place) => digest !== index.manifests[place]!.digest || size !== index.manifests[place]!.size || mediaType !== index.manifests[place]!.mediaType)
  if (isChanged && unchangeable !== undefined) throw cannotChange(`the index of ${task.source.description} would have to change for ${destination.description}, which we cannot do`, unchangeable, signatures)
  const written = await putIndex(task, { ...index, manifests: entries }, types, isChanged)
  await addSignatures(task, signatures, written, 'image list')
  return written
}

function chosenDigests(index: ImageIndex, instances: CopyTask['options']['instances']): ReadonlySet<string> {
  const all = new Set(index.manifests.map(({ digest }) => digest))
  if (instances === 'all') return all
  if (typeof instances !== 'object') return new Set()
  const missing = instances.digests.find((digest) => !all.has(digest))
  if (missing !== undefined) throw new TpodError('MANIFEST_UNKNOWN', `the index has no image with digest ${missing}`)
  return new Set(instances.digests)
}

async function copyInstances(task: CopyTask, manifests: readonly Descriptor[], chosen: ReadonlySet<string>): Promise<Descriptor[]> {
  const { onProgress } = task.options
  const count = manifests.filter(({ digest }) => chosen.has(digest)).length
  onProgress?.({ type: 'step', text: `Copying ${count} of ${manifests.length} images in list` })
  if (count === 0 && task.options.policy !== undefined) await checkPolicyOf(task, task.top)
  const entries: Descriptor[] = []
  let number = 0
  for (const entry of manifests) {
    if (!chosen.has(entry.digest)) {
      entries.push(entry)
      continue
    }
    onProgress?.({ type: 'step', text: `Copying image ${entry.digest} (${++number}/${count})` })
    const copied = await copyInstance(task, await getInstance(task, entry.digest, entry.mediaType), true)
    entries.push(copied.digest === entry.digest ? entry : { ...entry, digest: copied.digest, size: copied.bytes.length, mediaType: copied.mediaType })
  }
  return entries
}

async function putIndex({ top, destination, platform, options: { signal } }: CopyTask, index: ImageIndex, types: readonly string[], isChanged: boolean): Promise<RawManifest> {
  const refusals: string[] = []
  for (const [place, type] of types.entries()) {
    const raw = type === index.mediaType && !isChanged ? { ...top, mediaType: type } : serializeIndex(index, type, platform, top)
    try {
      await destination.putManifest(raw, { isInstance: false, ...(signal === undefined ? {} : { signal }) })
      return raw
    } catch (error) {
      if (errorCode(error) !== 'MANIFEST_REJECTED') throw error
      refusals.push(`${type}(${errorMessage(error)})`)
      if (place === types.length - 1) throw new TpodError('MANIFEST_REJECTED', `Uploading manifest list failed, attempted the following formats: ${refusals.join(', ')}`, { cause: error })
    }
  }
  throw new Error('no types')
}

function serializeIndex({ manifests, annotations, mediaType }: ImageIndex, type: string, host: Platform, top: RawManifest): RawManifest {
  const own = mediaType === ociIndex ? (JSON.parse(new TextDecoder().decode(top.bytes)) as Record<string, unknown>) : {}
  const document = type === dockerList
    ? { schemaVersion: 2, mediaType: type, manifests: manifests.map((entry) => dockerEntry(entry, host)) }
    : {
        schemaVersion: 2, mediaType: type, artifactType: own.artifactType,
        manifests: manifests.map((entry) => ociDescriptor(ociEntry(entry))), subject: own.subject, annotations: sortedOrNothing(annotations),
      }
  const bytes = Buffer.from(encodeGoJson(document))
  return { bytes, digest: digestOf(bytes), mediaType: type }
}

function ociEntry(entry: Descriptor): Descriptor {
  return entry.platform === undefined ? entry : { ...entry, platform: ociPlatform(entry.platform) }
}

/** Members in the order of image-spec's Go type. */
function ociPlatform({ architecture, os, variant, ...more }: Platform): Platform {
  const version = more['os.version']
  const features = more['os.features']
  return {
    architecture, os,
    ...(version ? { 'os.version': version } : {}),
    ...(features?.length ? { 'os.features': features } : {}),
    ...(variant ? { variant } : {}),
  }
}

function dockerEntry({ mediaType, size, digest, urls, platform }: Descriptor, host: Platform): object {
  // docker's list has no images without a platform.
  return { mediaType, size, digest, urls: urls?.length ? urls : undefined, platform: ociPlatform(platform ?? { architecture: host.architecture, os: 'linux' }) }
}

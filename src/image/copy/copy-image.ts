/** An image, or all images of an index, from any source to any destination. */
import { errorCode, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { parseManifest } from '../../oci/image-types.ts'
import { formatPlatform, chooseInstance } from '../../oci/platform.ts'
import { isSchema1 } from '../../oci/schema1.ts'
import type { ImageDestination, ImageSource, RawManifest } from '../types.ts'
import { copyInstance } from './copy-instance.ts'
import type { CopyTask } from './copy-task.ts'
import type { CopyOptions, CopyResult } from './types.ts'

/** Somebody who deletes what was just found to exist, this often, is not a coincidence. */
const maxRounds = 4

/**
 * Copies `source` to `destination` and commits it; opens and closes neither. Every byte is verified on the way: manifests
 * and blobs against their digests, unpacked layers against the config where they are unpacked. Nothing is visible before
 * the commit where the destination's format permits that. Holds no lock of its own.
 *
 * Throws what source and destination throw, and DIGEST_MISMATCH, BAD_MANIFEST, BAD_CONFIG, NO_MATCHING_PLATFORM,
 * UNSUPPORTED_MANIFEST (no format says what the image has), MANIFEST_REJECTED, MANIFEST_UNCHANGEABLE (signatures, a digest or
 * preserveDigests forbid the change that the destination needs), SIGNATURES_UNSUPPORTED, POLICY_*, BLOBS_GONE.
 */
export async function copyImage(context: Pick<CopyTask, 'platform' | 'temporaryDirectory'>, source: ImageSource, destination: ImageDestination, options: CopyOptions = {}): Promise<CopyResult> {
  const { signal } = options
  const top = await source.getManifest(undefined, signal === undefined ? {} : { signal })
  const task: CopyTask = { platform: options.platform ?? context.platform, source, destination, options, top, ...(context.temporaryDirectory === undefined ? {} : { temporaryDirectory: context.temporaryDirectory }) }
  for (let round = 1; ; round++) {
    try {
      return await copyAndCommit(task)
    } catch (error) {
      if (errorCode(error) !== 'BLOBS_GONE' || round >= maxRounds) throw error
      throwIfAborted(signal)
    }
  }
}

async function copyAndCommit(task: CopyTask): Promise<CopyResult> {
  const { source, destination, options, top } = task
  const commit = (topLevel?: RawManifest): Promise<void> =>
    destination.commit({ ...(topLevel === undefined ? {} : { topLevel }), ...(options.signal === undefined ? {} : { signal: options.signal }) })
  const parsed = isSchema1(top.bytes) ? undefined : parseManifest(top.bytes, top.mediaType, source.description)
  if (parsed?.kind !== 'index') {
    const manifest = await copyInstance(task, top, false)
    await commit()
    return { manifest }
  }
  if ((options.instances ?? 'system') !== 'system') {
    const { copyIndex } = await import('./copy-index.ts')
    const manifest = await copyIndex(task, parsed)
    await commit()
    return { manifest }
  }
  const instance = chooseInstance(parsed.manifests, task.platform) ?? parsed.manifests.find(({ platform }) => platform === undefined)
  if (instance === undefined) throw noInstance(task, parsed.manifests.flatMap(({ platform }) => (platform === undefined || platform.os === 'unknown' ? [] : [formatPlatform(platform)])))
  const raw = await getInstance(task, instance.digest, instance.mediaType)
  const manifest = await copyInstance(task, raw, false)
  await commit(top)
  return { manifest }
}

export async function getInstance({ source, options: { signal } }: Pick<CopyTask, 'source' | 'options'>, digest: string, mediaType: string): Promise<RawManifest> {
  const raw = await source.getManifest(digest, signal === undefined ? {} : { signal })
  return { ...raw, mediaType: raw.mediaType || mediaType }
}

function noInstance({ source, platform }: CopyTask, offered: readonly string[]): TpodError {
  const { os, architecture, variant = '' } = platform
  return new TpodError('NO_MATCHING_PLATFORM', `choosing an image from manifest list ${source.description}: no image found in image index for architecture ${architecture}, variant ${JSON.stringify(variant)}, OS ${os}`, {
    remedy: `there are ${[...new Set(offered)].slice(0, 20).join(', ') || 'none'}`,
  })
}

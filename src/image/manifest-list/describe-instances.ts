/** What a manifest list says of an image that is added to it: digest, size and platform, from the image itself. */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import { maxConfigBytes, parseImageConfig, parseManifest } from '../../oci/image-types.ts'
import type { ImageManifest, Platform } from '../../oci/image-types.ts'
import { chooseInstance, formatPlatform } from '../../oci/platform.ts'
import type { ImageSource } from '../types.ts'
import { parseListDocument } from './list-document.ts'
import type { EntryPlatform, ListEntry } from './list-document.ts'

export interface DescribeOptions {
  /** Of an index every image, not only the platform's. */
  all?: boolean
  platform: Platform
  signal?: AbortSignal
}

/**
 * One entry for a single image; for an index one for the platform's image or, with `all`, for each. Where an index leaves
 * the platform out, the image's config tells it. Throws NO_MATCHING_PLATFORM, and what reading the source throws.
 */
export async function describeInstances(source: ImageSource, options: DescribeOptions): Promise<ListEntry[]> {
  const raw = await source.getManifest(undefined, options)
  const manifest = parseManifest(raw.bytes, raw.mediaType, source.description)
  if (manifest.kind === 'manifest') {
    return [await withPlatform(source, { mediaType: manifest.mediaType, digest: raw.digest, size: raw.bytes.length, platform: { architecture: '', os: '' } }, manifest, options.signal)]
  }
  const { entries } = parseListDocument(raw.bytes, source.description)
  if (options.all === true) {
    const found: ListEntry[] = []
    // One after the other: an index of thousands without platforms must not become as many requests at once.
    for (const entry of entries) found.push(await completed(source, entry, options.signal))
    return found
  }
  const chosen = chooseInstance(manifest.manifests, options.platform)
  const entry = entries.find(({ digest }) => digest === chosen?.digest)
  if (entry === undefined) {
    throw new TpodError('NO_MATCHING_PLATFORM', `selecting image from manifest list in ${source.description}: no image found for ${formatPlatform(options.platform)}`, { remedy: 'add all of its images with --all' })
  }
  return [await completed(source, entry, options.signal)]
}

/** Fills in what the index leaves open. Annotations of the other index are not taken over (as podman). */
async function completed(source: ImageSource, entry: ListEntry, signal: AbortSignal | undefined): Promise<ListEntry> {
  const { annotations: _dropped, ...rest } = entry
  if (rest.platform.os !== '' && rest.platform.architecture !== '' && rest.mediaType !== '') return rest
  const raw = await source.getManifest(entry.digest, signal === undefined ? {} : { signal })
  const manifest = parseManifest(raw.bytes, raw.mediaType || rest.mediaType, source.description)
  if (manifest.kind === 'index') throw new TpodError('BAD_MANIFEST', `read manifest ${entry.digest} of ${source.description}: a list within a list`)
  return withPlatform(source, { ...rest, mediaType: rest.mediaType || manifest.mediaType, size: raw.bytes.length }, manifest, signal)
}

async function withPlatform(source: ImageSource, entry: ListEntry, manifest: ImageManifest, signal: AbortSignal | undefined): Promise<ListEntry> {
  if (entry.platform.os !== '' && entry.platform.architecture !== '') return entry
  const config = await readPlatform(source, manifest, signal)
  const platform = {
    ...entry.platform,
    ...(entry.platform.os === '' ? { os: config.os, ...pick(config, 'os.version'), ...pick(config, 'os.features') } : {}),
    ...(entry.platform.architecture === '' ? { architecture: config.architecture, ...pick(config, 'variant') } : {}),
  }
  return { ...entry, platform }
}

/** An artifact, whose config is no image's, has no platform: both words stay empty, as podman leaves them. */
async function readPlatform(source: ImageSource, manifest: ImageManifest, signal: AbortSignal | undefined): Promise<EntryPlatform> {
  const { digest, size } = manifest.config
  if (size > maxConfigBytes) throw new TpodError('BAD_CONFIG', `read config of ${source.description}: larger than ${maxConfigBytes} bytes`)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of source.getBlob(digest, { sizeBytes: size, ...(signal === undefined ? {} : { signal }) })) {
    length += chunk.length
    if (length > size) throw new TpodError('DIGEST_MISMATCH', `read config of ${source.description}: larger than its manifest says`)
    chunks.push(Uint8Array.from(chunk))
  }
  const bytes = Buffer.concat(chunks)
  if (digestOf(bytes) !== digest) throw new TpodError('DIGEST_MISMATCH', `read config of ${source.description}: its digest is not ${digest}`)
  let config: Record<string, unknown>
  try {
    config = parseImageConfig(bytes, source.description) as unknown as Record<string, unknown>
  } catch {
    return { architecture: '', os: '' }
  }
  const text = (key: string): string => (typeof config[key] === 'string' ? config[key] : '')
  const features = config['os.features']
  return {
    os: text('os'), architecture: text('architecture'),
    ...(text('variant') === '' ? {} : { variant: text('variant') }),
    ...(text('os.version') === '' ? {} : { 'os.version': text('os.version') }),
    ...(Array.isArray(features) && features.length > 0 && features.every((item) => typeof item === 'string') ? { 'os.features': features } : {}),
  }
}

function pick<K extends keyof EntryPlatform>(platform: EntryPlatform, key: K): Partial<Pick<EntryPlatform, K>> {
  return platform[key] === undefined ? {} : ({ [key]: platform[key] } as Partial<Pick<EntryPlatform, K>>)
}


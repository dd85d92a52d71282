/** One image, from any source into the store, each byte verified. */
import { TpodError } from '../errors/tpod-error.ts'
import { digestHex, digestOf } from '../oci/digest.ts'
import { maxConfigBytes, parseImageConfig, parseManifest } from '../oci/image-types.ts'
import type { Descriptor, ImageConfig, ImageManifest, Platform } from '../oci/image-types.ts'
import { isLayerMediaType, ociConfig } from '../oci/media-types.ts'
import { chooseInstance, formatPlatform, suitsPlatform } from '../oci/platform.ts'
import { formatReference } from '../oci/reference.ts'
import type { QualifiedReference } from '../oci/reference.ts'
import type { ImageRecord, Store } from '../storage/types.ts'
import { isDiskFull, withLayers } from './pull-layers.ts'
import type { ImageContext, ImageSource, PullOptions, RawManifest } from './types.ts'

interface ChosenManifest {
  manifest: ImageManifest
  raw: RawManifest
  /** The index it was chosen from. */
  index?: RawManifest
}

/** Unpacking keeps more than one processor busy per layer, and each layer at work takes about 25 MB. */
const defaultParallelLayers = 2

/**
 * Copies the image that `top` (manifest or index) describes and names it `name`. `existed`: the store had it before.
 * The record is written last, with the keys that containers/image writes; only then is anything listed.
 */
export async function copyToStore(context: ImageContext, source: ImageSource, top: RawManifest, name: QualifiedReference, options: PullOptions): Promise<{ image: ImageRecord; existed: boolean }> {
  const shownAs = formatReference(name)
  const { store } = context
  const chosen = await chooseManifest(source, top, shownAs, options.platform ?? context.platform, options.signal)
  const { manifest } = chosen
  const id = digestHex(manifest.config.digest)
  const existing = await store.findImage(id)
  const configBytes = (await readStoredConfig(store, existing, manifest.config)) ?? (await fetchConfig(source, manifest.config, shownAs, options))
  const config = parseImageConfig(configBytes, shownAs)
  checkLayers(manifest, config, shownAs)
  warnOfPlatform(config, options, context.platform, shownAs)
  const image = await withLayers(
    {
      store,
      source,
      shownAs,
      layers: manifest.layers.map((blob, index) => ({ blob, diffId: config.rootfs.diff_ids[index]! })),
      parallel: options.parallelLayers ?? defaultParallelLayers,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    },
    async (layer) => {
      options.onProgress?.({ type: 'manifest', digest: chosen.raw.digest })
      return putImage(store, { id, chosen, configBytes, config, names: [shownAs], layer })
    },
  ).catch((error: unknown) => {
    if (isDiskFull(error) && !(error instanceof TpodError && error.code === 'DISK_FULL')) {
      throw new TpodError('DISK_FULL', `pull ${shownAs}: no space left on the store's file system`, { cause: error, remedy: 'free space (rmi, rm), or use another --root' })
    }
    throw error
  })
  return { image, existed: existing !== undefined }
}

async function chooseManifest(source: ImageSource, top: RawManifest, shownAs: string, platform: Platform, signal: AbortSignal | undefined): Promise<ChosenManifest> {
  const parsed = parseManifest(top.bytes, top.mediaType, shownAs)
  if (parsed.kind === 'manifest') return { manifest: parsed, raw: top }
  const instance = chooseInstance(parsed.manifests, platform)
  if (instance === undefined) {
    const offered = parsed.manifests.flatMap((entry) => (entry.platform === undefined || entry.platform.os === 'unknown' ? [] : [formatPlatform(entry.platform)]))
    throw new TpodError('NO_MATCHING_PLATFORM', `pull ${shownAs}: no image for ${formatPlatform(platform)}; there are ${[...new Set(offered)].slice(0, 20).join(', ') || 'none'}`, {
      remedy: 'choose one with --platform OS/ARCH[/VARIANT]',
    })
  }
  const raw = await source.getManifest(instance.digest, signal === undefined ? {} : { signal })
  const manifest = parseManifest(raw.bytes, raw.mediaType || instance.mediaType, shownAs)
  if (manifest.kind !== 'manifest') throw new TpodError('BAD_MANIFEST', `read manifest of ${shownAs}: an index within an index is not supported`)
  return { manifest, raw, index: top }
}

function checkLayers(manifest: ImageManifest, config: ImageConfig, shownAs: string): void {
  for (const layer of manifest.layers) {
    if (!isLayerMediaType(layer.mediaType)) {
      throw new TpodError('UNSUPPORTED_MANIFEST', `pull ${shownAs}: layer ${layer.digest.slice(7, 19)} has media type ${JSON.stringify(layer.mediaType)}: encrypted layers and artifacts are not container images`)
    }
  }
  const count = config.rootfs.diff_ids.length
  if (count !== manifest.layers.length) throw new TpodError('BAD_MANIFEST', `pull ${shownAs}: the manifest has ${manifest.layers.length} layers, its config ${count}`)
}

function warnOfPlatform(config: ImageConfig, options: PullOptions, host: Platform, shownAs: string): void {
  const wanted = options.platform ?? host
  if (config.os === '' || suitsPlatform(config, wanted)) return
  options.onProgress?.({ type: 'warning', message: `image platform (${formatPlatform(config)}) of ${shownAs} does not match the expected platform (${formatPlatform(wanted)})` })
}

async function readStoredConfig(store: Store, existing: ImageRecord | undefined, config: Descriptor): Promise<Uint8Array | undefined> {
  if (existing?.['big-data-names']?.includes(config.digest) !== true) return undefined
  const bytes = await store.readImageData(existing.id, config.digest).catch(() => undefined)
  // A damaged copy is replaced by a fetched one.
  return bytes !== undefined && digestOf(bytes) === config.digest ? bytes : undefined
}

async function fetchConfig(source: ImageSource, { digest, size, mediaType }: Descriptor, shownAs: string, { signal, onProgress }: PullOptions): Promise<Uint8Array> {
  if (mediaType === 'application/vnd.oci.empty.v1+json') {
    throw new TpodError('UNSUPPORTED_MANIFEST', `pull ${shownAs}: it is an artifact (config ${mediaType}, not ${ociConfig}), not a container image`)
  }
  if (size > maxConfigBytes) throw new TpodError('BODY_TOO_LARGE', `pull ${shownAs}: its config has ${size} bytes, more than ${maxConfigBytes}`)
  const report = (state: 'downloading' | 'done', bytes: number): void => onProgress?.({ type: 'blob', kind: 'config', digest, state, bytes, total: size })
  const chunks: Uint8Array[] = []
  report('downloading', 0)
  for await (const chunk of source.getBlob(digest, { sizeBytes: size, ...(signal === undefined ? {} : { signal }) })) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const actual = digestOf(bytes)
  if (actual !== digest) {
    throw new TpodError('DIGEST_MISMATCH', `pull ${shownAs}: its config has digest ${actual} instead of ${digest}`, { remedy: 'the registry or a proxy before it is broken or hostile' })
  }
  report('done', bytes.length)
  return bytes
}

interface RecordParts {
  id: string
  chosen: ChosenManifest
  configBytes: Uint8Array
  config: ImageConfig
  names: readonly string[]
  layer: string | undefined
}

function putImage(store: Store, { id, chosen, configBytes, config, names, layer }: RecordParts): Promise<ImageRecord> {
  const { raw, index } = chosen
  const bigData = new Map<string, Uint8Array>([[`sha256:${id}`, configBytes]])
  if (index !== undefined) bigData.set(`manifest-${index.digest}`, index.bytes)
  bigData.set(`manifest-${raw.digest}`, raw.bytes)
  bigData.set('manifest', raw.bytes)
  // None were fetched: containers/image writes the empty key too, and podman's pull of the same image then changes nothing.
  bigData.set(`signature-${digestHex(raw.digest)}`, new Uint8Array())
  const created = typeof config.created === 'string' && !Number.isNaN(Date.parse(config.created)) ? config.created : undefined
  return store.putImage({
    id,
    // What the name means on the registry: `images --digests` shows the index's, as podman does.
    digest: index?.digest ?? raw.digest,
    names,
    bigData,
    metadata: JSON.stringify({ 'signatures-sizes': { [raw.digest]: [] } }),
    ...(layer === undefined ? {} : { layer }),
    ...(created === undefined ? {} : { created }),
  })
}

/**
 * Looking at an image where it lies, without pulling: a registry, a directory, an archive, the store. Fields and their
 * order are skopeo's, so that both print the same.
 */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import { type Descriptor, type ImageManifest, maxConfigBytes, parseImageConfig, parseManifest } from '../../oci/image-types.ts'
import { formatGoTime, sortedMap, zeroGoTime } from '../../oci/go-json.ts'
import { ociConfig, ociManifest } from '../../oci/media-types.ts'
import { chooseInstance } from '../../oci/platform.ts'
import { isSchema1, manifestDigest } from '../../oci/schema1.ts'
import { parseImageName } from '../transports/image-name.ts'
import { openSource } from '../transports/open-source.ts'
import type { EndpointOptions, ImageSource, RawManifest, TransportContext } from '../types.ts'

export interface LayerData {
  MIMEType: string
  Digest: string
  Size: number
  Annotations: ReadonlyMap<string, string> | null
}

/** `null` is what Go prints for an absent list or map. Print it with oci/go-json.ts, which keeps the order of maps. */
export interface RemoteInspect {
  /** host/path; absent where the transport has no such name. */
  Name?: string
  Tag?: string
  /** Of the image's own manifest or index. */
  Digest: string
  RepoTags: string[]
  Created: string | null
  DockerVersion: string
  Labels: ReadonlyMap<string, string> | null
  Architecture: string
  Os: string
  Layers: string[] | null
  LayersData: LayerData[] | null
  Env: string[] | null
}

export interface InspectRemoteOptions {
  endpoint?: EndpointOptions
  /** RepoTags stays empty and the registry isn't asked. */
  noTags?: boolean
  onWarning?: (message: string) => void
}

/**
 * The platform's image of `name` (`transport:details`), from its manifest and config; registries are asked for their tags
 * meanwhile. Throws BAD_IMAGE_NAME, MANIFEST_UNKNOWN and what the transport throws.
 */
export async function inspectRemote(context: TransportContext, name: string, options: InspectRemoteOptions = {}): Promise<RemoteInspect> {
  const tags = options.noTags === true ? undefined : startTags(context, name, options)
  return withImage(context, name, options.endpoint, async (source, own) => {
    const chosen = await chooseImage(context, source, own, options.endpoint?.signal)
    const summary = chosen.parsed === undefined
      ? await import('./inspect-schema1.ts').then(({ summarizeSchema1 }) => summarizeSchema1(chosen.manifest.bytes, name))
      : await summarize(source, chosen.parsed, name, options.endpoint?.signal)
    const reference = source.identity.dockerReference
    const { Tag, ...rest } = summary
    return {
      ...(reference === undefined ? {} : { Name: reference.name }),
      ...(Tag === undefined || Tag === '' ? {} : { Tag }),
      Digest: manifestDigest(own.bytes),
      RepoTags: tags === undefined ? [] : await tagsOrNone(tags, options),
      ...rest,
    }
  })
}

/** The manifest or index of `name`, byte for byte. Throws as inspectRemote. */
export async function readRemoteManifest(context: TransportContext, name: string, endpoint?: EndpointOptions): Promise<RawManifest> {
  return withImage(context, name, endpoint, async (_, own) => own)
}

/** The config of the platform's image of `name`, byte for byte, checked against its digest. Throws as inspectRemote. */
export async function readRemoteConfig(context: TransportContext, name: string, endpoint?: EndpointOptions): Promise<Uint8Array> {
  return withImage(context, name, endpoint, async (source, own) => {
    const chosen = await chooseImage(context, source, own, endpoint?.signal)
    if (chosen.parsed === undefined) return (await import('./inspect-schema1.ts')).schema1Config(chosen.manifest.bytes, name)
    return readConfig(source, chosen.parsed.config, name, endpoint?.signal)
  })
}

async function withImage<T>(context: TransportContext, name: string, endpoint: EndpointOptions | undefined, act: (source: ImageSource, own: RawManifest) => Promise<T>): Promise<T> {
  const source = await openSource(context, parseImageName(name), endpoint)
  try {
    return await act(source, await source.getManifest(undefined, abortable(endpoint?.signal)))
  } finally {
    await source.close()
  }
}

interface ChosenImage {
  manifest: RawManifest
  /** Absent: docker schema 1. */
  parsed: ImageManifest | undefined
}

async function chooseImage(context: TransportContext, source: ImageSource, own: RawManifest, signal: AbortSignal | undefined): Promise<ChosenImage> {
  if (isSchema1(own.bytes)) return { manifest: own, parsed: undefined }
  const parsed = parseManifest(own.bytes, own.mediaType, source.description)
  if (parsed.kind === 'manifest') return { manifest: own, parsed }
  const { os, architecture, variant } = context.platform
  const found = chooseInstance(parsed.manifests, context.platform)
  if (found === undefined) {
    throw new TpodError('PLATFORM_MISSING', `Error parsing manifest for image: choosing image instance: no image found in manifest list for architecture ${architecture}, variant ${JSON.stringify(variant ?? '')}, OS ${os}`, {
      remedy: 'name another platform with --override-arch, --override-os and --override-variant, or look at the list with --raw',
    })
  }
  const manifest = await source.getManifest(found.digest, abortable(signal))
  const instance = parseManifest(manifest.bytes, manifest.mediaType, source.description)
  if (instance.kind === 'index') throw new TpodError('BAD_MANIFEST', `read manifest ${found.digest} of ${source.description}: an index within an index is not an image`)
  return { manifest, parsed: instance }
}

export type ImageSummary = Omit<RemoteInspect, 'Name' | 'Digest' | 'RepoTags'>

async function summarize(source: ImageSource, manifest: ImageManifest, name: string, signal: AbortSignal | undefined): Promise<ImageSummary> {
  if (manifest.mediaType === ociManifest && manifest.config.mediaType !== ociConfig) {
    throw new TpodError('NOT_AN_IMAGE', `unsupported image-specific operation on artifact with type ${JSON.stringify(manifest.config.mediaType)}`, { remedy: 'show its manifest with --raw' })
  }
  const { layers } = manifest
  const bytes = await readConfig(source, manifest.config, name, signal)
  const config = parseImageConfig(bytes, name)
  const missing = manifest.mediaType === ociManifest ? null : zeroGoTime
  return {
    Created: typeof config.created === 'string' ? formatGoTime(config.created) ?? missing : missing,
    DockerVersion: typeof config.docker_version === 'string' ? config.docker_version : '',
    Labels: goMap(config.config?.Labels),
    Architecture: config.architecture,
    Os: config.os,
    Layers: layers.map(({ digest }) => digest),
    LayersData: layers.map(layerData),
    Env: config.config?.Env ?? null,
  }
}

function layerData({ mediaType, digest, size, annotations }: Descriptor): LayerData {
  return { MIMEType: mediaType, Digest: digest, Size: size, Annotations: goMap(annotations) }
}

async function readConfig(source: ImageSource, descriptor: Descriptor, name: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (descriptor.size > maxConfigBytes) throw new TpodError('BODY_TOO_LARGE', `read config of ${name}: it has ${descriptor.size} bytes, more than ${maxConfigBytes}`)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of source.getBlob(descriptor.digest, { sizeBytes: descriptor.size, ...abortable(signal) })) {
    length += chunk.length
    if (length > maxConfigBytes) throw new TpodError('BODY_TOO_LARGE', `read config of ${name}: it has more than ${maxConfigBytes} bytes`)
    chunks.push(chunk)
  }
  const bytes = Buffer.concat(chunks)
  const actual = digestOf(bytes)
  if (actual !== descriptor.digest) throw new TpodError('DIGEST_MISMATCH', `read config of ${name}: it has digest ${actual} instead of ${descriptor.digest}`, { remedy: 'the image or its registry is broken or hostile' })
  return bytes
}

/** Asked for before anything is known of the image: a failure is looked at only when the rest has succeeded. */
function startTags(context: TransportContext, name: string, { endpoint }: InspectRemoteOptions): Promise<string[]> | undefined {
  if (!name.startsWith('docker://')) return undefined
  const tags = import('./list-image-tags.ts').then(({ listRegistryTags }) => listRegistryTags(context, name.slice('docker:'.length), endpoint ?? {}))
  tags.catch(() => undefined)
  return tags
}

/** Some registries forbid the listing of tags: what is known of the image is shown all the same. */
async function tagsOrNone(tags: Promise<string[]>, { onWarning }: InspectRemoteOptions): Promise<string[]> {
  try {
    return await tags
  } catch (error) {
    if (!(error instanceof TpodError) || !/UNAUTHORIZED|DENIED|FORBIDDEN/.test(error.code)) throw error
    onWarning?.('Registry disallows tag list retrieval; skipping')
    return []
  }
}

function goMap(map: Record<string, string> | undefined | null): ReadonlyMap<string, string> | null {
  return map === undefined || map === null ? null : sortedMap(Object.entries(map))
}

function abortable(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

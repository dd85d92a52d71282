/** `image inspect`: podman's JSON, key for key and in its order. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import type { ContainerConfig, HealthCheckConfig, HistoryEntry, ImageConfig } from '../../oci/image-types.ts'
import { dockerManifest } from '../../oci/media-types.ts'
import type { ImageRecord, LayerRecord, Store } from '../../storage/types.ts'
import { isManifestList, readImageConfig, readImageManifest } from './image-data.ts'
import { imageTree } from './image-tree.ts'
import { repoDigestsOf } from './list.ts'
import { getLocalImage } from './resolve-local.ts'

export interface ImageInspect {
  Id: string
  Digest: string
  RepoTags: string[]
  RepoDigests: string[]
  Parent: string
  Comment: string
  Created: string | null
  Config: ContainerConfig
  Version: string
  Author: string
  Architecture: string
  Os: string
  Size: number
  VirtualSize: number
  GraphDriver: { Name: string; Data: Record<string, string> }
  RootFS: { Type: string; Layers: string[] }
  Labels: Record<string, string> | null
  Annotations: Record<string, string>
  ManifestType: string
  User: string
  History: HistoryEntry[] | null
  NamesHistory: string[]
  Healthcheck?: HealthCheckConfig
}

/** Of a manifest list in the store the image for this machine is described. Throws NO_SUCH_IMAGE, IMAGE_DAMAGED. */
export async function inspectImage(store: Store, registries: () => Promise<RegistriesConfig>, nameOrId: string): Promise<ImageInspect> {
  const { image } = await getLocalImage(store, registries, nameOrId)
  if (!isManifestList(image)) return describeImage(store, image)
  const [{ imageOrInstance }, { hostPlatform }] = await Promise.all([import('../manifest-list/local-instance.ts'), import('../../oci/platform.ts')])
  return describeImage(store, await imageOrInstance(store, image, hostPlatform(process.arch)))
}

/** The same for a record in hand. */
async function describeImage(store: Store, image: ImageRecord): Promise<ImageInspect> {
  const [images, layers, config, { manifest }] = await Promise.all([store.listImages(), store.listLayers(), readImageConfig(store, image), readImageManifest(store, image)])
  const chain = layerChain(layers, image.layer)
  const parent = await imageTree(store, images, layers).parent(image)
  const dataBytes = Object.values(image['big-data-sizes'] ?? {}).reduce((sum, size) => sum + size, 0)
  const sizeBytes = chain.reduce((sum, layer) => sum + Math.max(layer['diff-size'] ?? 0, 0), dataBytes)
  const isDocker = manifest.mediaType === dockerManifest
  const healthcheck = isDocker ? (config.container_config?.Healthcheck ?? config.config?.Healthcheck) : undefined
  return {
    Id: image.id,
    Digest: image.digest ?? '',
    RepoTags: (image.names ?? []).filter((name) => !name.includes('@')),
    RepoDigests: repoDigestsOf(image),
    Parent: parent?.id ?? '',
    Comment: isDocker ? (config.comment ?? '') : (config.history?.[0]?.comment ?? ''),
    Created: config.created ?? null,
    Config: shownConfig(config),
    Version: config.docker_version ?? '',
    Author: config.author ?? '',
    Architecture: config.architecture,
    Os: config.os,
    Size: sizeBytes,
    VirtualSize: sizeBytes,
    GraphDriver: { Name: store.driverName, Data: driverData(store, chain) },
    RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids },
    Labels: config.config?.Labels ?? null,
    Annotations: manifest.annotations ?? {},
    ManifestType: manifest.mediaType,
    User: config.config?.User ?? '',
    History: config.history?.map(shownHistory) ?? null,
    NamesHistory: image['names-history'] ?? [],
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
  }
}

/** The fields of OCI's config, empty ones left out as Go's omitempty does. */
function shownConfig({ config }: ImageConfig): ContainerConfig {
  const shown: Record<string, unknown> = {}
  for (const key of ['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal', 'ArgsEscaped'] as const) {
    const value = config?.[key]
    if (value === undefined || value === null || value === '' || value === false) continue
    if (typeof value === 'object' && Object.keys(value).length === 0) continue
    shown[key] = value
  }
  return shown as ContainerConfig
}

function shownHistory(entry: HistoryEntry): HistoryEntry {
  const shown: Record<string, unknown> = {}
  for (const key of ['created', 'created_by', 'author', 'comment', 'empty_layer'] as const) if (entry[key]) shown[key] = entry[key]
  return shown as HistoryEntry
}

/** Top layer first. */
function layerChain(layers: readonly LayerRecord[], top: string | undefined): LayerRecord[] {
  const records = new Map(layers.map((layer) => [layer.id, layer]))
  const chain: LayerRecord[] = []
  for (let layer = top === undefined ? undefined : records.get(top); layer !== undefined && chain.length <= layers.length; layer = layer.parent === undefined ? undefined : records.get(layer.parent)) chain.push(layer)
  return chain
}

function driverData(store: Store, chain: readonly LayerRecord[]): Record<string, string> {
  const [top, ...lower] = chain.map(({ id }) => store.layerDirectory(id))
  if (top === undefined) return {}
  const below: Record<string, string> = lower.length === 0 ? {} : { LowerDir: lower.map((directory) => `${directory}/diff`).join(':') }
  return { ...below, UpperDir: `${top}/diff`, WorkDir: `${top}/work` }
}

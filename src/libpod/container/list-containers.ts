/** Rows for `ps`: one read of the store's records, and per container of ours two small files. */
import type { ContainerRecord } from '../../storage/types.ts'
import type { NetworkInterface, PortMapping } from '../../network/types.ts'
import type { Engine } from '../engine.ts'
import type { ContainerConfig, ContainerState, ContainerStatus } from '../types.ts'
import { errorCode, errorMessage } from '../../errors/tpod-error.ts'
import { observeState, readConfig } from '../state/container-files.ts'
import { isActive } from '../state/derive-state.ts'
import { parseMetadata } from '../state/find-container.ts'

export interface ContainerRow {
  id: string
  name: string
  image: string
  imageId: string
  command: readonly string[]
  /** RFC 3339. */
  created: string
  startedAt: string
  finishedAt: string
  status: ContainerStatus
  /** Of another tool: only id, names, image and created are known. */
  isExternal: boolean
  exitCode: number
  exitCodeUnknown: boolean
  pid: number
  labels: Readonly<Record<string, string>>
  /** Destinations. */
  mounts: readonly string[]
  /** The same with their sources, for filters. */
  volumes: readonly { name?: string; source: string; destination: string }[]
  networks: readonly string[]
  networkMode: string
  interfaces: readonly NetworkInterface[]
  ports: readonly PortMapping[]
  exposed: readonly string[]
  restartCount: number
  autoRemove: boolean
  /** Why nothing but id, name, image and created is known: a file of it cannot be read. Status is 'unknown' then. */
  damage?: string
  /** With `size`: bytes of the container's own layer, and of its image. */
  size?: { rwSizeBytes: number; rootFsSizeBytes: number }
}

export interface ListOptions {
  /** Also those that do not run. A status filter implies it. */
  all?: boolean
  /** Also records of podman, buildah and CRI-O. */
  external?: boolean
  /** 'key=value', podman's filters: values of one key are alternatives, keys must all hold (label and network too). */
  filters?: readonly string[]
  size?: boolean
  /** A container whose files are damaged; it is listed all the same. */
  onWarning?: (warning: string) => void
}

/** Newest first. Throws BAD_FILTER. */
export async function listContainers(engine: Engine, options: ListOptions = {}): Promise<ContainerRow[]> {
  const records = await engine.store.listContainers()
  const hasFilters = (options.filters?.length ?? 0) > 0
  const rows: ContainerRow[] = []
  for (const record of records) {
    const row = readRow(engine, record)
    if (row?.damage !== undefined) options.onWarning?.(`container ${row.name} (${row.id.slice(0, 12)}) is damaged: ${row.damage}; remove it with: tpod rm --force ${row.name}`)
    if (row !== undefined && (!row.isExternal || options.external === true)) rows.push(row)
  }
  rows.sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0))
  let shown = rows
  let showsAll = options.all === true || options.external === true
  if (hasFilters) {
    const { compileFilters } = await import('./container-filters.ts')
    const filter = await compileFilters(engine, options.filters ?? [], rows)
    showsAll ||= filter.impliesAll
    shown = rows.filter((row) => filter.matches(row))
  }
  if (!showsAll) shown = shown.filter((row) => isShownByDefault(row.status))
  return options.size === true ? withSizes(engine, shown) : shown
}

/** podman's `ps` shows what has processes. */
function isShownByDefault(status: ContainerStatus): boolean {
  return isActive(status) && status !== 'initialized'
}

/** Undefined for a half-created container of ours: it does not exist yet, or any more. */
function readRow(engine: Engine, record: ContainerRecord): ContainerRow | undefined {
  try {
    return readSoundRow(engine, record)
  } catch (error) {
    if (errorCode(error) !== 'STATE_CORRUPT') throw error
    return { ...externalRow(record), command: [], isExternal: false, damage: errorMessage(error) }
  }
}

function readSoundRow(engine: Engine, record: ContainerRecord): ContainerRow | undefined {
  const config = readConfig(engine.state, record.id)
  if (config !== undefined) return ownRow(record, config, observeState(engine.state, record.id))
  const metadata = parseMetadata(record)
  return metadata['created-by'] === undefined ? externalRow(record) : undefined
}

function ownRow(record: ContainerRecord, config: ContainerConfig, state: ContainerState): ContainerRow {
  const { network } = config.spec
  return {
    id: config.id,
    name: record.names?.[0] ?? config.name,
    image: config.imageName,
    imageId: config.imageId,
    command: config.process.argv.length > 0 && config.command.length === 0 ? config.entrypoint : config.command,
    created: config.created,
    startedAt: state.startedAt,
    finishedAt: state.finishedAt,
    status: state.status,
    isExternal: false,
    exitCode: state.exitCode,
    exitCodeUnknown: state.exitCodeUnknown === true,
    pid: state.pid,
    labels: config.labels,
    mounts: config.mounts.map((mount) => mount.destination),
    volumes: config.mounts,
    networks: network.mode === 'bridge' ? (state.interfaces.length > 0 ? state.interfaces.map((one) => one.network) : network.networks.map((one) => one.name)) : [],
    networkMode: network.mode,
    interfaces: state.interfaces,
    ports: config.ports,
    exposed: config.exposed,
    restartCount: state.restartCount,
    autoRemove: config.spec.remove,
  }
}

function externalRow(record: ContainerRecord): ContainerRow {
  const metadata = parseMetadata(record)
  return {
    id: record.id,
    name: record.names?.[0] ?? metadata.name ?? '',
    image: metadata['image-name'] ?? record.image,
    imageId: record.image,
    command: ['storage'],
    created: record.created,
    startedAt: '', finishedAt: '',
    status: 'unknown',
    isExternal: true,
    exitCode: 0, exitCodeUnknown: false, pid: 0, labels: {}, mounts: [], volumes: [], networks: [], networkMode: '', interfaces: [], ports: [], exposed: [],
    restartCount: 0, autoRemove: false,
  }
}

async function withSizes(engine: Engine, rows: readonly ContainerRow[]): Promise<ContainerRow[]> {
  return Promise.all(rows.map(async (row) => {
    const rwSizeBytes = await engine.store.containerSizeBytes(row.id)
    const rootFsSizeBytes = row.imageId === '' ? 0 : await engine.store.imageSizeBytes(row.imageId).catch(() => 0)
    return { ...row, size: { rwSizeBytes, rootFsSizeBytes: rootFsSizeBytes + rwSizeBytes } }
  }))
}

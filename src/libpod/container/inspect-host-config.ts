/** The `HostConfig` of `container inspect`: what was asked of the host. */
import type { NamespaceMode, NetworkMode, ResolvedMount } from '../types.ts'
import type { InspectContext } from './inspect-container.ts'
import { parseLogSize } from '../spec/parse/numbers.ts'
import { portTable } from './inspect-network.ts'

export function inspectHostConfig(context: InspectContext): Record<string, unknown> {
  const { config, engine } = context
  const { spec } = config
  return {
    Binds: binds(context),
    CgroupManager: config.cgroupPath.includes(':') ? 'systemd' : 'cgroupfs',
    CgroupMode: modeText(spec.cgroupns),
    ContainerIDFile: spec.cidfile ?? '',
    LogConfig: { Type: config.logDriver, Config: null, Path: ['none', 'passthrough', 'journald'].includes(config.logDriver) ? '' : config.logPath, Tag: spec.logOptions['tag'] ?? '', Size: logSize(context) },
    NetworkMode: networkText(spec.network, engine.config.network.defaultNetwork),
    PortBindings: portTable(config.ports, []),
    RestartPolicy: { Name: '', MaximumRetryCount: 0 },
    AutoRemove: spec.remove,
    VolumeDriver: '',
    VolumesFrom: spec.volumesFrom.length === 0 ? null : spec.volumesFrom,
    CapAdd: spec.capAdd.map(capabilityName),
    CapDrop: spec.capDrop.map(capabilityName),
    Dns: spec.dnsServers,
    DnsOptions: spec.dnsOptions,
    DnsSearch: spec.dnsSearch,
    ExtraHosts: spec.addHosts,
    GroupAdd: spec.groupAdd,
    IpcMode: modeText(spec.ipc),
    Cgroup: '',
    Cgroups: spec.cgroups === 'enabled' ? 'default' : spec.cgroups,
    Links: null,
    OomScoreAdj: spec.resources.oomScoreAdj ?? 0,
    PidMode: modeText(spec.pid),
    Privileged: spec.privileged,
    PublishAllPorts: spec.publishAll,
    ReadonlyRootfs: spec.readOnly,
    SecurityOpt: spec.securityOpt,
    Tmpfs: tmpfsTable(context),
    UTSMode: modeText(spec.uts),
    UsernsMode: spec.userns.mode === 'host' ? '' : modeText(spec.userns),
    ShmSize: shmSize(context),
    Runtime: 'oci',
    ConsoleSize: [0, 0],
    Isolation: '',
    ...resources(context),
  }
}

function resources({ config, engine }: InspectContext): Record<string, unknown> {
  const { resources: limits } = config.spec
  return {
    CpuShares: limits.cpuShares ?? 0,
    Memory: limits.memoryBytes ?? 0,
    NanoCpus: limits.cpuQuotaUs !== undefined && limits.cpuQuotaUs > 0 ? Math.round((limits.cpuQuotaUs / (limits.cpuPeriodUs ?? 100_000)) * 1e9) : 0,
    CgroupParent: config.spec.cgroupParent ?? '',
    BlkioWeight: limits.blkioWeight ?? 0,
    BlkioWeightDevice: null,
    BlkioDeviceReadBps: null,
    BlkioDeviceWriteBps: null,
    BlkioDeviceReadIOps: null,
    BlkioDeviceWriteIOps: null,
    CpuPeriod: limits.cpuPeriodUs ?? 0,
    CpuQuota: limits.cpuQuotaUs ?? 0,
    CpuRealtimePeriod: limits.cpuRtPeriodUs ?? 0,
    CpuRealtimeRuntime: limits.cpuRtRuntimeUs ?? 0,
    CpusetCpus: limits.cpusetCpus ?? '',
    CpusetMems: limits.cpusetMems ?? '',
    Devices: config.spec.devices.map((device) => ({ PathOnHost: device.hostPath, PathInContainer: device.containerPath, CgroupPermissions: device.permissions })),
    DiskQuota: 0,
    KernelMemory: limits.kernelMemoryBytes ?? 0,
    MemoryReservation: limits.memoryReservationBytes ?? 0,
    MemorySwap: limits.memorySwapBytes ?? (limits.memoryBytes ?? 0) * 2,
    // podman's default of the flag, shown only with other limits of memory.
    MemorySwappiness: limits.memorySwappiness ?? (limits.memoryBytes === undefined ? 0 : -1),
    OomKillDisable: limits.oomKillDisable ?? false,
    PidsLimit: limits.pidsLimit ?? engine.config.containers.pidsLimit,
    Ulimits: config.spec.ulimits.map((limit) => ({ Name: `RLIMIT_${limit.name.toUpperCase()}`, Soft: limit.soft, Hard: limit.hard })),
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    CgroupConf: null,
  }
}

const readOnlyTmpfs = ['/run', '/tmp', '/var/tmp']

/** With those that --read-only brings along. */
function tmpfsTable({ config }: InspectContext): Record<string, string> {
  const asked = config.mounts.filter((mount) => mount.type === 'tmpfs').map((mount) => [mount.destination, completeMountOptions(mount).join(',')])
  const taken = new Set(config.mounts.map((mount) => mount.destination))
  const added = config.spec.readOnly && config.spec.readOnlyTmpfs ? readOnlyTmpfs.filter((path) => !taken.has(path)) : []
  return Object.fromEntries([...added.map((path) => [path, 'rw,rprivate,nosuid,nodev,tmpcopyup']), ...asked])
}

/** The mount's options with what holds where they say nothing, in podman's order. */
export function completeMountOptions({ type, options }: ResolvedMount): string[] {
  const without = (...words: string[]): boolean => !options.some((option) => words.includes(option))
  return [
    ...options.filter((option) => option !== 'z' && option !== 'Z'),
    ...(without('rw', 'ro') ? ['rw'] : []),
    ...(options.some((option) => /^r?(shared|private|slave)$/.test(option)) ? [] : ['rprivate']),
    ...(type !== 'bind' && without('suid', 'nosuid') ? ['nosuid'] : []),
    ...(type !== 'bind' && without('dev', 'nodev') ? ['nodev'] : []),
    ...(type === 'tmpfs' ? (without('tmpcopyup', 'notmpcopyup') ? ['tmpcopyup'] : []) : without('bind', 'rbind') ? ['rbind'] : []),
  ]
}

/** podman's spelling: source:destination:options; volumes by name. */
function binds({ config }: InspectContext): string[] {
  return config.mounts.filter((mount) => mount.type !== 'tmpfs').map((mount) => {
    const options = completeMountOptions(mount)
    return `${mount.type === 'volume' ? mount.name ?? '' : mount.source}:${mount.destination}:${options.join(',')}`
  })
}

function modeText(mode: NamespaceMode): string {
  if (mode.mode === 'container') return `container:${mode.containerId}`
  return mode.mode === 'path' ? `ns:${mode.path}` : mode.mode
}

function networkText(mode: NetworkMode, defaultNetwork: string): string {
  if (mode.mode === 'bridge') {
    const names = mode.networks.map((network) => network.name)
    return names.length === 0 || (names.length === 1 && names[0] === defaultNetwork) ? 'bridge' : names.join(',')
  }
  if (mode.mode === 'container') return `container:${mode.containerId}`
  return mode.mode === 'path' ? `ns:${mode.path}` : mode.mode
}

function capabilityName(name: string): string {
  const upper = name.toUpperCase()
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`
}

/** As units.HumanSize writes it: four digits, decimal units. */
function logSize({ config, engine }: InspectContext): string {
  const asked = config.spec.logOptions['max-size']
  const bytes = asked === undefined ? engine.config.containers.logSizeMax : parseLogSize(asked)
  if (bytes <= 0) return '0B'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const at = Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1)
  return `${Number((bytes / 1000 ** at).toPrecision(4))}${units[at]}`
}

function shmSize({ config, engine }: InspectContext): number {
  if (config.spec.shmSizeBytes !== undefined) return config.spec.shmSizeBytes
  const match = /^(\d+)([kmg]?)b?$/i.exec(engine.config.containers.shmSize)
  const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match?.[2] ?? '').toLowerCase()] ?? 1
  return Number(match?.[1] ?? 0) * unit
}

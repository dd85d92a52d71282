/**
 * The container model. `ContainerSpec` = asked for (normalised once by cli/ or the library's caller; stored as config.json,
 * immutable but for rename and update); `ContainerState` = what changes while it lives; `ContainerInfo` (info.ts) = shown.
 */
import type { NetworkInterface, PortMapping } from '../network/types.ts'

export interface EnvVar { name: string; value: string }

export interface BindMount {
  type: 'bind'
  source: string
  destination: string
  /** Mount options in podman's words: ro, rw, z, Z, nosuid, rshared, rbind, … */
  options: readonly string[]
}
export interface VolumeMount {
  type: 'volume'
  /** '' asks for an anonymous volume. */
  name: string
  destination: string
  options: readonly string[]
  /** Copy the image's content into an empty new volume (default true). */
  copyUp: boolean
}
export interface TmpfsMount {
  type: 'tmpfs'
  destination: string
  options: readonly string[]
  copyUp: boolean
}
export type MountRequest = BindMount | VolumeMount | TmpfsMount

/** How one kind of namespace is chosen. */
export type NamespaceMode =
  | { mode: 'private' }
  | { mode: 'host' }
  /** Another container's, by full id. */
  | { mode: 'container'; containerId: string }
  /** A namespace file. */
  | { mode: 'path'; path: string }
  /** ipc only. */
  | { mode: 'shareable' | 'none' }

export type NetworkMode =
  | { mode: 'none' | 'host' }
  | { mode: 'bridge'; networks: readonly { name: string; aliases?: readonly string[]; ip?: string; mac?: string }[] }
  | { mode: 'container'; containerId: string }
  | { mode: 'path'; path: string }

export interface DeviceRequest { hostPath: string; containerPath: string; permissions: string }
export interface Ulimit { name: string; soft: number; hard: number }

export interface ResourceLimits {
  memoryBytes?: number
  memoryReservationBytes?: number
  /** -1 unlimited. */
  memorySwapBytes?: number
  memorySwappiness?: number
  kernelMemoryBytes?: number
  oomKillDisable?: boolean
  oomScoreAdj?: number
  cpuShares?: number
  cpuPeriodUs?: number
  cpuQuotaUs?: number
  cpuRtPeriodUs?: number
  cpuRtRuntimeUs?: number
  cpusetCpus?: string
  cpusetMems?: string
  /** -1 unlimited; undefined: containers.conf's default. */
  pidsLimit?: number
  blkioWeight?: number
}

/** Everything `run`/`create` was asked, after parsing and before the image's own configuration is merged. */
export interface ContainerSpec {
  // --- image and command
  /** As the user typed it. */
  rawImageName: string
  /** Undefined: image's. [] clears. */
  entrypoint?: readonly string[]
  /** Undefined: image's. */
  command?: readonly string[]
  workingDir?: string
  user?: string
  groupAdd: readonly string[]
  env: readonly EnvVar[]
  /** Names to take from the caller's environment were resolved already; this asks for all of it. */
  envHost: boolean
  /** Names that the container shall not have, of whatever source but -e. */
  unsetEnv?: readonly string[]
  /** All that comes from defaults, image and host. */
  unsetEnvAll?: boolean
  /** The caller's http_proxy, no_proxy, … are passed on, below the image's own; absent: containers.conf's http_proxy decides. */
  httpProxy?: boolean
  /** The caller's environment, only when envHost. */
  hostEnv?: Readonly<Record<string, string>>
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
  terminal: boolean
  stdin: boolean
  stopSignal?: string
  stopTimeoutSec?: number
  /** 0: none. */
  timeoutSec: number
  umask?: string
  timezone?: string
  init: boolean
  initPath?: string

  // --- identity
  name?: string
  hostname?: string
  remove: boolean
  cidfile?: string
  pidfile?: string
  conmonPidfile?: string

  // --- files
  mounts: readonly MountRequest[]
  readOnly: boolean
  /** podman's --read-only-tmpfs, default true. */
  readOnlyTmpfs: boolean
  imageVolumes: 'bind' | 'anonymous' | 'tmpfs' | 'ignore'
  volumesFrom: readonly string[]
  shmSizeBytes?: number
  devices: readonly DeviceRequest[]
  deviceCgroupRules: readonly string[]

  // --- network
  network: NetworkMode
  ports: readonly PortMapping[]
  publishAll: boolean
  /** '80/tcp' */
  expose: readonly string[]
  dnsServers: readonly string[]
  dnsSearch: readonly string[]
  dnsOptions: readonly string[]
  /** 'host:ip', ip may be host-gateway */
  addHosts: readonly string[]
  noHosts: boolean

  // --- isolation
  pid: NamespaceMode
  ipc: NamespaceMode
  uts: NamespaceMode
  userns: NamespaceMode
  cgroupns: NamespaceMode
  cgroupParent?: string
  /** enabled | disabled | no-conmon (podman --cgroups) */
  cgroups: 'enabled' | 'disabled' | 'no-conmon' | 'split'
  privileged: boolean
  capAdd: readonly string[]
  capDrop: readonly string[]
  /** As typed: no-new-privileges, seccomp=…, label=…, apparmor=…, mask=…, unmask=…, proc-opts=… */
  securityOpt: readonly string[]
  sysctls: Readonly<Record<string, string>>
  ulimits: readonly Ulimit[]
  /** --ulimit host */
  ulimitHost: boolean
  resources: ResourceLimits

  // --- monitor
  logDriver?: 'k8s-file' | 'json-file' | 'journald' | 'none' | 'passthrough'
  logOptions: Readonly<Record<string, string>>
  detachKeys?: string
  sdnotify: 'container' | 'conmon' | 'ignore'
}

/** config.json of a container: spec plus everything that was resolved when it was created. */
export interface ContainerConfig {
  version: 1
  id: string
  name: string
  spec: ContainerSpec
  /** '' for rootfs containers. */
  imageId: string
  /** Resolved reference shown by ps. */
  imageName: string
  created: string
  /** Final process, after merging the image. */
  process: { argv: string[]; cwd: string; env: string[]; user: string }
  /** The image's entrypoint/cmd as used, for inspect. */
  entrypoint: string[]
  command: string[]
  labels: Record<string, string>
  annotations: Record<string, string>
  stopSignal: number
  stopTimeoutSec: number
  hostname: string
  /** All mounts incl. image volumes, with volume names fixed. */
  mounts: ResolvedMount[]
  logPath: string
  logDriver: string
  runtime: { name: string; path: string }
  cgroupPath: string
  /** argv of the create command, for inspect's CreateCommand. */
  createCommand: string[]
  /** Ports incl. image's EXPOSE when publishAll. */
  ports: PortMapping[]
  exposed: string[]
}

export interface ResolvedMount {
  type: 'bind' | 'volume' | 'tmpfs'
  /** volume only */
  name?: string
  /** An anonymous volume dies with the container under --rm / rm -v. */
  anonymous?: boolean
  source: string
  destination: string
  options: string[]
  /** volume/tmpfs: copy the image's content in on first start. */
  copyUp?: boolean
}

export type ContainerStatus = 'created' | 'initialized' | 'running' | 'paused' | 'stopping' | 'exited' | 'removing' | 'unknown'

/** state.json: rewritten atomically under the container's lock. */
export interface ContainerState {
  status: ContainerStatus
  /** /proc/sys/kernel/random/boot_id when status was written; another value means the machine was rebooted. */
  bootId: string
  pid: number
  /** Field 22 of /proc/PID/stat, against pid reuse. */
  pidStartTime: string
  conmonPid: number
  conmonStartTime: string
  startedAt: string
  finishedAt: string
  exitCode: number
  /** True when nobody saw the exit code (monitor killed). */
  exitCodeUnknown?: boolean
  oomKilled: boolean
  error: string
  mountpoint: string
  restartCount: number
  interfaces: NetworkInterface[]
  execIds: string[]
}

/** The OCI runtime specification's config.json (version 1.0.2), as far as tpod writes it. Names are the specification's. */

export interface RuntimeSpec {
  ociVersion: string
  process: ProcessSpec
  root: { path: string; readonly?: boolean }
  hostname?: string
  mounts: MountSpec[]
  annotations?: Record<string, string>
  linux: LinuxSpec
}

export interface ProcessSpec {
  terminal?: boolean
  user: UserSpec
  args: string[]
  env: string[]
  cwd: string
  capabilities?: CapabilitySets
  rlimits?: RlimitSpec[]
  noNewPrivileges?: boolean
  apparmorProfile?: string
  selinuxLabel?: string
  oomScoreAdj?: number
}

export interface UserSpec { uid: number; gid: number; umask?: number; additionalGids?: number[] }
export interface RlimitSpec { type: string; soft: number; hard: number }
export interface CapabilitySets {
  bounding: string[]
  effective: string[]
  permitted: string[]
  inheritable: string[]
  ambient: string[]
}

export interface MountSpec {
  destination: string
  type: string
  source: string
  options: string[]
}

export type NamespaceType = 'pid' | 'network' | 'ipc' | 'uts' | 'mount' | 'user' | 'cgroup'

export interface LinuxSpec {
  namespaces: { type: NamespaceType; path?: string }[]
  devices?: DeviceSpec[]
  cgroupsPath?: string
  resources?: ResourcesSpec
  sysctl?: Record<string, string>
  seccomp?: SeccompSpec
  rootfsPropagation?: string
  maskedPaths?: string[]
  readonlyPaths?: string[]
  mountLabel?: string
}

export interface DeviceSpec {
  path: string
  type: 'c' | 'b' | 'p'
  major: number
  minor: number
  fileMode: number
  uid: number
  gid: number
}

export interface DeviceRule {
  allow: boolean
  type?: 'a' | 'b' | 'c'
  major?: number
  minor?: number
  access: string
}

export interface ResourcesSpec {
  devices?: DeviceRule[]
  memory?: {
    limit?: number
    reservation?: number
    swap?: number
    kernel?: number
    swappiness?: number
    disableOOMKiller?: boolean
  }
  cpu?: {
    shares?: number
    quota?: number
    period?: number
    realtimeRuntime?: number
    realtimePeriod?: number
    cpus?: string
    mems?: string
  }
  pids?: { limit: number }
  blockIO?: { weight?: number }
}

export interface SeccompSpec {
  defaultAction: string
  defaultErrnoRet?: number
  architectures?: string[]
  flags?: string[]
  listenerPath?: string
  listenerMetadata?: string
  syscalls: SeccompSyscall[]
}

export interface SeccompSyscall {
  names: string[]
  action: string
  errnoRet?: number
  args?: { index: number; value: number; valueTwo?: number; op: string }[]
}

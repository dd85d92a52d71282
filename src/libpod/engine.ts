/**
 * What container operations need, assembled once per process and passed in: the store, the configuration and how to
 * reach the rest. Everything that not each command needs is behind an async function and loaded on its first call.
 */
import type { NetworkManager } from '../network/types.ts'
import type { Store, StoreOptions } from '../storage/types.ts'
import type { EngineConfig } from '../config/containers-conf.ts'
import type { RegistriesConfig } from '../config/registries-conf.ts'
import type { ContainerConfig } from './types.ts'
import type { OciRuntime } from '../ociruntime/oci-runtime.ts'
import type { VolumePaths } from './volume/volume-store.ts'
import { statePaths, type StatePaths } from './state/container-paths.ts'

export interface EngineOptions {
  store: StoreOptions
  config: EngineConfig
  /** `--runtime`; absent: containers.conf's, or what the host supports. */
  runtime?: string
  /** `--cgroup-manager`; absent: containers.conf's, or what the host has. */
  cgroupManager?: string
  /** argv that runs this program again with the same store: conmon's exit command is this plus `container cleanup …`. Empty: none. */
  selfCommand: readonly string[]
  /** The caller's environment: PATH for finding programs, HOME, XDG_RUNTIME_DIR. Never handed to a container by itself. */
  hostEnv: Readonly<Record<string, string | undefined>>
  /** Sent to registries; default `tpod`. */
  userAgent?: string
  /** Loaded only by a pull. */
  loadRegistries?: () => Promise<RegistriesConfig>
}

export interface Engine {
  readonly options: EngineOptions
  readonly store: Store
  readonly config: EngineConfig
  readonly state: StatePaths
  network(): Promise<NetworkManager>
  volumes(): Promise<VolumePaths>
  cgroupManager(): Promise<'systemd' | 'cgroupfs'>
  /** The runtime for new containers. Throws RUNTIME_MISSING or RUNTIME_UNSUITABLE. */
  runtime(): Promise<{ name: string; path: string }>
  /** The runtime that a container was created with. */
  runtimeOf(config: Pick<ContainerConfig, 'runtime' | 'cgroupPath'>): Promise<OciRuntime>
}

/** Opens the store; throws what that throws (STORE_CORRUPT, …). Nothing has to be closed. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { openStore } = await import('../storage/open-store.ts')
  const store = await openStore(options.store)
  const { config } = options
  let network: Promise<NetworkManager> | undefined
  let runtime: Promise<{ name: string; path: string }> | undefined
  return {
    options,
    store,
    config,
    state: statePaths(store.ownDirectory, store.ownRunDirectory),
    network: () => network ??= openNetwork(store, config),
    runtime: () => runtime ??= openRuntime(options),
    runtimeOf: (container) => runtimeOf(store, options, container),
    volumes: async () => {
      const { volumePaths } = await import('./volume/volume-store.ts')
      return volumePaths(store.graphRoot, store.ownDirectory, config.engine.volumePath)
    },
    cgroupManager: async () => {
      const { chooseCgroupManager } = await import('../host/cgroup/container-cgroup.ts')
      return chooseCgroupManager(options.cgroupManager ?? config.engine.cgroupManager)
    },
  }
}

async function openNetwork(store: Store, config: EngineConfig): Promise<NetworkManager> {
  const { openNetworkManager } = await import('../network/network-manager.ts')
  return openNetworkManager({
    stateDirectory: `${store.ownDirectory}/network`,
    runDirectory: `${store.ownRunDirectory}/network`,
    defaultNetwork: config.network.defaultNetwork,
    defaultSubnet: config.network.defaultSubnet,
  })
}

async function openRuntime(options: EngineOptions): Promise<{ name: string; path: string }> {
  const { chooseRuntime } = await import('../ociruntime/choose-runtime.ts')
  return chooseRuntime(options.config, options.runtime)
}

/** systemd's form of a cgroup path (slice:prefix:name) tells which manager the container was made for. */
async function runtimeOf(store: Store, options: EngineOptions, container: Pick<ContainerConfig, 'runtime' | 'cgroupPath'>): Promise<OciRuntime> {
  const { ociRuntime } = await import('../ociruntime/oci-runtime.ts')
  return ociRuntime({
    name: container.runtime.name,
    path: container.runtime.path,
    root: `${store.ownRunDirectory}/${container.runtime.name.replace(/^.*\//, '')}`,
    systemdCgroup: container.cgroupPath.includes(':'),
    flags: [],
    env: helperEnv(options),
  })
}

/** The second half: by these conmon's exit command finds the same configuration and with it the same store. */
const helperVariables = [
  'HOME', 'XDG_RUNTIME_DIR', 'TMPDIR', 'DBUS_SESSION_BUS_ADDRESS',
  'CONTAINERS_CONF', 'CONTAINERS_CONF_OVERRIDE', 'CONTAINERS_STORAGE_CONF', 'STORAGE_DRIVER', 'STORAGE_OPTS', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME',
]

/** What conmon and the runtimes see of the caller's environment: nothing that could reach a container. */
export function helperEnv(options: EngineOptions): NodeJS.ProcessEnv {
  // conmon's exit command is our executable: too short a run for a JIT to pay.
  const env: NodeJS.ProcessEnv = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', BUN_JSC_useJIT: '0' }
  for (const name of helperVariables) {
    const value = options.hostEnv[name]
    if (value !== undefined) env[name] = value
  }
  for (const variable of options.config.engine.conmonEnvVars) {
    const equals = variable.indexOf('=')
    if (equals > 0) env[variable.slice(0, equals)] = variable.slice(equals + 1)
  }
  return env
}

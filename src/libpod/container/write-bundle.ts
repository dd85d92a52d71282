/** The OCI bundle of one start: config.json and the files bound over the image's. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import type { CgroupInfo } from '../../host/cgroup/detect.ts'
import { native } from '../../host/native/native.ts'
import type { NetworkReservation } from '../../network/types.ts'
import { readCompiledFilter, seccompAnnotation, seccompCachePath } from '../../ociruntime/seccomp-cache.ts'
import type { Engine } from '../engine.ts'
import { encodeSpec, generateSpec, type SpecInput } from '../spec/generate.ts'
import type { ContainerConfig } from '../types.ts'
import { observeState } from '../state/container-files.ts'

export interface BundleInput {
  bundle: string
  mountpoint: string
  reservation?: NetworkReservation
  cgroups: CgroupInfo
}

export interface WrittenBundle {
  /** What was asked for but has no effect on this host. */
  warnings: string[]
  /** Where the compiled seccomp filter is to be kept once the runtime has made it. */
  filterPath?: string
}

/**
 * Writes everything that the runtime reads. Caller holds the container's lock; the layer is mounted. Throws what generating throws.
 */
export async function writeBundle(engine: Engine, config: ContainerConfig, input: BundleInput): Promise<WrittenBundle> {
  if (config.mounts.some((mount) => mount.type === 'volume')) {
    const { prepareVolumes } = await import('./container-volumes.ts')
    await prepareVolumes(engine, config, input.mountpoint)
  }
  const request: SpecInput = { config, engineConfig: engine.config, rootfs: input.mountpoint, bundle: input.bundle, cgroups: input.cgroups }
  Object.assign(request, await nameFiles(engine, config, input))
  const namespaces = namespacePaths(engine, config)
  if (namespaces !== undefined) request.namespacePaths = namespaces
  const shm = shmDirectory(engine, config)
  if (shm !== undefined) request.shmDirectory = shm
  const { spec, warnings } = generateSpec(request)
  const filterPath = seccompCachePath(`${engine.store.ownRunDirectory}/seccomp`, config.runtime, spec.linux.seccomp)
  const filter = filterPath === undefined ? undefined : readCompiledFilter(filterPath)
  // A filter of the user's own goes first.
  if (filter !== undefined) spec.annotations = { [seccompAnnotation]: filter, ...spec.annotations }
  writeFileSync(`${input.bundle}/config.json`, encodeSpec(spec), { mode: 0o600 })
  return filterPath === undefined || filter !== undefined || seccompAnnotation in config.annotations ? { warnings } : { warnings, filterPath }
}

type NameFiles = Pick<SpecInput, 'hostsPath' | 'resolvConfPath' | 'hostnamePath'>

/** A container that shares another's network shares its files; an unreadable host file counts as empty. */
async function nameFiles(engine: Engine, config: ContainerConfig, input: BundleInput): Promise<NameFiles> {
  const { spec } = config
  if (spec.network.mode === 'container') {
    const other = engine.store.containerRunDirectory(spec.network.containerId)
    return {
      ...(existsSync(`${other}/hosts`) ? { hostsPath: `${other}/hosts` } : {}),
      ...(existsSync(`${other}/resolv.conf`) ? { resolvConfPath: `${other}/resolv.conf` } : {}),
      ...hostnameFile(config, input.bundle),
    }
  }
  return { ...hostnameFile(config, input.bundle), ...await hostsFile(engine, config, input), ...await resolvConfFile(engine, config, input) }
}

function hostnameFile(config: ContainerConfig, bundle: string): NameFiles {
  const path = `${bundle}/hostname`
  writeFileSync(path, `${config.hostname}\n`, { mode: 0o644 })
  return { hostnamePath: path }
}

async function hostsFile(engine: Engine, config: ContainerConfig, input: BundleInput): Promise<NameFiles> {
  const { spec } = config
  if (spec.noHosts) return {}
  const { renderHosts } = await import('../../network/hosts-files.ts')
  const first = input.reservation?.interfaces[0]
  const base = engine.config.containers.baseHostsFile
  const gateway = engine.config.containers.hostContainersInternalIp || first?.gateway
  const text = renderHosts({
    base: base === 'none' || base === 'image' ? '' : readHostFile(base === '' ? '/etc/hosts' : base),
    addHosts: spec.addHosts,
    names: [config.hostname, config.name],
    ...(spec.network.mode === 'host' ? {} : { containerIp: first?.ipv4 ?? '127.0.0.1' }),
    ...(gateway === undefined ? {} : { hostGateway: gateway }),
  })
  const path = `${input.bundle}/hosts`
  writeFileSync(path, text, { mode: 0o644 })
  return { hostsPath: path }
}

/** `--dns none` and a network-less container: the image's own file stays. */
async function resolvConfFile(engine: Engine, config: ContainerConfig, input: BundleInput): Promise<NameFiles> {
  const { spec } = config
  const conf = engine.config.containers
  if (spec.network.mode === 'none' || spec.dnsServers.includes('none')) return {}
  const { renderResolvConf } = await import('../../network/hosts-files.ts')
  const systemdPath = '/run/systemd/resolve/resolv.conf'
  const text = renderResolvConf({
    host: readHostFile('/etc/resolv.conf'),
    ...(existsSync(systemdPath) ? { systemd: readHostFile(systemdPath) } : {}),
    isPrivate: spec.network.mode === 'bridge',
    hasIpv6: input.reservation?.interfaces.some((one) => one.ipv6 !== undefined) === true,
    servers: spec.dnsServers.length > 0 ? spec.dnsServers : conf.dnsServers,
    search: spec.dnsSearch.length > 0 ? spec.dnsSearch : conf.dnsSearches,
    options: spec.dnsOptions.length > 0 ? spec.dnsOptions : conf.dnsOptions,
  })
  const path = `${input.bundle}/resolv.conf`
  writeFileSync(path, text, { mode: 0o644 })
  return { resolvConfPath: path }
}

function readHostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return ''
    throw error
  }
}

const namespaceKinds = { pid: 'pid', ipc: 'ipc', uts: 'uts', cgroupns: 'cgroup', network: 'network' } as const
const namespaceFiles = { pid: 'pid', ipc: 'ipc', uts: 'uts', cgroup: 'cgroup', network: 'net' } as const

/** Throws NAMESPACE when the other container does not run. */
function namespacePaths(engine: Engine, config: ContainerConfig): SpecInput['namespacePaths'] {
  let paths: NonNullable<SpecInput['namespacePaths']> | undefined
  for (const [key, kind] of Object.entries(namespaceKinds) as [keyof typeof namespaceKinds, (typeof namespaceKinds)[keyof typeof namespaceKinds]][]) {
    const mode = config.spec[key]
    if (mode.mode !== 'container' || !('containerId' in mode)) continue
    const other = observeState(engine.state, mode.containerId)
    if (other.status !== 'running' && other.status !== 'paused') {
      throw new TpodError('NAMESPACE', `start container ${config.name}: it joins the ${kind} namespace of container ${mode.containerId.slice(0, 12)}, which is ${other.status}: container state improper`, {
        remedy: `tpod start ${mode.containerId.slice(0, 12)}`,
      })
    }
    paths = { ...paths, [kind]: `/proc/${other.pid}/ns/${namespaceFiles[kind]}` }
  }
  return paths
}

const mountFlags = { nosuid: 2, nodev: 4, noexec: 8 }

/** /dev/shm of a shareable IPC namespace is a mount on the host, so that another container can have the same one. */
function shmDirectory(engine: Engine, config: ContainerConfig): string | undefined {
  const { ipc } = config.spec
  if (ipc.mode === 'container') return `${engine.store.containerDirectory(ipc.containerId)}/shm`
  if (ipc.mode !== 'shareable') return undefined
  const directory = `${engine.store.containerDirectory(config.id)}/shm`
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const size = config.spec.shmSizeBytes === undefined ? engine.config.containers.shmSize : String(config.spec.shmSizeBytes)
  native.mount('shm', directory, 'tmpfs', mountFlags.nosuid | mountFlags.nodev | mountFlags.noexec, `mode=1777,size=${size}`)
  return directory
}

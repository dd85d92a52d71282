/** Merges what was asked with the image's configuration and containers.conf into the container's fixed configuration. */
import { accessSync, constants } from 'node:fs'
import { hostname as readHostname } from 'node:os'
import { posix } from 'node:path'
import type { EngineConfig } from '../../config/containers-conf-defaults.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { chooseCgroupManager, containerCgroupPath } from '../../host/cgroup/container-cgroup.ts'
import type { CgroupManager } from '../../host/cgroup/container-cgroup.ts'
import type { PortMapping } from '../../network/types.ts'
import { findSignal } from '../../oci/signals.ts'
import type { ContainerConfig, ContainerSpec, ResolvedMount } from '../types.ts'
import type { VolumePaths } from '../volume/volume-store.ts'
import { checkTimezone } from './container-files.ts'
import { parseDeviceFlag } from './parse/device-flags.ts'
import { parseUmask } from './parse/numbers.ts'
import { resolveEnvironment } from './resolve-environment.ts'
import { resolveMounts } from './resolve-mounts.ts'
import { parseSecurityOptions } from './security-options.ts'
import { resolveSysctls } from './sysctls.ts'

/** The part of an OCI or docker image's `config` that a container takes over. Go writes null for what is empty. */
export interface ImageProcessConfig {
  User?: string | null
  Env?: readonly string[] | null
  Entrypoint?: readonly string[] | null
  Cmd?: readonly string[] | null
  WorkingDir?: string | null
  Volumes?: Readonly<Record<string, unknown>> | null
  ExposedPorts?: Readonly<Record<string, unknown>> | null
  Labels?: Readonly<Record<string, string>> | null
  StopSignal?: string | null
}

export interface ResolveInput {
  id: string
  name: string
  /** RFC 3339. */
  created: string
  spec: ContainerSpec
  /** `id` '' and no config for a rootfs container. */
  image: { id: string; name: string; config?: ImageProcessConfig }
  engineConfig: EngineConfig
  volumes: VolumePaths
  runtime: { name: string; path: string }
  /** Absent: containers.conf's, or what the host can do. */
  cgroupManager?: CgroupManager
  logPath: string
  createCommand: readonly string[]
  /** See ResolveMountsInput. */
  mountsOf?: ReadonlyMap<string, readonly ResolvedMount[]>
  /** The caller's environment: only proxy variables are taken, when containers.conf has http_proxy (the default). */
  proxyEnv?: Readonly<Record<string, string | undefined>>
}

/**
 * Everything that can be known before the container exists; also rejects what would fail at start, as early as possible.
 * Nothing is made on disk. Throws TpodErrors naming flag or image.
 */
export function resolveContainerConfig(input: ResolveInput): ContainerConfig {
  const { spec: asked, engineConfig } = input
  const image = input.image.config ?? {}
  const spec = withDefaults(asked, engineConfig)
  checkEarly(spec)
  const { entrypoint, command } = resolveCommand(spec, image)
  const hostname = resolveHostname(spec, input.id)
  const stopSignal = resolveStopSignal(spec.stopSignal ?? image.StopSignal ?? '')
  return {
    version: 1, id: input.id, name: input.name, spec, imageId: input.image.id, imageName: input.image.name, created: input.created,
    process: {
      argv: [...entrypoint, ...command],
      cwd: posix.normalize(posix.resolve('/', spec.workingDir ?? (image.WorkingDir || '/'))),
      env: resolveEnvironment({
        spec, imageEnv: image.Env ?? [], defaults: engineConfig.containers.env, envHostByDefault: engineConfig.containers.envHost, hostname,
        ...((spec.httpProxy ?? engineConfig.containers.httpProxy) && input.proxyEnv !== undefined ? { proxyEnv: input.proxyEnv } : {}),
      }),
      user: spec.user ?? image.User ?? '',
    },
    entrypoint, command,
    labels: { ...image.Labels, ...spec.labels },
    annotations: resolveAnnotations(spec, input.created, stopSignal, engineConfig),
    stopSignal,
    stopTimeoutSec: spec.stopTimeoutSec ?? engineConfig.engine.stopTimeout,
    hostname,
    mounts: resolveMounts({
      spec, imageVolumes: Object.keys(image.Volumes ?? {}), defaultVolumes: engineConfig.containers.volumes, volumes: input.volumes,
      ...(input.mountsOf === undefined ? {} : { mountsOf: input.mountsOf }),
    }),
    logPath: input.logPath,
    logDriver: spec.logDriver ?? engineConfig.containers.logDriver,
    runtime: input.runtime,
    cgroupPath: containerCgroupPath(input.cgroupManager ?? chooseCgroupManager(engineConfig.engine.cgroupManager), input.id, spec.cgroupParent),
    createCommand: [...input.createCommand],
    ...resolvePorts(spec, Object.keys(image.ExposedPorts ?? {})),
  }
}

/** containers.conf's word where the user said nothing; names of networks and the init program made concrete. */
function withDefaults(spec: ContainerSpec, config: EngineConfig): ContainerSpec {
  const { containers } = config
  const init = spec.init || containers.init
  const timezone = spec.timezone ?? (containers.tz === '' ? undefined : containers.tz)
  const network = spec.network.mode !== 'bridge' ? spec.network : {
    ...spec.network, networks: spec.network.networks.map((one) => (one.name === '' ? { ...one, name: config.network.defaultNetwork } : one)),
  }
  return {
    ...spec, network, init, readOnly: spec.readOnly || containers.readOnly,
    devices: [...containers.devices.map(parseDeviceFlag), ...spec.devices],
    ...(init ? { initPath: findInit(spec.initPath, config) } : {}),
    ...(timezone === undefined ? {} : { timezone }),
  }
}

function checkEarly(spec: ContainerSpec): void {
  parseSecurityOptions(spec.securityOpt)
  resolveSysctls(spec, [])
  if (spec.timezone !== undefined) checkTimezone(spec.timezone)
  if (spec.umask !== undefined) parseUmask(spec.umask)
  if (spec.workingDir !== undefined && !spec.workingDir.startsWith('/')) {
    throw new TpodError('BAD_FLAG', `invalid --workdir ${JSON.stringify(spec.workingDir)}: must be an absolute path`)
  }
  if (spec.init && spec.pid.mode !== 'private') throw new TpodError('BAD_FLAG', "cannot add init binary as PID 1 (PID namespace isn't private)", { remedy: 'leave --init or --pid out' })
  if (spec.hostname !== undefined && spec.hostname !== '' && spec.uts.mode === 'host') {
    throw new TpodError('BAD_FLAG', `invalid --hostname ${JSON.stringify(spec.hostname)}: cannot set hostname when running in the host UTS namespace`)
  }
  if (spec.hostname !== undefined && !/^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9])?$/.test(spec.hostname)) {
    throw new TpodError('BAD_FLAG', `invalid --hostname ${JSON.stringify(spec.hostname)}: must be 1 to 64 letters, digits, dots or dashes`)
  }
}

/** podman's rules: an entrypoint given by the user, also an empty one, drops the image's command. */
function resolveCommand(spec: ContainerSpec, image: ImageProcessConfig): { entrypoint: string[]; command: string[] } {
  const entrypoint = [...(spec.entrypoint ?? image.Entrypoint ?? [])]
  const hasCommand = spec.command !== undefined && spec.command.length > 0
  const command = hasCommand ? [...(spec.command ?? [])] : spec.entrypoint === undefined ? [...(image.Cmd ?? [])] : []
  if (entrypoint.length === 0 && command.length === 0) {
    throw new TpodError('NO_COMMAND', 'no command or entrypoint provided, and no CMD or ENTRYPOINT from image', { remedy: `name a command: … ${spec.rawImageName} sh` })
  }
  return { entrypoint, command }
}

function resolveHostname(spec: ContainerSpec, id: string): string {
  if (spec.hostname !== undefined && spec.hostname !== '') return spec.hostname
  return spec.uts.mode === 'host' || spec.network.mode === 'host' ? readHostname() : id.slice(0, 12)
}

function resolveStopSignal(text: string): number {
  if (text === '') return 15
  const signal = findSignal(text)
  if (signal === undefined) throw new TpodError('BAD_FLAG', `invalid stop signal ${JSON.stringify(text)}`, { remedy: '--stop-signal SIGTERM' })
  return signal
}

function resolveAnnotations(spec: ContainerSpec, created: string, stopSignal: number, config: EngineConfig): Record<string, string> {
  return {
    'io.container.manager': 'libpod',
    'io.kubernetes.cri-o.Created': created,
    'io.kubernetes.cri-o.TTY': String(spec.terminal),
    'io.podman.annotations.autoremove': flag(spec.remove),
    'io.podman.annotations.init': flag(spec.init),
    'io.podman.annotations.privileged': flag(spec.privileged),
    'io.podman.annotations.publish-all': flag(spec.publishAll),
    'org.opencontainers.image.stopSignal': String(stopSignal),
    ...Object.fromEntries(config.containers.annotations.map((text) => text.split(/=(.*)/s, 2) as [string, string])),
    ...spec.annotations,
  }
}

function flag(value: boolean): string {
  return value ? 'TRUE' : 'FALSE'
}

/** `exposed` in the form 80/tcp; with --publish-all each exposed port that is not published gets a free host port. */
function resolvePorts(spec: ContainerSpec, imagePorts: readonly string[]): { ports: PortMapping[]; exposed: string[] } {
  const exposed = [...new Set([...imagePorts, ...spec.expose].flatMap(expandPorts))]
  const ports = [...spec.ports]
  if (spec.publishAll) {
    for (const text of exposed) {
      const [port, protocol] = text.split('/') as [string, PortMapping['protocol']]
      const isPublished = ports.some((mapping) => mapping.protocol === protocol && Number(port) >= mapping.containerPort && Number(port) < mapping.containerPort + mapping.range)
      if (!isPublished) ports.push({ hostIp: '', hostPort: 0, containerPort: Number(port), range: 1, protocol })
    }
  }
  return { ports, exposed }
}

function expandPorts(text: string): string[] {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? match?.[1])
  if (match === null || first < 1 || last > 65535 || last < first) throw new TpodError('BAD_FLAG', `invalid exposed port ${JSON.stringify(text)}: should be PORT[-PORT][/PROTOCOL]`)
  return Array.from({ length: last - first + 1 }, (_value, index) => `${first + index}/${(match[3] ?? 'tcp').toLowerCase()}`)
}

/** Throws INIT_MISSING. */
function findInit(asked: string | undefined, config: EngineConfig): string {
  const named = asked !== undefined && asked !== '' ? asked : config.containers.initPath
  const candidates = named === '' ? [...config.engine.helperBinariesDir.map((directory) => `${directory}/catatonit`), '/usr/bin/catatonit', '/usr/libexec/catatonit/catatonit'] : [named]
  const found = candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
  if (found !== undefined) return found
  throw new TpodError('INIT_MISSING', `find the init program for --init: ${named === '' ? 'catatonit is not installed' : `${named} is not an executable`}`, { remedy: 'apt-get install catatonit (or: dnf install catatonit)' })
}

/** From what a caller wants to say to a whole ContainerSpec: the defaults of `run IMAGE`, shared by library and command line. */
import { existsSync } from 'node:fs'
import type { EngineConfig } from '../config/containers-conf.ts'
import { TpodError } from '../errors/tpod-error.ts'
import type { ContainerSpec, EnvVar, MountRequest, NamespaceMode, NetworkMode } from './types.ts'
import { type NamespaceKind, parseNamespaceMode, parseNetworkMode } from './spec/parse/namespace-mode.ts'

type Described = 'rawImageName' | 'env' | 'mounts' | 'ports' | 'network'

/** What create and run take: an image, and whatever of a ContainerSpec differs from the defaults. */
export interface ContainerRequest extends Partial<Omit<ContainerSpec, Described>> {
  /** A name, also a short one, or an id. */
  image: string
  /** Nothing of the caller's own environment is added, unless `envHost` or `httpProxy` ask for it. */
  env?: Readonly<Record<string, string>> | readonly EnvVar[]
  /** As for `--volume`: `/host/directory:/in/container:ro`, `name:/in/container`, `/in/container` (anonymous). Host paths are absolute. */
  volumes?: readonly string[]
  mounts?: readonly MountRequest[]
  /** As for `--publish`, `8080:80`, or parsed. */
  ports?: readonly (string | ContainerSpec['ports'][number])[]
  /** As for `--network`: `none`, `host`, `bridge`, a network's name, … or parsed. */
  network?: string | NetworkMode
}

type Defaults = Omit<ContainerSpec, 'rawImageName'>

/** What a container is when nothing else was said, containers.conf included. */
export function defaultSpec({ containers: conf }: EngineConfig): Defaults {
  return {
    groupAdd: [], env: [], envHost: conf.envHost, labels: {}, annotations: {}, terminal: false, stdin: false, timeoutSec: 0, init: conf.init,
    remove: false, mounts: [], readOnly: false, readOnlyTmpfs: true, imageVolumes: 'bind', volumesFrom: [], devices: [], deviceCgroupRules: [],
    network: { mode: 'bridge', networks: [] }, ports: [], publishAll: false, expose: [], dnsServers: [], dnsSearch: [], dnsOptions: [],
    addHosts: [], noHosts: conf.noHosts, ...defaultNamespaces(conf), cgroups: 'enabled', privileged: false, capAdd: [], capDrop: [], securityOpt: [],
    sysctls: {}, ulimits: [], ulimitHost: false, resources: {}, logOptions: {}, sdnotify: 'ignore',
  }
}

/** On cgroup v1 a private cgroup namespace shows the container nothing it could use: podman shares the host's. */
function defaultNamespaces(conf: EngineConfig['containers']): Record<NamespaceKind, NamespaceMode> {
  const cgroupns = conf.cgroupns || (existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'private' : 'host')
  return {
    pid: parseNamespaceMode('pid', conf.pidns || 'private'),
    ipc: parseNamespaceMode('ipc', conf.ipcns || 'shareable'),
    uts: parseNamespaceMode('uts', conf.utsns || 'private'),
    userns: parseNamespaceMode('userns', conf.userns || 'host'),
    cgroupns: parseNamespaceMode('cgroupns', cgroupns),
  }
}

/** containers.conf's `netns` in --network's words; none for the default bridge. */
export function configuredNetwork({ netns }: EngineConfig['containers']): string[] {
  return netns === '' || netns === 'private' || netns === 'bridge' ? [] : [netns]
}

type OptionalName = { [Name in keyof ContainerSpec]-?: undefined extends ContainerSpec[Name] ? Name : never }[keyof ContainerSpec]

/** What a spec may have beyond the defaults; the type sees to it that none is missing here. */
const optionalNames: Readonly<Record<OptionalName, true>> = {
  entrypoint: true, command: true, workingDir: true, user: true, hostEnv: true, httpProxy: true, unsetEnv: true, unsetEnvAll: true, stopSignal: true,
  stopTimeoutSec: true, umask: true, timezone: true, initPath: true, name: true, hostname: true, cidfile: true, pidfile: true, conmonPidfile: true,
  shmSizeBytes: true, cgroupParent: true, logDriver: true, detachKeys: true,
}

/** Throws BAD_FLAG naming what cannot be parsed, BAD_REQUEST for a property that nothing would read. */
export async function containerSpec(config: EngineConfig, request: ContainerRequest): Promise<ContainerSpec> {
  const { image, env, volumes = [], mounts = [], ports = [], network, ...rest } = request
  const defaults = defaultSpec(config)
  const unknown = Object.keys(rest).find((name) => !Object.hasOwn(defaults, name) && !Object.hasOwn(optionalNames, name))
  if (unknown !== undefined) throw new TpodError('BAD_REQUEST', `describe a container of ${image}: there is no property ${JSON.stringify(unknown)}`)
  return {
    ...defaults,
    httpProxy: false,
    ...defined(rest),
    rawImageName: image,
    env: env === undefined ? [] : isList(env) ? env : Object.entries(env).map(([name, value]) => ({ name, value })),
    mounts: [...mounts, ...await parseVolumes(volumes)],
    ports: await parsePorts(ports),
    network: networkMode(network, config),
  }
}

/** An option that is present but undefined means the default, as everywhere in JavaScript. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}

function isList(env: Readonly<Record<string, string>> | readonly EnvVar[]): env is readonly EnvVar[] {
  return Array.isArray(env)
}

async function parseVolumes(volumes: readonly string[]): Promise<MountRequest[]> {
  if (volumes.length === 0) return []
  const relative = volumes.find((text) => text.startsWith('.'))
  if (relative !== undefined) throw new TpodError('BAD_REQUEST', `describe a container: the volume ${JSON.stringify(relative)} is not absolute`)
  const { parseVolumeFlag } = await import('./spec/parse/mount-flags.ts')
  return volumes.map((text) => parseVolumeFlag(text, { cwd: '/' }))
}

async function parsePorts(ports: NonNullable<ContainerRequest['ports']>): Promise<ContainerSpec['ports']> {
  if (ports.length === 0) return []
  const { parsePortSpec } = await import('../network/port-spec.ts')
  return ports.flatMap((port) => (typeof port === 'string' ? parsePortSpec(port) : [port]))
}

function networkMode(network: ContainerRequest['network'], config: EngineConfig): NetworkMode {
  if (typeof network === 'object') return network
  return parseNetworkMode(network === undefined ? configuredNetwork(config.containers) : [network])
}

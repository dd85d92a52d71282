/** `container inspect`: podman 4.3's document, key for key, from our own records and the bundle of the last start. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import type { ContainerRecord } from '../../storage/types.ts'
import type { RuntimeSpec } from '../../oci/runtime-types.ts'
import type { Engine } from '../engine.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { observeState, readConfig } from '../state/container-files.ts'
import { noSuchContainer } from '../state/container-lock.ts'
import { zeroTime } from '../state/derive-state.ts'
import { foreignContainer } from '../state/find-container.ts'
import { completeMountOptions, inspectHostConfig } from './inspect-host-config.ts'
import { inspectNetwork } from './inspect-network.ts'

export interface InspectContext {
  engine: Engine
  record: ContainerRecord
  config: ContainerConfig
  state: ContainerState
  /** Of the running container, or of none. */
  spec: RuntimeSpec | undefined
  staticDirectory: string
  bundle: string
}

/** A JSON value in podman's shape. With `size`, SizeRw and SizeRootFs too. Throws NO_SUCH_CONTAINER, FOREIGN_CONTAINER. */
export async function inspectContainer(engine: Engine, nameOrId: string, options: { size?: boolean } = {}): Promise<Record<string, unknown>> {
  const record = await engine.store.findContainer(nameOrId)
  if (record === undefined) throw noSuchContainer(nameOrId)
  const config = readConfig(engine.state, record.id)
  if (config === undefined) throw foreignContainer(nameOrId, record)
  const bundle = engine.store.containerRunDirectory(config.id)
  const context: InspectContext = {
    engine, record, config, bundle, state: observeState(engine.state, config.id), spec: readBundleSpec(bundle),
    staticDirectory: engine.store.containerDirectory(config.id),
  }
  const sizes = options.size === true ? await readSizes(engine, config) : {}
  const image = config.imageId === '' ? undefined : (await engine.store.listImages()).find(({ id }) => id === config.imageId)
  return { ...head(context), ...await capabilities(context), ImageDigest: image?.digest ?? '', ...await graphDriver(context), ...sizes, Mounts: await mounts(context), ...tail(context) }
}

function head(context: InspectContext): Record<string, unknown> {
  const { config, state, spec, staticDirectory, bundle, record } = context
  return {
    Id: config.id,
    Created: config.created,
    Path: config.process.argv[0] ?? '',
    Args: config.process.argv.slice(1),
    State: inspectState(context),
    Image: config.imageId,
    ImageDigest: '',
    ImageName: config.imageName,
    Rootfs: '',
    Pod: '',
    ResolvConfPath: existing(`${bundle}/resolv.conf`),
    HostnamePath: existing(`${bundle}/hostname`),
    HostsPath: existing(`${bundle}/hosts`),
    StaticDir: staticDirectory,
    ...(existing(`${bundle}/config.json`) === '' ? {} : { OCIConfigPath: `${bundle}/config.json` }),
    OCIRuntime: config.runtime.name,
    ConmonPidFile: config.spec.conmonPidfile ?? `${bundle}/conmon.pid`,
    PidFile: config.spec.pidfile ?? `${bundle}/pidfile`,
    Name: record.names?.[0] ?? config.name,
    RestartCount: state.restartCount,
    Driver: 'overlay',
    MountLabel: spec?.linux.mountLabel ?? '',
    ProcessLabel: spec?.process.selinuxLabel ?? '',
    AppArmorProfile: spec?.process.apparmorProfile ?? '',
    ExecIDs: execIds(bundle),
  }
}

/** Those it has, or would have if it were started now. */
async function capabilities({ engine, config, spec }: InspectContext): Promise<Record<string, unknown>> {
  const known = spec?.process.capabilities
  if (known !== undefined) return { EffectiveCaps: known.effective, BoundingCaps: known.bounding }
  const [{ resolveCapabilities }, { readSecurityFacts }] = await Promise.all([import('../spec/capabilities.ts'), import('../../host/security/security-facts.ts')])
  const { sets } = resolveCapabilities({
    defaults: engine.config.containers.defaultCapabilities, add: config.spec.capAdd, drop: config.spec.capDrop, privileged: config.spec.privileged,
    isRootUser: /^(root|0*)(:|$)/.test(config.process.user), available: readSecurityFacts().boundingCapabilities,
  })
  return { EffectiveCaps: sets.effective, BoundingCaps: sets.bounding }
}

function inspectState({ config, state }: InspectContext): Record<string, unknown> {
  const isUp = state.pid > 0
  return {
    OciVersion: '1.0.2-dev',
    Status: state.status,
    Running: state.status === 'running',
    Paused: state.status === 'paused',
    Restarting: false,
    OOMKilled: state.oomKilled,
    Dead: false,
    Pid: state.pid,
    ...(isUp ? { ConmonPid: state.conmonPid } : {}),
    // Nobody saw it, or conmon ended it for its --timeout: podman says -1.
    ExitCode: state.exitCodeUnknown === true ? -1 : state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
    Health: { Status: '', FailingStreak: 0, Log: null },
    ...(isUp ? { CgroupPath: config.cgroupPath } : {}),
    CheckpointedAt: zeroTime,
    RestoredAt: zeroTime,
  }
}

async function graphDriver({ engine, record, state }: InspectContext): Promise<Record<string, unknown>> {
  const layers = await engine.store.listLayers()
  const byId = new Map(layers.map((layer) => [layer.id, layer]))
  const directory = (id: string): string => `${engine.store.graphRoot}/overlay/${id}`
  const lowers: string[] = []
  for (let id = byId.get(record.layer)?.parent; id !== undefined && id !== ''; id = byId.get(id)?.parent) lowers.push(`${directory(id)}/diff`)
  const own = directory(record.layer)
  return {
    GraphDriver: {
      Name: 'overlay',
      Data: {
        ...(lowers.length > 0 ? { LowerDir: lowers.join(':') } : {}),
        ...(state.pid > 0 ? { MergedDir: `${own}/merged` } : {}),
        UpperDir: `${own}/diff`,
        WorkDir: `${own}/work`,
      },
    },
  }
}

async function mounts({ engine, config }: InspectContext): Promise<unknown[]> {
  const shown = config.mounts.filter((mount) => mount.type !== 'tmpfs')
  if (shown.length === 0) return []
  const { volumeMountpoint } = await import('../volume/volume-store.ts')
  const paths = await engine.volumes()
  return shown.map((mount) => ({
    Type: mount.type,
    ...(mount.type === 'volume' ? { Name: mount.name } : {}),
    Source: mount.type === 'volume' && mount.name !== undefined ? volumeMountpoint(paths, mount.name) : mount.source,
    Destination: mount.destination,
    Driver: mount.type === 'volume' ? 'local' : '',
    Mode: '',
    Options: completeMountOptions(mount).filter((option) => !['rw', 'ro', 'z', 'Z'].includes(option) && !/^r?(shared|private|slave)$/.test(option)),
    RW: !mount.options.includes('ro'),
    Propagation: mount.options.find((option) => /^r?(shared|private|slave)$/.test(option)) ?? 'rprivate',
  }))
}

function tail(context: InspectContext): Record<string, unknown> {
  const { config } = context
  const { spec } = config
  const dependencies = [spec.network, spec.pid, spec.ipc, spec.uts, spec.userns, spec.cgroupns]
    .flatMap((mode) => (mode.mode === 'container' && 'containerId' in mode ? [mode.containerId] : []))
  return {
    Dependencies: [...new Set(dependencies)],
    NetworkSettings: inspectNetwork(context),
    Namespace: '',
    IsInfra: false,
    IsService: false,
    Config: inspectConfig(context),
    HostConfig: inspectHostConfig(context),
  }
}

function inspectConfig({ config, engine, spec: runtimeSpec }: InspectContext): Record<string, unknown> {
  const { spec } = config
  return {
    Hostname: config.hostname,
    Domainname: '',
    User: config.process.user,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: spec.terminal,
    OpenStdin: spec.stdin,
    StdinOnce: false,
    // HOME is known from the first start on.
    Env: runtimeSpec?.process.env ?? config.process.env,
    Cmd: config.command,
    Image: config.imageName,
    Volumes: null,
    WorkingDir: config.process.cwd,
    Entrypoint: config.entrypoint.join(' '),
    OnBuild: null,
    Labels: Object.keys(config.labels).length === 0 ? null : config.labels,
    Annotations: config.annotations,
    StopSignal: config.stopSignal,
    HealthcheckOnFailureAction: 'none',
    CreateCommand: config.createCommand,
    ...(spec.timezone === undefined ? {} : { Timezone: spec.timezone }),
    Umask: spec.umask ?? engine.config.containers.umask,
    Timeout: spec.timeoutSec,
    StopTimeout: config.stopTimeoutSec,
    Passwd: true,
    sdNotifyMode: spec.sdnotify,
  }
}

async function readSizes(engine: Engine, config: ContainerConfig): Promise<Record<string, unknown>> {
  const own = await engine.store.containerSizeBytes(config.id)
  const image = config.imageId === '' ? 0 : await engine.store.imageSizeBytes(config.imageId)
  return { SizeRw: own, SizeRootFs: own + image }
}

function readBundleSpec(bundle: string): RuntimeSpec | undefined {
  try {
    return JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8')) as RuntimeSpec
  } catch {
    // Not started since its last end.
    return undefined
  }
}

/** A session's process file is there as long as the session. */
function execIds(bundle: string): string[] {
  try {
    return readdirSync(bundle).flatMap((name) => /^exec-([0-9a-f]{64})(\.json)?$/.exec(name)?.[1] ?? [])
  } catch {
    return []
  }
}

function existing(path: string): string {
  return existsSync(path) ? path : ''
}

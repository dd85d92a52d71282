import { TpodError } from '../../errors/tpod-error.ts'
import type { Engine } from '../engine.ts'
import { resolveContainerConfig, type ImageProcessConfig, type ResolveInput } from '../spec/resolve-config.ts'
import type { ContainerConfig, ContainerSpec, NamespaceMode, NetworkMode } from '../types.ts'
import { readConfig } from '../state/container-files.ts'
import { getContainer } from '../state/find-container.ts'
import type { ProvidedImage } from './provide-image.ts'

export interface ResolveRequest {
  id: string
  image: ProvidedImage
  createCommand: readonly string[]
}

/** The container's fixed configuration: the image's own configuration read, names of other containers made ids. Writes nothing. */
export async function resolveContainer(engine: Engine, asked: ContainerSpec, request: ResolveRequest): Promise<ContainerConfig> {
  checkConflicts(asked)
  const [spec, image, runtime, volumes, cgroupManager] = await Promise.all([
    resolveNames(engine, asked), readImageConfig(engine, request.image), engine.runtime(), engine.volumes(), engine.cgroupManager(),
  ])
  const input: ResolveInput = {
    id: request.id,
    name: spec.name ?? await generateFreeName(engine),
    created: new Date().toISOString(),
    spec,
    image: { id: request.image.record.id, name: request.image.name, config: image },
    engineConfig: engine.config,
    volumes,
    runtime,
    cgroupManager,
    logPath: spec.logOptions['path'] ?? `${engine.store.containerDirectory(request.id)}/ctr.log`,
    createCommand: request.createCommand,
    proxyEnv: engine.options.hostEnv,
  }
  if (spec.volumesFrom.length > 0) input.mountsOf = await mountsOfOthers(engine, spec)
  return resolveContainerConfig(input)
}

/** Options that another one makes meaningless are refused, as podman does. */
function checkConflicts(spec: ContainerSpec): void {
  const { mode } = spec.network
  const asksForDns = spec.dnsServers.length + spec.dnsSearch.length + spec.dnsOptions.length > 0
  if (asksForDns && (mode === 'none' || mode === 'container')) {
    throw new TpodError('BAD_FLAG', `conflicting options: dns and the network mode: ${mode}`, { remedy: 'leave the --dns options out, or choose another network' })
  }
}

/** Config digest is the image's id; its blob is stored under that name. */
async function readImageConfig(engine: Engine, image: ProvidedImage): Promise<ImageProcessConfig> {
  const { record } = image
  const bytes = await engine.store.readImageData(record.id, `sha256:${record.id}`)
  try {
    return (JSON.parse(bytes.toString('utf8')) as { config?: ImageProcessConfig }).config ?? {}
  } catch (cause) {
    throw new TpodError('IMAGE_CORRUPT', `read the configuration of image ${image.name}: not JSON`, { cause, remedy: `pull it again: tpod pull ${image.name}` })
  }
}

async function generateFreeName(engine: Engine): Promise<string> {
  const { generateName } = await import('../../text/names.ts')
  const taken = new Set((await engine.store.listContainers()).flatMap((record) => record.names ?? []))
  return generateName((name) => taken.has(name))
}

/** `container:NAME` of each namespace becomes the full id. */
async function resolveNames(engine: Engine, spec: ContainerSpec): Promise<ContainerSpec> {
  const resolved = { ...spec }
  for (const key of ['pid', 'ipc', 'uts', 'userns', 'cgroupns'] as const) {
    resolved[key] = await resolveMode<NamespaceMode>(engine, spec[key])
  }
  resolved.network = await resolveMode<NetworkMode>(engine, spec.network)
  return resolved
}

async function resolveMode<T extends NamespaceMode | NetworkMode>(engine: Engine, mode: T): Promise<T> {
  if (mode.mode !== 'container' || !('containerId' in mode)) return mode
  const { id } = await getContainer(engine, mode.containerId)
  return { ...mode, containerId: id }
}

async function mountsOfOthers(engine: Engine, spec: ContainerSpec): Promise<NonNullable<ResolveInput['mountsOf']>> {
  const mounts = new Map<string, ContainerConfig['mounts']>()
  for (const text of spec.volumesFrom) {
    const name = text.split(':', 1)[0] ?? text
    const { id } = await getContainer(engine, name)
    const found = readConfig(engine.state, id)?.mounts ?? []
    mounts.set(name, found)
    mounts.set(text, found)
  }
  return mounts
}

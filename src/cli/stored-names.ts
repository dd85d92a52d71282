/** Names of objects in the store, for completions: by their state where the command can use only some. */
import type { Engine } from '../libpod/engine.ts'
import type { ContainerStatus } from '../libpod/types.ts'
import type { CommandContext } from './base-command.ts'
import type { GlobalValues } from './global-flags.ts'
import { openCliEngine } from './open-engine.ts'
import type { CompletionKind } from './options.ts'

const wantedStates: Partial<Record<CompletionKind, readonly ContainerStatus[]>> = {
  'running-containers': ['running', 'paused', 'stopping'],
  'stopped-containers': ['created', 'exited', 'initialized'],
  'paused-containers': ['paused'],
  'pausable-containers': ['running'],
}

/** `NAME<tab>description` per object. Throws what opening the store throws. */
export async function storedNames(kind: CompletionKind, globals: GlobalValues, context: Pick<CommandContext, 'env'>): Promise<string[]> {
  const engine = await openCliEngine(globals, context)
  switch (kind) {
    case 'images': return imageNames(engine)
    case 'volumes': return volumeNames(engine)
    case 'networks': return networkNames(engine)
    case 'containers-and-images': return [...await containerNames(engine, undefined), ...await imageNames(engine)]
    default: return containerNames(engine, wantedStates[kind])
  }
}

async function containerNames(engine: Engine, states: readonly ContainerStatus[] | undefined): Promise<string[]> {
  const { listContainers } = await import('../libpod/container/list-containers.ts')
  const rows = await listContainers(engine, { all: true })
  return rows.filter(({ status }) => states?.includes(status) ?? true).map((row) => `${row.name}\t${row.image}`)
}

async function imageNames(engine: Engine): Promise<string[]> {
  const images = await engine.store.listImages()
  return images.flatMap(({ id, names = [] }) => {
    const short = names.map((name) => name.replace(/^docker\.io\/library\//, '').replace(/^localhost\//, ''))
    return [...new Set([...short, ...names])].map((name) => `${name}\t${id.slice(0, 12)}`)
  })
}

async function volumeNames(engine: Engine): Promise<string[]> {
  const { listVolumes } = await import('../libpod/volume/volume-store.ts')
  return listVolumes(await engine.volumes()).map(({ name, driver }) => `${name}\t${driver}`)
}

async function networkNames(engine: Engine): Promise<string[]> {
  const networks = await (await engine.network()).list()
  return [...networks.map(({ name, driver }) => `${name}\t${driver}`), 'bridge\tthe default network', 'host\tthe host\'s network', 'none\tno network']
}

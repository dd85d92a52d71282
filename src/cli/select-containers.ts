/** Which containers a command with CONTAINER…, --all, --latest, --filter and --cidfile means. */
import { readFileSync } from 'node:fs'
import type { Outcome } from '../errors/outcome.ts'
import { TpodError, errorMessage } from '../errors/tpod-error.ts'
import type { Engine } from '../libpod/engine.ts'
import { listContainerIds, observeState, readConfig, unlessDamaged } from '../libpod/state/container-files.ts'
import type { ContainerStatus } from '../libpod/types.ts'
import { bool, csv, list } from './options.ts'

export const latestFlag = { latest: bool('Act on the latest container tpod is aware of', { char: 'l' }) }
export const filterFlag = { filter: csv('Filter output based on conditions given', { char: 'f' }) }
export const cidfileFlag = { cidfile: list('Read the container ID from the file', { complete: 'files' }) }

export interface Selection {
  names: readonly string[]
  all?: boolean
  latest?: boolean
  filter?: readonly string[]
  cidfile?: readonly string[]
  /** A --cidfile that does not exist is passed over. */
  ignore?: boolean
  /** With --all or --filter only those in one of these states. */
  states?: readonly ContainerStatus[]
}

/** Names as typed, or full ids. Throws USAGE when nothing, or contradicting things, were asked for. */
export async function selectContainers(engine: Engine, selection: Selection): Promise<string[]> {
  const { names, all = false, latest = false, filter = [], cidfile = [] } = selection
  const sources = [names.length > 0 || cidfile.length > 0, all, latest].filter(Boolean).length
  if (all && latest) throw new TpodError('BAD_ARGUMENTS', '--all and --latest cannot be used together')
  if (sources > 1) throw new TpodError('BAD_ARGUMENTS', all ? 'no arguments are needed with --all' : '--latest and containers cannot be used together')
  if (sources === 0 && filter.length === 0) throw new TpodError('BAD_ARGUMENTS', 'you must provide at least one name or id')
  if (filter.length > 0) {
    const ids = await filteredIds(engine, filter, selection.states)
    return names.length === 0 ? ids : namesAmong(engine, names, ids)
  }
  if (latest) return [latestContainer(engine)]
  if (all) return listContainerIds(engine.state).filter((id) => hasState(engine, id, selection.states))
  return [...cidfile.flatMap((path) => readCidfile(path, selection.ignore === true)), ...names]
}

/** The container that was created last. Throws NO_SUCH_CONTAINER. */
export function latestContainer(engine: Engine): string {
  const configs = listContainerIds(engine.state).flatMap((id) => unlessDamaged(() => readConfig(engine.state, id)) ?? [])
  configs.sort((a, b) => Date.parse(b.created) - Date.parse(a.created))
  const latest = configs[0]
  if (!latest) throw new TpodError('NO_SUCH_CONTAINER', 'no containers to act on: no such container')
  return latest.id
}

/** One container by name or --latest. */
export function selectOne(engine: Engine, name: string | undefined, latest: boolean): string {
  if (latest && name !== undefined) throw new TpodError('BAD_ARGUMENTS', '--latest and containers cannot be used together')
  if (latest) return latestContainer(engine)
  if (name === undefined) throw new TpodError('BAD_ARGUMENTS', 'you must provide the name or ID of a container')
  return name
}

/** Runs `act` on all at once; each outcome is kept. */
export async function actOnEach<T>(names: readonly string[], act: (name: string) => Promise<T>): Promise<Outcome<T>[]> {
  const settled = await Promise.allSettled(names.map((name) => act(name)))
  return settled.map((result, index) => {
    const input = names[index] as string
    if (result.status === 'fulfilled') return { input, value: result.value }
    return { input, error: result.reason instanceof Error ? result.reason : new Error(String(result.reason)) }
  })
}

function hasState(engine: Engine, id: string, states: readonly ContainerStatus[] | undefined): boolean {
  if (states === undefined) return true
  const state = unlessDamaged(() => observeState(engine.state, id))
  // What a damaged one does nobody knows: the command says so for it, after acting on the others.
  return state === undefined || states.includes(state.status)
}

async function filteredIds(engine: Engine, filter: readonly string[], states: readonly ContainerStatus[] | undefined): Promise<string[]> {
  const { listContainers } = await import('../libpod/container/list-containers.ts')
  const rows = await listContainers(engine, { all: true, filters: filter })
  return rows.map((row) => row.id).filter((id) => hasState(engine, id, states))
}

/** Names as typed, of those that passed the filter. */
async function namesAmong(engine: Engine, names: readonly string[], ids: readonly string[]): Promise<string[]> {
  const { getContainer } = await import('../libpod/state/find-container.ts')
  const configs = await Promise.all(names.map((name) => getContainer(engine, name)))
  return names.filter((_, index) => ids.includes(configs[index]?.id ?? ''))
}

function readCidfile(path: string, ignore: boolean): string[] {
  try {
    const id = readFileSync(path, 'utf8').trim().split('\n', 1)[0] ?? ''
    if (id === '') throw new Error('the file is empty')
    return [id]
  } catch (error) {
    if (ignore) return []
    throw new TpodError('FILE_UNREADABLE', `read --cidfile ${path}: ${errorMessage(error)}`, { cause: error })
  }
}

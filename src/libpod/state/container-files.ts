/** Reads and writes config.json and state.json, and observes what a container's record means now. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { containerPaths, type StatePaths } from './container-paths.ts'
import { createdState, deriveState, isActive, type StateFacts } from './derive-state.ts'
import { bootId, isAlive } from '../../host/process/liveness.ts'

/** Undefined when the container is not ours, half created or gone. Throws STATE_CORRUPT for unreadable JSON. */
export function readConfig(paths: StatePaths, id: string): ContainerConfig | undefined {
  return readJson<ContainerConfig>(containerPaths(paths, id).config)
}

/** As recorded; a container that was never started has no file, and a power cut in the middle of a start may have emptied it. */
export function readState(paths: StatePaths, id: string): ContainerState {
  return readJson<ContainerState>(containerPaths(paths, id).state, 'null') ?? createdState(bootId())
}

/**
 * The state now, derived without locks and without writing: for reading commands.
 * A mutating command holds the container's lock and persists what it changes.
 */
export function observeState(paths: StatePaths, id: string): ContainerState {
  const saved = readState(paths, id)
  if (!isActive(saved.status)) return saved
  return deriveState(saved, readFacts(paths, id, saved))
}

function readFacts(paths: StatePaths, id: string, saved: ContainerState): StateFacts {
  const boot = bootId()
  const now = new Date().toISOString()
  if (saved.bootId !== boot) return { bootId: boot, isAlive: false, isConmonAlive: false, now }
  const facts: StateFacts = { bootId: boot, isAlive: isAlive(saved.pid, saved.pidStartTime), isConmonAlive: false, now }
  if (facts.isAlive) return facts
  // conmon first, exit file second: conmon writes the file before it ends, so "no conmon" then "no file" is final.
  facts.isConmonAlive = isAlive(saved.conmonPid, saved.conmonStartTime)
  const exit = readExit(containerPaths(paths, id).exit)
  if (exit !== undefined) facts.exit = exit
  return facts
}

/** conmon's exit file; undefined until it is there. conmon renames it into place, so it is never half written. */
export function readExit(path: string): { code: number; time: string } | undefined {
  try {
    const code = Number.parseInt(readFileSync(path, 'latin1'), 10)
    return { code: Number.isNaN(code) ? -1 : code, time: statSync(path).mtime.toISOString() }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Caller holds the container's lock. A volatile container's file is not synced: a power cut takes them, as it takes their processes. */
export async function writeState(paths: StatePaths, id: string, state: ContainerState, isVolatile: boolean): Promise<void> {
  await writeJson(containerPaths(paths, id).state, state, isVolatile)
}

/** Caller holds the container's lock (or created the directory under `pending`). */
export async function writeConfig(paths: StatePaths, config: ContainerConfig): Promise<void> {
  await writeJson(containerPaths(paths, config.id).config, config, config.spec.remove)
}

/** What `read` gives, or undefined when a file of that container is damaged: one container's trouble is not the others'. */
export function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (errorCode(error) !== 'STATE_CORRUPT') throw error
    return undefined
  }
}

/** Ids of all directories, half-created ones included. */
export function listContainerIds(paths: StatePaths): string[] {
  try {
    return readdirSync(paths.containers)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

export function hasConfig(paths: StatePaths, id: string): boolean {
  return existsSync(containerPaths(paths, id).config)
}

async function writeJson(path: string, value: unknown, isVolatile: boolean): Promise<void> {
  await writeFileAtomic(path, JSON.stringify(value), { mode: 0o600, sync: !isVolatile, isLocked: true })
}

function readJson<T>(path: string, whenEmpty = ''): T | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
  try {
    return JSON.parse(text === '' ? whenEmpty : text) as T
  } catch (error) {
    throw new TpodError('STATE_CORRUPT', `read ${path}: not JSON`, {
      cause: error, remedy: 'remove the container with: tpod rm --force',
    })
  }
}

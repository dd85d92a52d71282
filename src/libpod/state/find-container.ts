/** Names and ids to containers. The storage record decides: its names are unique across all tools of the store. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { ContainerRecord } from '../../storage/types.ts'
import type { ContainerConfig } from '../types.ts'
import type { Engine } from '../engine.ts'
import { readConfig } from './container-files.ts'
import { noSuchContainer } from './container-lock.ts'

/** Undefined when no tool has it. Throws what the store throws for an ambiguous prefix. */
export async function findContainer(engine: Engine, nameOrId: string): Promise<ContainerConfig | undefined> {
  const record = await engine.store.findContainer(nameOrId)
  return record === undefined ? undefined : readConfig(engine.state, record.id)
}

/** Throws NO_SUCH_CONTAINER, or FOREIGN_CONTAINER for one that podman, buildah or CRI-O keeps. */
export async function getContainer(engine: Engine, nameOrId: string): Promise<ContainerConfig> {
  const record = await engine.store.findContainer(nameOrId)
  if (record === undefined) throw noSuchContainer(nameOrId)
  const config = readConfig(engine.state, record.id)
  if (config !== undefined) return config
  throw foreignContainer(nameOrId, record)
}

export function foreignContainer(nameOrId: string, record: ContainerRecord): TpodError {
  return new TpodError('FOREIGN_CONTAINER', `container ${nameOrId} (${record.id.slice(0, 12)}) belongs to another tool`, {
    remedy: 'use the tool that made it (podman, buildah, crictl), or see it with: tpod ps --all --external',
  })
}

/** Keys that mark a storage record as ours to tools and to the sweep of half-created containers. */
export interface RecordMetadata {
  'image-name'?: string
  'image-id'?: string
  name?: string
  'created-at'?: number
  'created-by'?: string
}

export function parseMetadata(record: ContainerRecord): RecordMetadata {
  if (record.metadata === undefined || record.metadata === '') return {}
  try {
    return JSON.parse(record.metadata) as RecordMetadata
  } catch {
    return {}
  }
}

export const ownMarker = 'tpod'

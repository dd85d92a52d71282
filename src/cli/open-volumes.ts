/** Volumes of an engine, who uses them, and how they are shown. */
import { TpodError } from '../errors/tpod-error.ts'
import type { Engine } from '../libpod/engine.ts'
import { listContainerIds, readConfig } from '../libpod/state/container-files.ts'
import { type VolumeInfo, type VolumePaths, volumePaths } from '../libpod/volume/volume-store.ts'

export interface Volumes {
  paths: VolumePaths
  /** Ids of our containers that have the volume. */
  users(name: string): Promise<string[]>
}

export function openVolumes(engine: Engine): Volumes {
  const { store, config } = engine
  return {
    paths: volumePaths(store.graphRoot, store.ownDirectory, config.engine.volumePath),
    users: async (name) => listContainerIds(engine.state).filter((id) =>
      readConfig(engine.state, id)?.mounts.some((mount) => mount.type === 'volume' && mount.name === name)),
  }
}

/** podman's JSON of a volume. */
export function volumeView(volume: VolumeInfo) {
  return {
    Name: volume.name, Driver: volume.driver, Mountpoint: volume.mountpoint, CreatedAt: volume.created, Labels: volume.labels,
    Scope: 'local', Options: volume.options, Anonymous: volume.anonymous, NeedsCopyUp: !volume.isFilled, NeedsChown: !volume.isFilled && volume.isUsed !== true,
  }
}

type Filter = (volume: VolumeInfo) => boolean | Promise<boolean>

/** Filters of `volume ls` and `volume prune`: all of them must hold, of equal keys one. Throws BAD_FILTER. */
export function volumeFilters(texts: readonly string[], volumes: Volumes): Filter {
  const groups = new Map<string, Filter[]>()
  for (const text of texts) {
    const [key = '', value = ''] = text.split(/=(.*)/s, 2)
    groups.set(key, [...groups.get(key) ?? [], oneFilter(key, value, volumes)])
  }
  return async (volume) => {
    for (const alternatives of groups.values()) {
      const results = await Promise.all(alternatives.map((filter) => filter(volume)))
      if (!results.includes(true)) return false
    }
    return true
  }
}

function oneFilter(key: string, value: string, volumes: Volumes): Filter {
  switch (key) {
    case 'name': return (volume) => volume.name.includes(value) || matches(value, volume.name)
    case 'driver': return (volume) => volume.driver === value
    case 'scope': return () => value === 'local'
    case 'label': return (volume) => hasPair(volume.labels, value)
    case 'label!': return (volume) => !hasPair(volume.labels, value)
    case 'opt': return (volume) => hasPair(volume.options, value)
    case 'dangling': {
      if (value !== 'true' && value !== 'false') throw new TpodError('BAD_FILTER', `invalid filter value "${value}" for dangling: must be true or false`)
      return async (volume) => ((await volumes.users(volume.name)).length === 0) === (value === 'true')
    }
    case 'anonymous': return (volume) => volume.anonymous === (value === 'true')
    default: throw new TpodError('BAD_FILTER', `"${key}" is an invalid volume filter`, { remedy: 'filters: name, driver, scope, label, label!, opt, dangling, anonymous' })
  }
}

function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern).test(name)
  } catch {
    return false
  }
}

function hasPair(pairs: Readonly<Record<string, string>>, wanted: string): boolean {
  const [key = '', value] = wanted.split(/=(.*)/s, 2)
  return Object.hasOwn(pairs, key) && (value === undefined || pairs[key] === value)
}

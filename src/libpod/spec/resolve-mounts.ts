/** All mounts of one container, with the volumes named: -v, --mount, --tmpfs, --volumes-from, containers.conf and the image's. */
import { statSync } from 'node:fs'
import { posix } from 'node:path'
import { TpodError } from '../../errors/tpod-error.ts'
import type { ContainerSpec, MountRequest, ResolvedMount } from '../types.ts'
import { newAnonymousVolumeName, volumeMountpoint } from '../volume/volume-store.ts'
import type { VolumePaths } from '../volume/volume-store.ts'
import { parseVolumeFlag } from './parse/mount-flags.ts'

export interface ResolveMountsInput {
  spec: Pick<ContainerSpec, 'mounts' | 'imageVolumes' | 'volumesFrom' | 'readOnly'>
  /** Keys of the image's Volumes. */
  imageVolumes: readonly string[]
  /** containers.conf's `volumes`. */
  defaultVolumes: readonly string[]
  volumes: VolumePaths
  /** Mounts of every container named in volumesFrom, by the name as typed (without `:ro`). */
  mountsOf?: ReadonlyMap<string, readonly ResolvedMount[]>
}

/**
 * Pure but for the check that bind sources exist; volumes are named here and made by the caller (createVolume for each of
 * type volume). Asked ones win over --volumes-from, these over containers.conf's, these over the image's.
 * Throws DUPLICATE_MOUNT, BIND_SOURCE.
 */
export function resolveMounts(input: ResolveMountsInput): ResolvedMount[] {
  const asked = distinct(input.spec.mounts.map((request) => resolveRequest(request, input.volumes)))
  const duplicate = asked.find((mount, index) => asked.findIndex((other) => other.destination === mount.destination) < index)
  if (duplicate !== undefined) throw new TpodError('DUPLICATE_MOUNT', `${duplicate.destination}: duplicate mount destination`)
  for (const mount of asked) if (mount.type === 'bind') checkBindSource(mount)
  const weaker = [
    ...volumesFrom(input),
    ...input.defaultVolumes.map((text) => resolveRequest(parseVolumeFlag(text, { cwd: '/' }), input.volumes)),
    ...imageVolumes(input),
  ]
  const result = new Map(asked.map((mount) => [mount.destination, mount]))
  for (const mount of weaker) if (!result.has(mount.destination)) result.set(mount.destination, mount)
  return [...result.values()]
}

/** The same mount said twice is said once. */
function distinct(mounts: readonly ResolvedMount[]): ResolvedMount[] {
  return [...new Map(mounts.map((mount) => [JSON.stringify(mount), mount])).values()]
}

function resolveRequest(request: MountRequest, volumes: VolumePaths): ResolvedMount {
  const { destination } = request
  if (request.type === 'tmpfs') return { type: 'tmpfs', source: 'tmpfs', destination, options: [...request.options], copyUp: request.copyUp }
  if (request.type === 'bind') return { type: 'bind', source: request.source, destination, options: [...request.options] }
  const name = request.name === '' ? newAnonymousVolumeName() : request.name
  return {
    type: 'volume', name, source: volumeMountpoint(volumes, name), destination, options: [...request.options], copyUp: request.copyUp,
    ...(request.name === '' ? { anonymous: true } : {}),
  }
}

function checkBindSource(mount: ResolvedMount): void {
  if (statSync(mount.source, { throwIfNoEntry: false }) !== undefined) return
  throw new TpodError('BIND_SOURCE', `mount ${mount.source} at ${mount.destination}: statfs ${mount.source}: no such file or directory`, { remedy: `mkdir -p ${mount.source}` })
}

/** `NAME[:ro,rw,z]`: the other container's volumes and binds (not its tmpfs), with these options instead. */
function volumesFrom(input: ResolveMountsInput): ResolvedMount[] {
  return input.spec.volumesFrom.flatMap((text) => {
    const [name = '', optionText] = text.split(/:(.*)/s, 2)
    const mounts = input.mountsOf?.get(name)
    if (mounts === undefined) throw new TpodError('NO_SUCH_CONTAINER', `take volumes from ${JSON.stringify(name)}: no such container`)
    const options = optionText === undefined ? [] : optionText.split(',')
    const bad = options.find((option) => !['ro', 'rw', 'z', 'nocopy'].includes(option))
    if (bad !== undefined) throw new TpodError('BAD_FLAG', `invalid --volumes-from ${JSON.stringify(text)}: invalid options ${JSON.stringify(bad)}, can only specify 'ro', 'rw', and 'z'`)
    return mounts.filter((mount) => mount.type !== 'tmpfs').map((mount) => {
      const { anonymous: _theirs, ...rest } = mount
      const kept = mount.options.filter((option) => options.length === 0 || (option !== 'ro' && option !== 'rw'))
      return { ...rest, options: [...kept, ...options.filter((option) => option !== 'nocopy')] }
    })
  })
}

function imageVolumes(input: ResolveMountsInput): ResolvedMount[] {
  if (input.spec.imageVolumes === 'ignore') return []
  return input.imageVolumes.map((path): ResolvedMount => {
    // An image may write `data` or `/a/../b`: below the container's root, whatever it says.
    const destination = posix.normalize(`/${path}`).replace(/(.)\/+$/, '$1')
    if (destination === '/') throw new TpodError('BAD_IMAGE', `use the image's volume ${JSON.stringify(path)}: the container's root cannot be a volume`, { remedy: '--image-volume ignore' })
    if (input.spec.imageVolumes === 'tmpfs') return { type: 'tmpfs', source: 'tmpfs', destination, options: ['rw', 'nosuid', 'nodev', 'exec'], copyUp: true }
    const name = newAnonymousVolumeName()
    return { type: 'volume', name, anonymous: true, source: volumeMountpoint(input.volumes, name), destination, options: ['rw', 'exec', 'nosuid', 'nodev'], copyUp: true }
  })
}

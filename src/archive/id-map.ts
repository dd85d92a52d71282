/** Ownership between a container's ids and the host's. */
import { TpodError } from '../errors/tpod-error.ts'
import type { IdMap } from './types.ts'

/** The host's id; identity without maps. Throws ID_NOT_MAPPED. */
export function mapId(containerId: number, maps: readonly IdMap[] | undefined): number {
  if (maps === undefined) return containerId
  for (const map of maps) {
    const offset = containerId - map.containerId
    if (offset >= 0 && offset < map.size) return map.hostId + offset
  }
  throw new TpodError('ID_NOT_MAPPED', `unpack: the id ${containerId} of a file has no place in the id map`, {
    remedy: 'give the user more subordinate ids (/etc/subuid, /etc/subgid), or set ignore_chown_errors in storage.conf',
  })
}

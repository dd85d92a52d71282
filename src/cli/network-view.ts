import { createHash } from 'node:crypto'
import { TpodError } from '../errors/tpod-error.ts'
import type { NetworkManager } from '../network/types.ts'

export type NetworkRow = Awaited<ReturnType<NetworkManager['list']>>[number]

/** podman's JSON of a network. The id is derived from the name: names are what identifies our networks. */
export function networkView(network: NetworkRow) {
  return {
    name: network.name, id: createHash('sha256').update(network.name).digest('hex'), driver: network.driver, network_interface: network.bridge,
    // Chosen when the first container joins.
    subnets: network.subnet ? [{ subnet: network.subnet, gateway: network.gateway }] : [],
    ipv6_enabled: false, internal: false, dns_enabled: false, ipam_options: { driver: 'host-local' },
  }
}

/** `name=` (part of it) and `driver=`; all keys must match, of one key any value. Throws BAD_FILTER. */
export function filterNetworks(networks: readonly NetworkRow[], filters: readonly string[]): NetworkRow[] {
  const wanted = new Map<string, string[]>()
  for (const filter of filters) {
    const [key = '', value = ''] = filter.split(/=(.*)/s, 2)
    if (key !== 'name' && key !== 'driver') throw new TpodError('BAD_FILTER', `invalid network filter "${key}"`, { remedy: 'filters: name, driver' })
    wanted.set(key, [...wanted.get(key) ?? [], value])
  }
  const [names, drivers] = [wanted.get('name'), wanted.get('driver')]
  return networks.filter((network) => (names?.some((name) => network.name.includes(name)) ?? true) && (drivers?.includes(network.driver) ?? true))
}

/** By name or at least four letters of the id. Throws NO_SUCH_NETWORK. */
export function findNetworkView(networks: readonly NetworkRow[], nameOrId: string): ReturnType<typeof networkView> {
  const views = networks.map(networkView)
  const found = views.find(({ name }) => name === nameOrId) ?? (nameOrId.length >= 4 ? views.find(({ id }) => id.startsWith(nameOrId)) : undefined)
  if (!found) throw new TpodError('NO_SUCH_NETWORK', `inspect network ${nameOrId}: network not found`, { remedy: 'list networks with: tpod network ls' })
  return found
}

/** The `NetworkSettings` of `container inspect`. */
import type { NetworkInterface } from '../../network/types.ts'
import type { InspectContext } from './inspect-container.ts'
import { spreadPorts } from './container-ports.ts'

export function inspectNetwork({ config, state }: InspectContext): Record<string, unknown> {
  const [first] = state.interfaces
  const isOnlyDefault = state.interfaces.length === 1
  return {
    EndpointID: '',
    Gateway: isOnlyDefault ? first?.gateway ?? '' : '',
    IPAddress: isOnlyDefault ? first?.ipv4 ?? '' : '',
    IPPrefixLen: isOnlyDefault ? first?.prefixLength ?? 0 : 0,
    IPv6Gateway: '',
    GlobalIPv6Address: isOnlyDefault ? first?.ipv6 ?? '' : '',
    GlobalIPv6PrefixLen: 0,
    MacAddress: isOnlyDefault ? first?.mac ?? '' : '',
    Bridge: '',
    SandboxID: '',
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    Ports: portTable(config.ports, config.spec.network.mode === 'bridge' ? config.exposed : []),
    SandboxKey: state.pid > 0 && config.spec.network.mode !== 'host' ? `/proc/${state.pid}/ns/net` : '',
    ...(state.interfaces.length > 0 ? { Networks: Object.fromEntries(state.interfaces.map((one) => [one.network, oneNetwork(one, config.id)])) } : {}),
  }
}

function oneNetwork(one: NetworkInterface, id: string): Record<string, unknown> {
  return {
    EndpointID: '',
    Gateway: one.gateway,
    IPAddress: one.ipv4,
    IPPrefixLen: one.prefixLength,
    IPv6Gateway: '',
    GlobalIPv6Address: one.ipv6 ?? '',
    GlobalIPv6PrefixLen: 0,
    MacAddress: one.mac,
    NetworkID: one.network,
    DriverOpts: null,
    IPAMConfig: null,
    Links: null,
    Aliases: [id.slice(0, 12)],
  }
}

/** `{"80/tcp": [{HostIp, HostPort}]}`; an exposed, unpublished port is null. */
export function portTable(ports: Parameters<typeof spreadPorts>[0], exposed: readonly string[]): Record<string, unknown> {
  const table: Record<string, { HostIp: string; HostPort: string }[] | null> = {}
  for (const port of exposed) table[port] = null
  for (const port of spreadPorts(ports)) {
    const key = `${port.containerPort}/${port.protocol}`
    table[key] = [...(table[key] ?? []), { HostIp: port.hostIp === '0.0.0.0' ? '' : port.hostIp, HostPort: String(port.hostPort) }]
  }
  return table
}

import { TpodError } from '../../errors/tpod-error.ts'
import type { PortMapping } from '../../network/types.ts'
import type { Engine } from '../engine.ts'
import { getContainer } from '../state/find-container.ts'

export interface PublishedPort {
  containerPort: number
  protocol: string
  hostIp: string
  hostPort: number
}

/** One entry per port (ranges are spread out), in order of the container's port. `only` ('80', '80/udp') selects; throws NO_SUCH_PORT. */
export async function containerPorts(engine: Engine, nameOrId: string, only?: string): Promise<PublishedPort[]> {
  const config = await getContainer(engine, nameOrId)
  const reserved = config.spec.network.mode === 'bridge' ? (await engine.network()).read(config.id) : undefined
  const all = spreadPorts(reserved?.ports ?? config.ports)
  if (only === undefined) return all
  const [port, protocol = 'tcp'] = only.split('/', 2)
  if (!/^\d+$/.test(port ?? '')) throw new TpodError('BAD_PORT', `port ${JSON.stringify(only)}: must be a number, optionally followed by /tcp or /udp`)
  const found = all.filter((one) => one.containerPort === Number(port) && one.protocol === protocol)
  if (found.length === 0) throw new TpodError('NO_SUCH_PORT', `failed to find published port "${port}/${protocol}" of container ${nameOrId}`)
  return found
}

export function spreadPorts(ports: readonly PortMapping[]): PublishedPort[] {
  const spread = ports.flatMap((mapping) => Array.from({ length: Math.max(mapping.range, 1) }, (_none, index) => ({
    containerPort: mapping.containerPort + index,
    protocol: mapping.protocol as string,
    hostIp: mapping.hostIp === '' ? '0.0.0.0' : mapping.hostIp,
    hostPort: mapping.hostPort + index,
  })))
  return spread.toSorted((a, b) => a.containerPort - b.containerPort || a.protocol.localeCompare(b.protocol))
}

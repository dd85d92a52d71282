/** Host ports: finds free ones, and holds them bound so that nothing else on the host takes them (docs/decisions/0020). */
import { closeSync } from 'node:fs'
import { ExitCode } from '../errors/exit-codes.ts'
import { errorCode, errorMessage, TpodError } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { normalIp } from './claims.ts'
import type { PortMapping } from './types.ts'

const SOCKETS = {
  tcp: { type: 1, protocol: 6 },
  udp: { type: 2, protocol: 17 },
  sctp: { type: 1, protocol: 132 },
} as const

const FIRST_RANDOM_PORT = 32768
const RANDOM_PORT_COUNT = 28000
const RANDOM_ATTEMPTS = 200
/** One descriptor each, here and in conmon: a large range is checked port by port but not held. */
const MOST_HELD_PORTS = 1024

export interface HeldPorts {
  /** With concrete host ports. */
  ports: PortMapping[]
  descriptors: number[]
}

/**
 * Binds every port asked for. `isClaimed` tells what containers of ours hold (their sockets may be gone).
 * Throws PORT_IN_USE, PORT_ADDRESS or PORT_DENIED, having closed everything.
 */
export function holdPorts(requests: readonly PortMapping[], isClaimed: (port: PortMapping) => boolean): HeldPorts {
  const held: HeldPorts = { ports: [], descriptors: [] }
  try {
    for (const request of requests) {
      held.ports.push(request.hostPort === 0 ? holdRandom(request, held.descriptors, isClaimed) : holdGiven(request, held.descriptors))
    }
  } catch (error) {
    closeAll(held.descriptors)
    throw error
  }
  return held
}

export function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) closeSync(fd)
}

function holdGiven(port: PortMapping, descriptors: number[]): PortMapping {
  for (let offset = 0; offset < port.range; offset++) {
    try {
      keep(descriptors, bind(port, port.hostPort + offset)?.[0])
    } catch (error) {
      throw bindFailure(error, port, port.hostPort + offset)
    }
  }
  return { ...port }
}

function holdRandom(request: PortMapping, descriptors: number[], isClaimed: (port: PortMapping) => boolean): PortMapping {
  for (let attempt = 0; attempt < RANDOM_ATTEMPTS; attempt++) {
    const opened: number[] = []
    try {
      const first = request.range === 1 ? 0 : FIRST_RANDOM_PORT + Math.floor(Math.random() * (RANDOM_PORT_COUNT - request.range))
      const [fd, hostPort] = bind(request, first) ?? [undefined, FIRST_RANDOM_PORT + Math.floor(Math.random() * RANDOM_PORT_COUNT)]
      keep(opened, fd)
      for (let offset = 1; offset < request.range; offset++) keep(opened, bind(request, hostPort + offset)?.[0])
      const port = { ...request, hostPort }
      if (!isClaimed(port)) {
        descriptors.push(...opened)
        return port
      }
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE') {
        closeAll(opened)
        throw bindFailure(error, request, 0)
      }
    }
    closeAll(opened)
  }
  throw new TpodError('PORT_IN_USE', `publish a random ${request.protocol} port: found no ${request.range} free ports in a row`, {
    remedy: 'give the host ports explicitly (-p HOST:CONTAINER)',
  })
}

/** Undefined where the kernel lacks the protocol (sctp is often a module): rules work all the same. */
function bind(port: PortMapping, hostPort: number): [number, number] | undefined {
  const socket = SOCKETS[port.protocol]
  try {
    return native.bindPort(socket.type, socket.protocol, normalIp(port.hostIp), hostPort)
  } catch (error) {
    const code = errorCode(error)
    if (port.protocol === 'sctp' && (code === 'EPROTONOSUPPORT' || code === 'ESOCKTNOSUPPORT')) return undefined
    throw error
  }
}

function keep(descriptors: number[], fd: number | undefined): void {
  if (fd === undefined) return
  if (descriptors.length < MOST_HELD_PORTS) descriptors.push(fd)
  else closeSync(fd)
}

function bindFailure(error: unknown, port: PortMapping, hostPort: number): unknown {
  const name = `${normalIp(port.hostIp)}:${hostPort}/${port.protocol}`
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new TpodError('PORT_IN_USE', `publish ${name}: a process on this host uses the port`, {
        cause: error,
        remedy: `find it with "ss -lnp sport = :${hostPort}", or publish on another port`,
        exitCode: ExitCode.cannotInvoke,
      })
    case 'EADDRNOTAVAIL':
      return new TpodError('PORT_ADDRESS', `publish ${name}: ${port.hostIp} is not an address of this host`, { cause: error, remedy: 'see "ip address"' })
    case 'EACCES':
      return new TpodError('PORT_DENIED', `publish ${name}: ports below net.ipv4.ip_unprivileged_port_start need privilege`, {
        cause: error,
        remedy: `sysctl net.ipv4.ip_unprivileged_port_start=${hostPort}`,
      })
    case 'EMFILE':
      return new TpodError('TOO_MANY_PORTS', `publish ${name}: too many open files`, { cause: error, remedy: 'raise "ulimit -n", or publish fewer ports' })
    default:
      return new TpodError('PORT_UNAVAILABLE', `publish ${name}: ${errorMessage(error)}`, { cause: error })
  }
}

/** Ports as users write and read them: `-p`, `--expose`, and the PORTS column. */
import { isIP } from 'node:net'
import { TpodError } from '../errors/tpod-error.ts'
import type { PortMapping } from './types.ts'

type PortProtocol = PortMapping['protocol']
interface PortRange { first: number; count: number }

/**
 * Parses `[[HOST_IP:][HOST_PORT]:]CONTAINER_PORT[/PROTOCOL]`; ports may be ranges `8000-8010` of equal length, IPv6
 * addresses stand in brackets. No host port: a random one (0). Throws BAD_PORT.
 */
export function parsePortSpec(text: string): PortMapping[] {
  const { rest, protocol } = splitProtocol(text, text)
  const { hostIp, hostText, containerText } = splitAddress(rest, text)
  const container = parseRange(containerText, 'container', text)
  if (hostText === '') return [{ hostIp, hostPort: 0, containerPort: container.first, range: container.count, protocol }]
  const host = parseRange(hostText, 'host', text)
  if (host.count !== container.count) {
    throw badPort(text, `the host range has ${host.count} ports, the container range ${container.count}`, 'give ranges of equal length, as in 8000-8010:8000-8010')
  }
  return [{ hostIp, hostPort: host.first, containerPort: container.first, range: container.count, protocol }]
}

/** Parses `PORT[-PORT][/PROTOCOL]` into '80/tcp', one entry per port. Throws BAD_PORT. */
export function parseExpose(text: string): string[] {
  const { rest, protocol } = splitProtocol(text, text)
  const { first, count } = parseRange(rest, 'exposed', text)
  return Array.from({ length: count }, (_, index) => `${first + index}/${protocol}`)
}

/** Drops mappings said twice. Throws PORT_CONFLICT when two mappings want one host port for different container ports. */
export function normalizePorts(ports: readonly PortMapping[]): PortMapping[] {
  const kept: PortMapping[] = []
  for (const port of ports) {
    const clash = kept.find((other) => port.hostPort !== 0 && wantSamePort(port, other))
    if (!clash) kept.push(port)
    else if (!isSame(clash, port)) {
      throw new TpodError('PORT_CONFLICT', `publish ${formatPort(port)}: conflicts with ${formatPort(clash)}`, { remedy: 'publish each host port once' })
    }
  }
  return kept
}

/** As podman ps shows them: `0.0.0.0:8080->80/tcp, 0.0.0.0:9000-9002->9000-9002/tcp`; neighbours are merged. */
export function formatPorts(ports: readonly PortMapping[]): string {
  const sorted = ports.toSorted((a, b) => shownIp(a).localeCompare(shownIp(b)) || a.protocol.localeCompare(b.protocol) || a.hostPort - b.hostPort)
  const merged: PortMapping[] = []
  for (const port of sorted) {
    const last = merged.at(-1)
    if (last && continues(last, port)) merged[merged.length - 1] = { ...last, range: last.range + port.range }
    else merged.push(port)
  }
  return merged.map(formatPort).join(', ')
}

function formatPort(port: PortMapping): string {
  return `${shownIp(port)}:${formatRange(port.hostPort, port.range)}->${formatRange(port.containerPort, port.range)}/${port.protocol}`
}

function shownIp(port: PortMapping): string {
  if (port.hostIp === '') return '0.0.0.0'
  return port.hostIp.includes(':') ? `[${port.hostIp}]` : port.hostIp
}

function formatRange(first: number, count: number): string {
  return count === 1 ? String(first) : `${first}-${first + count - 1}`
}

function continues(a: PortMapping, b: PortMapping): boolean {
  return shownIp(a) === shownIp(b) && a.protocol === b.protocol && a.hostPort !== 0 && a.hostPort + a.range === b.hostPort && a.containerPort + a.range === b.containerPort
}

function wantSamePort(a: PortMapping, b: PortMapping): boolean {
  const isWild = [shownIp(a), shownIp(b)].includes('0.0.0.0')
  return a.protocol === b.protocol && b.hostPort !== 0 && (isWild || a.hostIp === b.hostIp) && a.hostPort < b.hostPort + b.range && b.hostPort < a.hostPort + a.range
}

function isSame(a: PortMapping, b: PortMapping): boolean {
  return shownIp(a) === shownIp(b) && a.hostPort === b.hostPort && a.containerPort === b.containerPort && a.range === b.range
}

function splitProtocol(text: string, whole: string): { rest: string; protocol: PortProtocol } {
  const [rest = '', protocol = 'tcp', ...more] = text.split('/')
  const name = protocol.toLowerCase()
  if (more.length > 0 || (name !== 'tcp' && name !== 'udp' && name !== 'sctp')) throw badPort(whole, `unknown protocol "${[protocol, ...more].join('/')}"`, 'use /tcp, /udp or /sctp')
  return { rest, protocol: name }
}

function splitAddress(text: string, whole: string): { hostIp: string; hostText: string; containerText: string } {
  const bracket = /^\[([^\]]*)\]:(.*)$/.exec(text)
  const parts = bracket ? [bracket[1] ?? '', ...(bracket[2] ?? '').split(':')] : text.split(':')
  if (bracket ? parts.length !== 3 : parts.length > 3) {
    throw badPort(whole, 'too many or too few parts', 'write it as [HOST_IP:]HOST_PORT:CONTAINER_PORT[/PROTOCOL], IPv6 addresses in brackets')
  }
  const containerText = parts.at(-1) ?? ''
  const hostText = parts.length > 1 ? (parts.at(-2) ?? '') : ''
  const hostIp = parts.length > 2 ? (parts[0] ?? '') : ''
  if (hostIp !== '' && isIP(hostIp) !== (bracket ? 6 : 4)) throw badPort(whole, `"${hostIp}" is not an IP address`, 'give a numeric address of this host, IPv6 in brackets')
  return { hostIp, hostText, containerText }
}

function parseRange(text: string, which: string, whole: string): PortRange {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? match?.[1])
  if (!match || first < 1 || last > 65535) throw badPort(whole, `${which} port "${text}" is not a number from 1 to 65535`, 'write it as 8080:80 or 8000-8010:8000-8010')
  if (last < first) throw badPort(whole, `${which} range "${text}" ends before it begins`, `write it as ${last}-${first}`)
  return { first, count: last - first + 1 }
}

function badPort(whole: string, reason: string, remedy: string): TpodError {
  return new TpodError('BAD_PORT', `parse port "${whole}": ${reason}`, { remedy })
}

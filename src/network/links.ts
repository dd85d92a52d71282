/** Links, addresses and routes by rtnetlink (man 7 rtnetlink): what ip(8) does, without its processes. */
import { closeSync, openSync } from 'node:fs'
import { errorCode } from '../errors/tpod-error.ts'
import type { Subnet } from './ipv4.ts'
import { attribute, Flag, message, netlinkRequest, parseAttributes, Protocol } from './netlink.ts'

const Type = { newLink: 16, delLink: 17, getLink: 18, newAddress: 20, getAddress: 22, newRoute: 24, getRoute: 26 } as const
const Ifla = { address: 1, ifname: 3, master: 10, linkInfo: 18, netNsFd: 28 } as const
const INFO_KIND = 1
const INFO_DATA = 2
const INFO_SLAVE_KIND = 4
const INFO_SLAVE_DATA = 5
const VETH_INFO_PEER = 1
const BRPORT_MODE = 4
const IFF_UP = 1
const AF_INET = 2
const MAIN_TABLE = 254
const RTN_UNICAST = 1
const RTPROT_STATIC = 4

export interface Link {
  index: number
  mac: string
  isUp: boolean
}

/** Undefined when no interface has this name. Not by /sys: that shows the namespace which mounted it. */
export function findLink(name: string, netnsFd = -1): Link | undefined {
  try {
    const [answer] = netlinkRequest(Protocol.route, [message(Type.getLink, Flag.ack, linkHeader(0), [attribute(Ifla.ifname, name)])], netnsFd)
    if (!answer) return undefined
    const mac = parseAttributes(answer.payload.subarray(16)).get(Ifla.address)
    return {
      index: answer.payload.readInt32LE(4),
      isUp: (answer.payload.readUInt32LE(8) & IFF_UP) !== 0,
      mac: mac === undefined ? '' : formatMac(mac),
    }
  } catch (error) {
    if (errorCode(error) === 'ENODEV') return undefined
    throw error
  }
}

/** Creates a bridge with its own address; it goes up last, so one that is up is complete. Throws EEXIST (NetlinkError) when the name is taken. */
export function createBridge(name: string, mac: string, gateway: number, prefixLength: number): void {
  const kind = attribute(Ifla.linkInfo, [attribute(INFO_KIND, 'bridge')])
  netlinkRequest(Protocol.route, [
    message(Type.newLink, Flag.ack | Flag.create | Flag.exclusive, linkHeader(0), [attribute(Ifla.ifname, name), attribute(Ifla.address, parseMac(mac)), kind]),
  ])
  const link = findLink(name)
  if (link) repairBridge(link, gateway, prefixLength)
}

/** Address and up state of an existing bridge, as they should be. Idempotent. */
export function repairBridge(link: Link, gateway: number, prefixLength: number): void {
  netlinkRequest(Protocol.route, [newAddress(link.index, gateway, prefixLength), message(Type.newLink, Flag.ack, linkHeader(link.index, true))])
}

/** Deletes the interface. Success means it is not there. */
export function deleteLink(name: string): void {
  try {
    netlinkRequest(Protocol.route, [message(Type.delLink, Flag.ack, linkHeader(0), [attribute(Ifla.ifname, name)])])
  } catch (error) {
    if (errorCode(error) !== 'ENODEV') throw error
  }
}

export interface VethRequest {
  hostName: string
  bridgeIndex: number
  containerName: string
  mac: string
  address: number
  prefixLength: number
  /** Undefined: no default route over this interface. */
  gateway: number | undefined
  /** Lets the bridge send a frame back where it came from: with br_netfilter, a container's way to its own published port. */
  hasHairpin: boolean
}

/**
 * Creates a veth pair: one end, up, on the bridge; the other, configured, in the network namespace. Also brings lo up.
 * A failure half-way leaves a pair that `deleteLink(hostName)` removes.
 */
export function plugVeth(request: VethRequest, netnsFd: number): void {
  const peer = Buffer.concat([
    // Down: the kernel raises this end before the two know each other, and then says ENOTCONN.
    linkHeader(0),
    attribute(Ifla.ifname, request.containerName),
    attribute(Ifla.address, parseMac(request.mac)),
    attribute(Ifla.netNsFd, netnsFd),
  ])
  const messages = [
    message(Type.newLink, Flag.ack | Flag.create | Flag.exclusive, linkHeader(0, true), [
      attribute(Ifla.ifname, request.hostName),
      attribute(Ifla.master, request.bridgeIndex),
      attribute(Ifla.linkInfo, [attribute(INFO_KIND, 'veth'), attribute(INFO_DATA, [attribute(VETH_INFO_PEER, peer)])]),
    ]),
  ]
  if (request.hasHairpin) {
    const port = [attribute(INFO_SLAVE_KIND, 'bridge'), attribute(INFO_SLAVE_DATA, [attribute(BRPORT_MODE, Uint8Array.of(1))])]
    messages.push(message(Type.newLink, Flag.ack, linkHeader(0), [attribute(Ifla.ifname, request.hostName), attribute(Ifla.linkInfo, port)]))
  }
  netlinkRequest(Protocol.route, messages)
  configureInside(request, netnsFd)
}

function configureInside(request: VethRequest, netnsFd: number): void {
  const link = findLink(request.containerName, netnsFd)
  if (!link) throw new Error(`interface ${request.containerName} vanished while it was configured`)
  const LOOPBACK_INDEX = 1
  const messages = [
    message(Type.newLink, Flag.ack, linkHeader(LOOPBACK_INDEX, true)),
    message(Type.newLink, Flag.ack, linkHeader(link.index, true)),
    newAddress(link.index, request.address, request.prefixLength),
  ]
  if (request.gateway !== undefined) messages.push(newDefaultRoute(link.index, request.gateway))
  netlinkRequest(Protocol.route, messages, netnsFd)
}

/** Runs fn with the network namespace of a process open. Throws ENOENT when it is gone. */
export function withNetns<T>(pid: number, fn: (netnsFd: number) => T): T {
  const fd = openSync(`/proc/${pid}/ns/net`, 'r')
  try {
    return fn(fd)
  } finally {
    closeSync(fd)
  }
}

/** Subnets that this host routes (connected ones included) but the default route; loopback excluded. */
export function readRoutedSubnets(): Subnet[] {
  const header = Buffer.alloc(12)
  header[0] = AF_INET
  const subnets: Subnet[] = []
  for (const { payload } of netlinkRequest(Protocol.route, [message(Type.getRoute, Flag.dump, header)])) {
    const prefixLength = payload.readUInt8(1)
    const destination = parseAttributes(payload.subarray(12)).get(1)
    if (payload[4] !== MAIN_TABLE || !destination || prefixLength === 0) continue
    subnets.push({ base: destination.readUInt32BE(0), prefixLength })
  }
  return subnets
}

function linkHeader(index: number, up = false): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32LE(index, 4)
  if (up) {
    header.writeUInt32LE(IFF_UP, 8)
    header.writeUInt32LE(IFF_UP, 12)
  }
  return header
}

function newAddress(index: number, address: number, prefixLength: number): Buffer {
  const header = Buffer.alloc(8)
  header[0] = AF_INET
  header[1] = prefixLength
  header.writeUInt32LE(index, 4)
  const bytes = ipv4Bytes(address)
  const broadcast = ipv4Bytes((address | (2 ** (32 - prefixLength) - 1)) >>> 0)
  return message(Type.newAddress, Flag.ack | Flag.create | Flag.replace, header, [attribute(2, bytes), attribute(1, bytes), attribute(4, broadcast)])
}

function newDefaultRoute(index: number, gateway: number): Buffer {
  const header = Buffer.alloc(12)
  header[0] = AF_INET
  header[4] = MAIN_TABLE
  header[5] = RTPROT_STATIC
  header[7] = RTN_UNICAST
  return message(Type.newRoute, Flag.ack | Flag.create | Flag.replace, header, [attribute(5, ipv4Bytes(gateway)), attribute(4, index)])
}

function ipv4Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function parseMac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex')
}

function formatMac(bytes: Buffer): string {
  return bytes.toString('hex').replace(/..(?=.)/g, '$&:')
}

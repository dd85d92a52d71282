/**
 * Our firewall rules: one table `inet BRIDGE` per network. What publishes ports are elements of two maps, so that adding
 * and removing a container is one small transaction whatever the number of containers; everything else is constant.
 * Questions ("is it there?") go by netlink in microseconds; changes go through `nft -f -`, one process for all of them.
 */
import { errorCode, errorMessage, TpodError } from '../errors/tpod-error.ts'
import { normalIp } from './claims.ts'
import { attribute, Flag, message, netlinkRequest, NetlinkError, Protocol, type Answer } from './netlink.ts'
import type { NetworkReservation } from './types.ts'

const NFNL_SUBSYS_NFTABLES = 10 << 8
const Message = { getTable: 1, getChain: 4, getRule: 7, getSetElements: 13 } as const
export const Family = { inet: 1, ip: 2 } as const
export type FamilyValue = (typeof Family)[keyof typeof Family]

export interface BaseRules {
  bridge: string
  /** a.b.c.d/n */
  subnet: string
  /** The host's FORWARD policy is drop: what nobody published stays out of reach for us, too. */
  isClosed: boolean
}

/** The constant part; its last chain is named after its content, so that one question tells whether it is up to date. */
export function formatBaseRules(base: BaseRules): string {
  const body = formatTable(base)
  return `table inet ${base.bridge} {\n${body}  chain ${markerName(body)} {\n  }\n}\n`
}

/** True when exactly these rules were loaded, and nobody flushed them. */
export function hasBaseRules(base: BaseRules): boolean {
  return findChain(Family.inet, base.bridge, markerName(formatTable(base))) !== undefined
}

// route_localnet lets the bridge route 127.0.0.0/8, for ports published on localhost: without the raw-priority drop a
// container could send packets to the host's loopback services (CVE-2020-8558).
function formatTable({ bridge, subnet, isClosed }: BaseRules): string {
  const forward = isClosed
    ? `    type filter hook forward priority filter; policy accept;
    oifname "${bridge}" iifname "tpod*" accept
    oifname "${bridge}" iifname "podman*" accept
    oifname "${bridge}" ct state new ct status & dnat == 0 drop\n`
    : ''
  return `  map published {
    type inet_proto . inet_service : ipv4_addr . inet_service
  }
  map published_on {
    type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
  }
  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @published_on
    dnat ip to meta l4proto . th dport map @published
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    meta nfproto ipv4 fib daddr type local meta l4proto { tcp, udp, sctp } jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    meta nfproto ipv4 fib daddr type local meta l4proto { tcp, udp, sctp } jump publish
  }
  chain antispoof {
    type filter hook prerouting priority raw; policy accept;
    iifname "${bridge}" ip daddr 127.0.0.0/8 drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet} ip daddr != ${subnet} ip daddr != 224.0.0.0/4 masquerade
    oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade
    oifname "${bridge}" ip saddr ${subnet} ct status & dnat == dnat masquerade
  }
  chain forward {
${forward}  }
`
}

/** Lines that publish a container's ports; loading them twice changes nothing. */
export function formatPublish(bridge: string, reservation: NetworkReservation): string {
  return formatElements('add', bridge, reservation)
}

/** Lines that withdraw them. Added first: deleting what is not there would fail the transaction. */
export function formatWithdraw(bridge: string, reservation: NetworkReservation): string {
  return formatElements('add', bridge, reservation) + formatElements('delete', bridge, reservation)
}

function formatElements(verb: 'add' | 'delete', bridge: string, reservation: NetworkReservation): string {
  const target = reservation.interfaces.find((entry) => entry.bridge === bridge)
  if (!target) return ''
  const elements: Record<'published' | 'published_on', string[]> = { published: [], published_on: [] }
  for (const port of reservation.ports) {
    const ip = normalIp(port.hostIp)
    for (let offset = 0; offset < port.range; offset++) {
      const key = `${ip === '0.0.0.0' ? '' : `${ip} . `}${port.protocol} . ${port.hostPort + offset}`
      const value = `${target.ipv4} . ${port.containerPort + offset}`
      elements[ip === '0.0.0.0' ? 'published' : 'published_on'].push(verb === 'add' ? `${key} comment "${reservation.containerId}" : ${value}` : key)
    }
  }
  let text = ''
  for (const [map, lines] of Object.entries(elements)) {
    if (lines.length > 0) text += `${verb} element inet ${bridge} ${map} { ${lines.join(', ')} }\n`
  }
  return text
}

/** Runs one transaction: all of it happens or nothing. Throws NFT_MISSING or NFT_FAILED. */
export async function runNft(script: string): Promise<void> {
  const { spawn } = await import('node:child_process')
  const path = await findNft()
  await new Promise<void>((resolve, reject) => {
    const child = spawn(path, ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => { complaint += chunk })
    child.once('error', (error) => { reject(new TpodError('NFT_FAILED', `run ${path}: ${errorMessage(error)}`, { cause: error })) })
    child.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new TpodError('NFT_FAILED', `load firewall rules: ${complaint.trim().split('\n')[0] ?? `nft exited with ${code}`}`))
    })
    // EPIPE: nft ended early; its exit status tells why.
    child.stdin.once('error', () => undefined)
    child.stdin.end(script)
  })
}

async function findNft(): Promise<string> {
  const { existsSync } = await import('node:fs')
  for (const path of ['/usr/sbin/nft', '/usr/bin/nft', '/sbin/nft', '/usr/local/sbin/nft']) if (existsSync(path)) return path
  throw new TpodError('NFT_MISSING', 'bridge networks need nft, which is not installed', {
    remedy: 'apt install nftables (Debian, Ubuntu) or dnf install nftables (Fedora); --network host and none work without it',
  })
}

export function hasTable(bridge: string): boolean {
  return find(query(Message.getTable, Family.inet, Flag.ack, [attribute(1, bridge)])) !== undefined
}

/** A chain, its attributes as in linux/netfilter/nf_tables.h; or undefined. */
export function findChain(family: FamilyValue, table: string, chain: string): Answer | undefined {
  return find(query(Message.getChain, family, Flag.ack, [attribute(1, table), attribute(3, chain)]))
}

function find(question: Buffer): Answer | undefined {
  try {
    return netlinkRequest(Protocol.netfilter, [question])[0]
  } catch (error) {
    // EPROTONOSUPPORT, EOPNOTSUPP, EINVAL: a kernel without nf_tables has no such chain either; nft will say so.
    if (error instanceof NetlinkError && errorCode(error) !== 'EPERM') return undefined
    throw error
  }
}

/** The rules of a chain, raw. */
export function readRules(family: FamilyValue, table: string, chain: string): Answer[] {
  return netlinkRequest(Protocol.netfilter, [query(Message.getRule, family, Flag.dump, [attribute(1, table), attribute(2, chain)])])
}

/** True when a published port in the kernel carries this container's id, whether or not a record of it is left. */
export function hasElementsOf(bridge: string, containerId: string): boolean {
  return ['published', 'published_on'].some((map) => {
    try {
      const elements = netlinkRequest(Protocol.netfilter, [query(Message.getSetElements, Family.inet, Flag.dump, [attribute(1, bridge), attribute(2, map)])])
      return elements.some(({ payload }) => payload.includes(containerId))
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false
      throw error
    }
  })
}

function query(type: number, family: FamilyValue, flags: number, attributes: readonly Buffer[]): Buffer {
  return message(NFNL_SUBSYS_NFTABLES | type, flags, Buffer.from([family, 0, 0, 0]), attributes)
}

function markerName(body: string): string {
  // FNV-1a: a change of content, not an attack, is what it has to notice.
  let hash = 0x811c9dc5
  for (let index = 0; index < body.length; index++) hash = Math.imul(hash ^ body.charCodeAt(index), 0x01000193) >>> 0
  return `content_${hash.toString(16).padStart(8, '0')}`
}

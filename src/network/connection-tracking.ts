/** Connection tracking by ctnetlink: what conntrack(8) does. */
import { parseIpv4 } from './ipv4.ts'
import { errorCode } from '../errors/tpod-error.ts'
import { attribute, Flag, message, netlinkRequest, parseAttributes, Protocol } from './netlink.ts'

const NFNL_SUBSYS_CTNETLINK = 1 << 8
const Message = { get: 1, delete: 2 } as const
const AF_INET = 2
const IPPROTO_UDP = 17
const Tuple = { original: 1, reply: 2, ip: 1, protocol: 2 } as const

/**
 * Forgets tracked UDP flows to a container's address. UDP has no end that the kernel could see: a client that keeps
 * sending to a published port would be led to the dead container's address, and never to the next one.
 */
export function forgetFlows(ipv4: string): void {
  const address = Buffer.alloc(4)
  address.writeUInt32BE(parseIpv4(ipv4) ?? 0)
  const header = Buffer.from([AF_INET, 0, 0, 0])
  for (const { payload } of netlinkRequest(Protocol.netfilter, [message(NFNL_SUBSYS_CTNETLINK | Message.get, Flag.dump, header)])) {
    const flow = parseAttributes(payload.subarray(4))
    const original = flow.get(Tuple.original)
    if (!original || !isUdpFrom(flow.get(Tuple.reply), address)) continue
    try {
      netlinkRequest(Protocol.netfilter, [message(NFNL_SUBSYS_CTNETLINK | Message.delete, Flag.ack, header, [attribute(0x8000 | Tuple.original, original)])])
    } catch (error) {
      // It expired meanwhile.
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }
}

/** True when the answers of this flow come from the address. */
function isUdpFrom(reply: Buffer | undefined, address: Buffer): boolean {
  if (!reply) return false
  const tuple = parseAttributes(reply)
  const ip = tuple.get(Tuple.ip)
  const protocol = tuple.get(Tuple.protocol)
  return ip !== undefined && protocol !== undefined && parseAttributes(ip).get(1)?.equals(address) === true && parseAttributes(protocol).get(1)?.[0] === IPPROTO_UDP
}

/** IPAM: which address a container gets. Pure but for the memory of the last one. */
import { readFileSync } from 'node:fs'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { writeFileAtomicSync } from '../host/fs/write-file-atomic.ts'
import { addressKey, readClaimOwner, type Claims } from './claims.ts'
import type { NetworkDefinition } from './default-bridge.ts'
import { formatIpv4, isInSubnet, parseIpv4, parseSubnet, subnetSize } from './ipv4.ts'

/**
 * The address after the last one given out, so that a freed address rests as long as possible: peers' caches and
 * connection tracking still know its former owner. Caller holds the network lock. Throws NETWORK_FULL.
 */
export function chooseAddress(definition: NetworkDefinition, claims: Claims): string {
  const subnet = parseSubnet(definition.subnet)
  const lastPath = `${claims.directory}/../last-address`
  const lastUsable = subnetSize(subnet) - 2
  const previous = (readAddress(lastPath) ?? subnet.base) - subnet.base
  let offset = previous >= 1 && previous <= lastUsable ? previous : 0
  for (let tried = 0; tried < lastUsable; tried++) {
    offset = offset >= lastUsable ? 1 : offset + 1
    const address = formatIpv4(subnet.base + offset)
    if (address === definition.gateway || claims.addresses.has(addressKey(definition.name, address))) continue
    writeFileAtomicSync(lastPath, address, { sync: false, isLocked: true })
    return address
  }
  throw new TpodError('NETWORK_FULL', `reserve an address in ${definition.subnet} (network ${definition.name}): all are taken`, {
    remedy: 'remove stopped containers, or set a larger default_subnet in containers.conf',
  })
}

/** Checks an address that the user asked for. Throws BAD_IP or IP_IN_USE. */
export function checkAddress(definition: NetworkDefinition, wanted: string, claims: Claims): string {
  const subnet = parseSubnet(definition.subnet)
  const address = parseIpv4(wanted)
  if (address === undefined) throw new TpodError('BAD_IP', `reserve address "${wanted}": not an IPv4 address`)
  if (!isInSubnet(address, subnet) || address === subnet.base || address === subnet.base + subnetSize(subnet) - 1) {
    throw new TpodError('BAD_IP', `reserve address ${wanted}: not a host address of ${definition.subnet} (network ${definition.name})`)
  }
  if (wanted === definition.gateway) throw new TpodError('IP_IN_USE', `reserve address ${wanted}: it is the gateway of network ${definition.name}`)
  const key = addressKey(definition.name, wanted)
  if (claims.addresses.has(key)) {
    const owner = readClaimOwner(claims, `ip_${key}`).slice(0, 12)
    throw new TpodError('IP_IN_USE', `reserve address ${wanted}: container ${owner} has it`, { remedy: 'choose another address, or stop that container' })
  }
  return wanted
}

/** Unicast, locally administered, and told by the address: an address that moves to another container keeps its neighbours' caches right. */
export function macForAddress(ipv4: string): string {
  const bytes = Buffer.alloc(6)
  bytes[0] = 0x0a
  bytes[1] = 0x74
  bytes.writeUInt32BE(parseIpv4(ipv4) ?? 0, 2)
  return bytes.toString('hex').replace(/..(?=.)/g, '$&:')
}

/** Lower case with colons. Throws BAD_MAC. */
export function parseMacAddress(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':')
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) || Number.parseInt(mac.slice(0, 2), 16) % 2 === 1) {
    throw new TpodError('BAD_MAC', `parse MAC address "${text}": want six pairs of hex digits, the first even`, { remedy: 'write it as 0a:74:0a:57:00:02' })
  }
  return mac
}

function readAddress(path: string): number | undefined {
  try {
    return parseIpv4(readFileSync(path, 'utf8'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Claims: who holds which address and which host ports. Each is a symbolic link in one directory, named after what is
 * claimed and pointing at the container's id: one listing tells everything, creating one cannot overwrite another's.
 * All changes happen under the network lock. The container's record is written before and removed after its claims.
 */
import { readdirSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { errorCode } from '../errors/tpod-error.ts'
import type { NetworkInterface, PortMapping } from './types.ts'

export interface PortClaim {
  fileName: string
  protocol: string
  hostIp: string
  first: number
  last: number
}

export interface Claims {
  directory: string
  addresses: Set<string>
  ports: PortClaim[]
}

export function readClaims(directory: string): Claims {
  const claims: Claims = { directory, addresses: new Set(), ports: [] }
  for (const fileName of readdirSync(directory)) {
    const [kind, ...parts] = fileName.split('_')
    if (kind === 'ip') {
      claims.addresses.add(parts.join('_'))
    } else if (kind === 'port') {
      const [protocol = '', hostIp = '', first = '', last = ''] = parts
      claims.ports.push({ fileName, protocol, hostIp, first: Number(first), last: Number(last) })
    }
  }
  return claims
}

/** Both parts identify an address: two networks may use the same one. */
export function addressKey(network: string, ipv4: string): string {
  return `${network}_${ipv4}`
}

/** The claim that stands in the way of this mapping. */
export function findPortConflict(claims: Claims, port: PortMapping): PortClaim | undefined {
  const last = port.hostPort + port.range - 1
  return claims.ports.find(
    (claim) => claim.protocol === port.protocol && port.hostPort <= claim.last && claim.first <= last && addressesCollide(claim.hostIp, normalIp(port.hostIp)),
  )
}

/** '' when the owner went meanwhile. */
export function readClaimOwner(claims: Claims, fileName: string): string {
  try {
    return readlinkSync(`${claims.directory}/${fileName}`)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return ''
    throw error
  }
}

export function addClaims(directory: string, containerId: string, interfaces: readonly NetworkInterface[], ports: readonly PortMapping[]): void {
  for (const name of claimNames(interfaces, ports)) symlinkSync(containerId, `${directory}/${name}`)
}

/** Removes the named claims that are this container's. Idempotent. */
export function removeClaims(directory: string, containerId: string, interfaces: readonly NetworkInterface[], ports: readonly PortMapping[]): void {
  for (const name of claimNames(interfaces, ports)) removeOwn(directory, name, containerId)
}

/** The same without a record to tell the names: reads every claim. */
export function removeAllClaimsOf(directory: string, containerId: string): void {
  for (const name of readdirSync(directory)) removeOwn(directory, name, containerId)
}

function removeOwn(directory: string, name: string, containerId: string): void {
  const path = `${directory}/${name}`
  try {
    // A crash between record and claims leaves a record whose address may be somebody else's by now.
    if (readlinkSync(path) === containerId) unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

function claimNames(interfaces: readonly NetworkInterface[], ports: readonly PortMapping[]): string[] {
  const names = interfaces.map((entry) => `ip_${addressKey(entry.network, entry.ipv4)}`)
  for (const port of ports) names.push(`port_${port.protocol}_${normalIp(port.hostIp)}_${port.hostPort}_${port.hostPort + port.range - 1}`)
  return names
}

export function normalIp(hostIp: string): string {
  return hostIp === '' ? '0.0.0.0' : hostIp
}

function addressesCollide(a: string, b: string): boolean {
  return a === b || a === '0.0.0.0' || b === '0.0.0.0'
}

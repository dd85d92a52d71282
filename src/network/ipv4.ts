/** IPv4 addresses as unsigned 32-bit numbers, and subnets. */
import { TpodError } from '../errors/tpod-error.ts'

export interface Subnet {
  /** First address, host bits zero. */
  base: number
  prefixLength: number
}

/** Undefined for anything but four decimal numbers without leading zeros (some programs read those as octal). */
export function parseIpv4(text: string): number | undefined {
  const match = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text)
  if (!match) return undefined
  let value = 0
  for (const part of match.slice(1)) {
    if (Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

export function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}

/** `a.b.c.d/n`; host bits are cleared. Throws BAD_SUBNET. */
export function parseSubnet(text: string): Subnet {
  const [address = '', length = '', ...rest] = text.split('/')
  const value = parseIpv4(address)
  const prefixLength = /^\d{1,2}$/.test(length) ? Number(length) : -1
  if (value === undefined || prefixLength < 1 || prefixLength > 30 || rest.length > 0) {
    throw new TpodError('BAD_SUBNET', `parse subnet "${text}": want an IPv4 network of /1 to /30`, { remedy: 'write it as 10.87.0.0/16' })
  }
  return { base: value - (value % sizeOf(prefixLength)), prefixLength }
}

export function formatSubnet(subnet: Subnet): string {
  return `${formatIpv4(subnet.base)}/${subnet.prefixLength}`
}

export function subnetSize(subnet: Subnet): number {
  return sizeOf(subnet.prefixLength)
}

export function isInSubnet(address: number, subnet: Subnet): boolean {
  return address >= subnet.base && address < subnet.base + subnetSize(subnet)
}

export function subnetsOverlap(a: Subnet, b: Subnet): boolean {
  return a.base < b.base + subnetSize(b) && b.base < a.base + subnetSize(a)
}

function sizeOf(prefixLength: number): number {
  return 2 ** (32 - prefixLength)
}

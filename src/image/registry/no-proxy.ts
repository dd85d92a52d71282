/** NO_PROXY: the hosts that are reached without a proxy, by the rules of Go's httpproxy. */
import { BlockList, isIP } from 'node:net'

/** `hostname` as in a URL: lower case, IPv6 in brackets. */
export type NoProxyRule = (hostname: string, port: number) => boolean

/**
 * Comma-separated: `*` is every host; `corp.example` that host and all below it, `.corp.example` and `*.corp.example` those
 * below it alone; an address; a network as ADDRESS/BITS. A `:PORT` behind any but the network limits it to that port.
 * Names are not looked up: a network counts for hosts that are written as addresses. localhost and loopback addresses never
 * go through a proxy. What cannot be understood matches nothing.
 */
export function parseNoProxy(text: string): NoProxyRule {
  const rules: NoProxyRule[] = [isLoopback]
  for (const part of text.split(',')) {
    const entry = part.trim().toLowerCase()
    if (entry === '*') return () => true
    if (entry !== '') rules.push(parseEntry(entry))
  }
  return (hostname, port) => rules.some((rule) => rule(hostname, port))
}

function parseEntry(entry: string): NoProxyRule {
  const network = /^(.+)\/(\d{1,3})$/.exec(entry)
  if (network !== null) {
    const rule = networkRule(network[1]!, Number(network[2]))
    if (rule !== undefined) return rule
  }
  const { host, port: onlyPort } = splitPort(entry)
  const rule = networkRule(host) ?? domainRule(host)
  return (hostname, port) => (onlyPort === undefined || onlyPort === port) && rule(hostname, port)
}

function splitPort(entry: string): { host: string; port?: number } {
  const [, bracketed, name, port] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? []
  return { host: bracketed ?? name ?? entry, ...(port === undefined ? {} : { port: Number(port) }) }
}

/** Undefined: not an address, or more bits than it has. */
function networkRule(address: string, bits?: number): NoProxyRule | undefined {
  const family = isIP(address)
  const all = family === 4 ? 32 : 128
  if (family === 0 || (bits ?? all) > all) return undefined
  const list = new BlockList()
  list.addSubnet(address, bits ?? all, family === 4 ? 'ipv4' : 'ipv6')
  return (hostname) => contains(list, hostname)
}

function contains(list: BlockList, hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(address)
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function domainRule(host: string): NoProxyRule {
  const suffix = host.replace(/^\*\./, '.')
  if (suffix === '') return () => false
  const name = toAscii(suffix.replace(/^\./, ''))
  const withItself = !suffix.startsWith('.')
  return (hostname) => hostname.endsWith(`.${name}`) || (withItself && hostname === name)
}

/** As a URL would spell the host name: that is what it is compared with. */
function toAscii(name: string): string {
  // Nothing else is parsed as a URL: it would find hosts in `10.0.0.0/33`, and an address in `10`.
  const isForeign = /[^\w.-]/.test(name) && !/[/?#@:\\%\s]/.test(name)
  return isForeign && URL.canParse(`http://${name}`) ? new URL(`http://${name}`).hostname : name
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || contains(loopback, hostname)
}

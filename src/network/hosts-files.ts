/** Content of a container's /etc/hosts, /etc/resolv.conf and /etc/hostname. Pure: callers read and write the files. */
import { isIP } from 'node:net'
import { TpodError } from '../errors/tpod-error.ts'

export interface HostsRequest {
  /** The host's (or image's) /etc/hosts; '' for none (base_hosts_file = "none"). */
  base: string
  /** `name:ip`, also `name1;name2:ip`; ip may be host-gateway. They win over everything else. */
  addHosts: readonly string[]
  /** The container's address; 127.0.0.1 for --network none, undefined for --network host. */
  containerIp?: string
  /** Host name and container name, first the one that reverse look-ups should find. */
  names: readonly string[]
  /** What host.containers.internal and host-gateway stand for: the bridge's gateway or a host address. */
  hostGateway?: string
}

interface HostsEntry { ip: string; names: string[] }

/** Own entries never shadow what the user or the base file says. Throws BAD_HOST. */
export function renderHosts(request: HostsRequest): string {
  const entries: HostsEntry[] = request.addHosts.map((text) => parseAddHost(text, request.hostGateway))
  entries.push(...parseHosts(request.base))
  addMissing(entries, '127.0.0.1', ['localhost'])
  if (!entries.some((entry) => entry.ip === '::1')) entries.push({ ip: '::1', names: ['localhost', 'ip6-localhost', 'ip6-loopback'] })
  if (request.hostGateway !== undefined) addMissing(entries, request.hostGateway, ['host.containers.internal', 'host.docker.internal'])
  // A name of ours that the base file gives another address (the host's own 127.0.1.1) stays with the container.
  if (request.containerIp !== undefined) {
    const byUser = new Set(entries.slice(0, request.addHosts.length).flatMap((entry) => entry.names))
    const names = [...new Set(request.names)].filter((name) => name !== '' && !byUser.has(name))
    for (const entry of entries.slice(request.addHosts.length)) entry.names = entry.names.filter((name) => !names.includes(name))
    if (names.length > 0) entries.push({ ip: request.containerIp, names })
  }
  return entries.filter((entry) => entry.names.length > 0).map((entry) => `${entry.ip}\t${entry.names.join(' ')}\n`).join('')
}

/** Checks one --add-host. Throws BAD_HOST. */
function parseAddHost(text: string, hostGateway: string | undefined): HostsEntry {
  const colon = text.indexOf(':')
  const names = text.slice(0, Math.max(colon, 0)).split(';').filter((name) => name !== '')
  const address = text.slice(colon + 1)
  if (names.length === 0 || names.some((name) => /[\s#]/.test(name))) throw new TpodError('BAD_HOST', `parse --add-host "${text}": no host name`, { remedy: 'write it as NAME:ADDRESS' })
  if (address === 'host-gateway') {
    if (hostGateway === undefined) throw new TpodError('BAD_HOST', `parse --add-host "${text}": this network has no host gateway`, { remedy: 'give an address instead of host-gateway' })
    return { ip: hostGateway, names }
  }
  const ip = address.replace(/^\[(.*)\]$/, '$1')
  if (isIP(ip) === 0) throw new TpodError('BAD_HOST', `parse --add-host "${text}": "${address}" is not an IP address`, { remedy: 'write it as NAME:ADDRESS' })
  return { ip, names }
}

function addMissing(entries: HostsEntry[], ip: string, wanted: readonly string[]): void {
  const known = new Set(entries.flatMap((entry) => entry.names))
  const names = wanted.filter((name) => !known.has(name))
  if (names.length > 0) entries.push({ ip, names })
}

function parseHosts(text: string): HostsEntry[] {
  const entries: HostsEntry[] = []
  for (const line of text.split('\n')) {
    const [ip = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(ip.replace(/%.*/, '')) === 0 || names.length === 0) continue
    entries.push({ ip, names })
  }
  return entries
}

export interface ResolvConfRequest {
  /** The host's /etc/resolv.conf. */
  host: string
  /** /run/systemd/resolve/resolv.conf where it exists: the servers behind the stub 127.0.0.53. */
  systemd?: string
  /** The container has a network namespace of its own: the host's loopback servers are out of its reach. */
  isPrivate: boolean
  hasIpv6: boolean
  servers: readonly string[]
  /** One '.' alone: no search domains. */
  search: readonly string[]
  options: readonly string[]
}

const PUBLIC_SERVERS = ['8.8.8.8', '8.8.4.4']
const PUBLIC_IPV6_SERVERS = ['2001:4860:4860::8888', '2001:4860:4860::8844']

/** What is given replaces the host's of its kind. Throws BAD_DNS for a server that is no address. */
export function renderResolvConf(request: ResolvConfRequest): string {
  const base = parseResolvConf(chooseBase(request))
  for (const server of request.servers) {
    if (isIP(server) === 0) throw new TpodError('BAD_DNS', `use DNS server "${server}": not an IP address`, { remedy: 'give an address, or none for no resolv.conf' })
  }
  let servers: readonly string[] = request.servers
  if (servers.length === 0) {
    servers = base.servers.filter((server) => isReachable(server, request))
    if (servers.length === 0 && request.isPrivate) servers = request.hasIpv6 ? [...PUBLIC_SERVERS, ...PUBLIC_IPV6_SERVERS] : PUBLIC_SERVERS
  }
  const search = request.search.length > 0 ? request.search.filter((domain) => domain !== '.') : base.search
  const options = request.options.length > 0 ? request.options : base.options
  let text = ''
  if (search.length > 0) text += `search ${search.join(' ')}\n`
  for (const server of servers) text += `nameserver ${server}\n`
  if (options.length > 0) text += `options ${options.join(' ')}\n`
  return text
}

function chooseBase(request: ResolvConfRequest): string {
  if (!request.isPrivate || request.systemd === undefined) return request.host
  const { servers } = parseResolvConf(request.host)
  return servers.length > 0 && servers.every(isLoopback) ? request.systemd : request.host
}

function isReachable(server: string, { isPrivate, hasIpv6 }: ResolvConfRequest): boolean {
  if (!isPrivate) return true
  if (isLoopback(server)) return false
  // A link-local address with a zone names an interface that the container does not have.
  return !server.includes(':') || (hasIpv6 && !server.includes('%'))
}

function isLoopback(server: string): boolean {
  return server.startsWith('127.') || server === '::1'
}

function parseResolvConf(text: string): { servers: string[]; search: string[]; options: string[] } {
  const parsed: { servers: string[]; search: string[]; options: string[] } = { servers: [], search: [], options: [] }
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line.replace(/[#;].*/, '').trim().split(/\s+/)
    if (keyword === 'nameserver' && values[0] !== undefined) parsed.servers.push(values[0])
    // resolv.conf(5): the last search or domain line stands.
    else if (keyword === 'search' || keyword === 'domain') parsed.search = values
    else if (keyword === 'options') parsed.options.push(...values)
  }
  return parsed
}

/** Flags of run and create about the network. */
import type { InferredFlags } from '@oclif/core/interfaces'
import { TpodError } from '../../errors/tpod-error.ts'
import { parseNetworkMode } from '../../libpod/spec/parse/namespace-mode.ts'
import type { ContainerSpec, NetworkMode } from '../../libpod/types.ts'
import { bool, csv, list, text } from '../options.ts'

export const networkFlags = {
  'add-host': csv('Add a custom host-to-IP mapping (host:ip)'),
  dns: csv('Set custom DNS servers'),
  'dns-option': csv('Set custom DNS options', { aliases: ['dns-opt'] }),
  'dns-search': csv('Set custom DNS search domains'),
  expose: csv('Expose a port or a range of ports'),
  ip: text('Specify a static IPv4 address for the container'),
  'mac-address': text('Container MAC address (e.g. 92:d0:c6:0a:29:33)'),
  network: list('Connect a container to a network', { aliases: ['net'], complete: 'networks' }),
  'no-hosts': bool('Do not create /etc/hosts within the container, instead use the version from the image'),
  publish: csv("Publish a container's port, or a range of ports, to the host", { char: 'p' }),
  'publish-all': bool('Publish all exposed ports to random ports on the host interface', { char: 'P' }),
}

type Flags = InferredFlags<typeof networkFlags>
type NetworkSpec = Pick<ContainerSpec, 'addHosts' | 'dnsServers' | 'dnsSearch' | 'dnsOptions' | 'expose' | 'network' | 'noHosts' | 'ports' | 'publishAll'>

export async function networkSpec(flags: Flags): Promise<NetworkSpec> {
  if (flags['no-hosts'] && flags['add-host'].length > 0) throw new TpodError('BAD_FLAG', '--no-hosts and --add-host cannot be set together')
  const hasPorts = flags.publish.length > 0 || flags.expose.length > 0
  const { parsePortSpec, parseExpose } = hasPorts ? await import('../../network/port-spec.ts') : {}
  return {
    addHosts: flags['add-host'].map(checkAddHost),
    dnsServers: flags.dns,
    dnsSearch: flags['dns-search'],
    dnsOptions: flags['dns-option'],
    expose: flags.expose.flatMap((item) => parseExpose?.(item) ?? []),
    network: networkMode(flags),
    noHosts: flags['no-hosts'],
    ports: flags.publish.flatMap((item) => parsePortSpec?.(item) ?? []),
    publishAll: flags['publish-all'],
  }
}

/** --ip and --mac-address speak of the one network. */
function networkMode(flags: Flags): NetworkMode {
  const mode = parseNetworkMode(flags.network)
  const extras = {
    ...(flags.ip === undefined ? {} : { ip: flags.ip }),
    ...(flags['mac-address'] === undefined ? {} : { mac: flags['mac-address'] }),
  }
  if (Object.keys(extras).length === 0) return mode
  if (mode.mode !== 'bridge') throw new TpodError('BAD_FLAG', `--ip and --mac-address need a bridge network, not --network=${flags.network.join(',')}`)
  const networks = mode.networks.length === 0 ? [{ name: '' }] : mode.networks
  if (networks.length > 1) {
    throw new TpodError('BAD_FLAG', '--ip and --mac-address can only be set for a single network', { remedy: 'use --network NAME:ip=ADDRESS,mac=ADDRESS' })
  }
  return { mode: 'bridge', networks: networks.map((network) => ({ ...network, ...extras })) }
}

function checkAddHost(text: string): string {
  if (!/^[^:\s]+:\S+$/.test(text)) throw new TpodError('BAD_FLAG', `invalid value "${text}" for --add-host: must be HOST:IP`)
  return text
}

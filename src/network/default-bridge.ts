/** The default bridge network: its definition on disk, and the bridge that the kernel has (or gets) for it. */
import { mkdirSync, readFileSync } from 'node:fs'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { writeFileAtomicSync } from '../host/fs/write-file-atomic.ts'
import { formatIpv4, formatSubnet, parseIpv4, parseSubnet, subnetsOverlap, type Subnet } from './ipv4.ts'
import { createBridge, findLink, readRoutedSubnets, repairBridge } from './links.ts'
import type { NetworkContext } from './types.ts'

export interface NetworkDefinition {
  version: 1
  name: string
  driver: 'bridge'
  bridge: string
  subnet: string
  gateway: string
  /** default_subnet of containers.conf when it was chosen; '' for none. */
  configured: string
}

/** podman's default network and docker's default bridge: they may appear later, so we never take them. */
const FOREIGN_SUBNETS = ['10.88.0.0/16', '172.17.0.0/16'].map(parseSubnet)
const FIRST_CANDIDATE = 87
const LAST_CANDIDATE = 16
const MOST_BRIDGES = 256

/** The names users have for it: ours (podman's), docker's, and the configured one. */
export function isDefaultNetworkName(name: string, context: NetworkContext): boolean {
  return name === 'podman' || name === 'bridge' || name === 'default' || name === context.defaultNetwork
}

/** Undefined before the first container with a network. Throws NETWORK_STATE for a file that is not ours. */
export function readDefinition(context: NetworkContext): NetworkDefinition | undefined {
  const path = definitionPath(context)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const definition = JSON.parse(text) as NetworkDefinition
    parseSubnet(definition.subnet)
    if (parseIpv4(definition.gateway) === undefined || !/^[a-zA-Z0-9._-]{1,15}$/.test(definition.bridge)) throw new Error('bad gateway or bridge')
    return definition
  } catch (error) {
    throw new TpodError('NETWORK_STATE', `read network definition ${path}: not valid`, {
      cause: error,
      remedy: `remove ${path} when no container runs; a new subnet is chosen then`,
    })
  }
}

/**
 * The definition when its bridge stands ready, else undefined. Needs no lock, and is to be asked without: the kernel
 * answers under a lock of its own that namespaces coming and going hold for long.
 */
export function findReadyBridge(context: NetworkContext): NetworkDefinition | undefined {
  const definition = readDefinition(context)
  if (definition?.configured !== configuredSubnet(context)) return undefined
  const link = findLink(definition.bridge)
  return link?.isUp === true && link.mac === bridgeMac(context.stateDirectory) ? definition : undefined
}

/**
 * The definition, with its bridge up in the kernel and addressed. Caller holds the network lock. Chosen once and kept;
 * chosen anew only when `canMove` (no container uses it) and another store on this host has the bridge, or its subnet
 * is routed elsewhere.
 */
export function ensureDefaultBridge(context: NetworkContext, canMove: boolean): NetworkDefinition {
  let definition = readDefinition(context)
  if (definition && canMove && definition.configured !== configuredSubnet(context)) definition = undefined
  if (definition && raiseBridge(context, definition)) return definition
  if (definition && !canMove) {
    throw new TpodError('BRIDGE_TAKEN', `set up bridge ${definition.bridge}: an interface of that name belongs to something else`, {
      remedy: `rename or delete it (ip link delete ${definition.bridge}), or stop this store's containers and start again`,
    })
  }
  for (let number = 0; number < MOST_BRIDGES; number++) {
    const bridge = `tpod${number}`
    if (findLink(bridge)) continue
    const chosen = chooseDefinition(context, bridge)
    mkdirSync(context.stateDirectory, { recursive: true, mode: 0o700 })
    writeFileAtomicSync(definitionPath(context), `${JSON.stringify(chosen, null, 2)}\n`, { mode: 0o644, isLocked: true })
    if (raiseBridge(context, chosen)) return chosen
  }
  throw new TpodError('BRIDGE_TAKEN', `set up a bridge: tpod0 to tpod${MOST_BRIDGES - 1} are all taken`, { remedy: 'delete those that nobody uses: ip link delete NAME' })
}

/** False when the bridge's name belongs to another store or program, or its subnet is routed elsewhere. */
function raiseBridge(context: NetworkContext, definition: NetworkDefinition): boolean {
  const subnet = parseSubnet(definition.subnet)
  const gateway = parseIpv4(definition.gateway) ?? 0
  const mac = bridgeMac(context.stateDirectory)
  const link = findLink(definition.bridge)
  if (link) {
    if (link.mac !== mac) return false
    repairBridge(link, gateway, subnet.prefixLength)
    return true
  }
  if (readRoutedSubnets().some((routed) => subnetsOverlap(routed, subnet))) return false
  try {
    createBridge(definition.bridge, mac, gateway, subnet.prefixLength)
  } catch (error) {
    // Another store was faster.
    if (errorCode(error) === 'EEXIST') return false
    if (errorCode(error) === 'EPERM') throw new TpodError('NET_ADMIN', `create bridge ${definition.bridge}: not permitted`, { cause: error, remedy: 'bridge networks need root (CAP_NET_ADMIN); use --network host or none' })
    throw error
  }
  return true
}

function chooseDefinition(context: NetworkContext, bridge: string): NetworkDefinition {
  const configured = configuredSubnet(context)
  const subnet = findFreeSubnet(configured)
  return { version: 1, name: 'podman', driver: 'bridge', bridge, subnet: formatSubnet(subnet), gateway: formatIpv4(subnet.base + 1), configured }
}

/**
 * '' where nothing of ours is configured: 10.88.0.0/16 is what default_subnet means unless it is set, and podman's own.
 * Another value is taken unless the host routes it already: then podman's default network has it.
 */
function configuredSubnet(context: NetworkContext): string {
  if (context.defaultSubnet === undefined || context.defaultSubnet === '') return ''
  const subnet = parseSubnet(context.defaultSubnet)
  return FOREIGN_SUBNETS.some((foreign) => subnetsOverlap(foreign, subnet)) ? '' : formatSubnet(subnet)
}

function findFreeSubnet(configured: string): Subnet {
  const taken = [...readRoutedSubnets(), ...FOREIGN_SUBNETS]
  const wanted = configured === '' ? undefined : parseSubnet(configured)
  if (wanted && !taken.some((subnet) => subnetsOverlap(subnet, wanted))) return wanted
  for (let second = FIRST_CANDIDATE; second >= LAST_CANDIDATE; second--) {
    const candidate = parseSubnet(`10.${second}.0.0/16`)
    if (!taken.some((subnet) => subnetsOverlap(subnet, candidate))) return candidate
  }
  // A host that routes all of 10.0.0.0/8 (a VPN, a company network) usually leaves something here.
  for (let third = 0; third < 256; third++) {
    const candidate = parseSubnet(`192.168.${third}.0/24`)
    if (!taken.some((subnet) => subnetsOverlap(subnet, candidate))) return candidate
  }
  throw new TpodError('NO_FREE_SUBNET', 'choose a subnet for containers: this host routes every private range', {
    remedy: 'set default_subnet in the [network] section of containers.conf',
  })
}

/**
 * The bridge's address says whose it is: two stores on one host (tests, a second root) must not share a bridge, for each
 * hands out addresses on its own. Set at creation, so there is no moment when it is unmarked.
 */
function bridgeMac(stateDirectory: string): string {
  let high = 0x811c9dc5
  let low = 0x01000193
  for (let index = 0; index < stateDirectory.length; index++) {
    high = Math.imul(high ^ stateDirectory.charCodeAt(index), 0x01000193) >>> 0
    low = Math.imul(low ^ high, 0x85ebca6b) >>> 0
  }
  const bytes = Buffer.alloc(6)
  bytes.writeUInt32BE(high, 2)
  bytes[0] = 0x0a
  bytes[1] = low & 255
  return bytes.toString('hex').replace(/..(?=.)/g, '$&:')
}

function definitionPath(context: NetworkContext): string {
  return `${context.stateDirectory}/podman.json`
}

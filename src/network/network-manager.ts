/** Bridge networks for containers: the contract of types.ts. Files and locks here; kernel talk in links.ts and nftables.ts. */
import { ExitCode } from '../errors/exit-codes.ts'
import { errorCode, errorMessage, TpodError } from '../errors/tpod-error.ts'
import { withFileLock } from '../host/lock/lock-file.ts'
import { checkAddress, chooseAddress, macForAddress, parseMacAddress } from './addresses.ts'
import { addClaims, findPortConflict, readClaimOwner, readClaims, removeAllClaimsOf, removeClaims, type Claims } from './claims.ts'
import { ensureDefaultBridge, findReadyBridge, isDefaultNetworkName, readDefinition, type NetworkDefinition } from './default-bridge.ts'
import { Firewall } from './firewall.ts'
import { closeAll, holdPorts, type HeldPorts } from './host-ports.ts'
import { parseIpv4, parseSubnet } from './ipv4.ts'
import { deleteLink, findLink, plugVeth, withNetns } from './links.ts'
import { NetworkRecords, type NetworkRecord } from './network-records.ts'
import type { NetworkContext, NetworkInterface, NetworkManager, NetworkRequest, NetworkReservation, PortMapping } from './types.ts'

const PORT_ATTEMPTS = 6
const PORT_PAUSE_MS = 50

export function openNetworkManager(context: NetworkContext): NetworkManager {
  return new BridgeNetworkManager(context)
}

class BridgeNetworkManager implements NetworkManager {
  readonly #context: NetworkContext
  readonly #records: NetworkRecords
  readonly #firewall: Firewall
  /** Bound host ports of reservations made by this object, until takePortDescriptors or release. */
  readonly #held = new Map<string, number[]>()

  constructor(context: NetworkContext) {
    this.#context = context
    this.#records = new NetworkRecords(context.runDirectory)
    this.#firewall = new Firewall(this.#records)
  }

  async reserve(request: NetworkRequest): Promise<NetworkReservation> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#reserveNow(request)
      } catch (error) {
        // The monitor of this container's last run may hold the port for an instant longer than the container lives.
        if (attempt > PORT_ATTEMPTS || !(error instanceof TpodError) || errorCode(error.cause) !== 'EADDRINUSE') throw error
        await new Promise((resolve) => setTimeout(resolve, PORT_PAUSE_MS))
      }
    }
  }

  async #reserveNow(request: NetworkRequest): Promise<NetworkReservation> {
    const wanted = this.#resolveNetworks(request)
    const isFresh = this.#records.create()
    const ready = findReadyBridge(this.#context)
    return await this.#locked(async () => {
      // A start after a stop that was killed half-way: what it left is ours to replace.
      if (this.#records.read(request.containerId)) await this.#releaseLocked([request.containerId])
      const definition = ready ?? ensureDefaultBridge(this.#context, this.#records.listIds().length === 0)
      if (isFresh) await this.#firewall.forget(definition)
      const claims = readClaims(this.#records.claimsDirectory)
      const interfaces = wanted.map((entry, index) => makeInterface(definition, claims, entry, index))
      const held = await this.#holdPorts(request.ports, claims)
      try {
        const record: NetworkRecord = { version: 1, containerId: request.containerId, containerName: request.containerName, interfaces, ports: held.ports }
        this.#records.write(record)
        addClaims(this.#records.claimsDirectory, request.containerId, interfaces, held.ports)
      } catch (error) {
        closeAll(held.descriptors)
        await this.#releaseLocked([request.containerId])
        throw error
      }
      this.#held.set(request.containerId, held.descriptors)
      return { containerId: request.containerId, interfaces, ports: held.ports }
    })
  }

  async prepare(reservation: NetworkReservation): Promise<void> {
    const definition = this.#requireDefinition()
    await this.#firewall.admit(definition, reservation)
  }

  async attach(reservation: NetworkReservation, pid: number): Promise<void> {
    try {
      withNetns(pid, (netnsFd) => {
        for (const [index, entry] of reservation.interfaces.entries()) plug(reservation, entry, index, netnsFd)
      })
    } catch (error) {
      for (const index of reservation.interfaces.keys()) deleteLink(hostVethName(reservation.containerId, index))
      const reason = errorCode(error) === 'ENOENT' ? `process ${pid} ended` : errorMessage(error)
      throw new TpodError('NETWORK_ATTACH', `attach container ${reservation.containerId.slice(0, 12)} to its network: ${reason}`, { cause: error })
    }
    await Promise.resolve()
  }

  async release(containerId: string): Promise<void> {
    if (this.#records.create()) {
      // No state at all: either nothing was ever set up, or it was removed under us.
      const definition = readDefinition(this.#context)
      if (definition) await this.#locked(async () => { await this.#firewall.forget(definition) })
      return
    }
    await this.#release([containerId])
  }

  async reconcile(isAlive: (containerId: string) => boolean): Promise<string[]> {
    const stale = this.#records.listIds().filter((id) => !isAlive(id))
    if (stale.length > 0) await this.#release(stale)
    return stale
  }

  read(containerId: string): NetworkReservation | undefined {
    const record = this.#records.read(containerId)
    return record && { containerId: record.containerId, interfaces: record.interfaces, ports: record.ports }
  }

  async list(): Promise<{ name: string; driver: string; bridge: string; subnet: string; gateway: string }[]> {
    const definition = await Promise.resolve(readDefinition(this.#context))
    if (definition) return [{ name: definition.name, driver: definition.driver, bridge: definition.bridge, subnet: definition.subnet, gateway: definition.gateway }]
    // Nothing is chosen before the first container; the name exists for users all the same.
    return [{ name: 'podman', driver: 'bridge', bridge: '', subnet: '', gateway: '' }]
  }

  takePortDescriptors(containerId: string): number[] {
    const descriptors = this.#held.get(containerId) ?? []
    this.#held.delete(containerId)
    return descriptors
  }

  /**
   * Rules, then claims, then the records: a crash in between leaves records, which ask for the rest again. The kernel lets
   * nft wait for a grace period when ports are withdrawn: not under the lock, or parallel starts would wait in line.
   */
  async #release(ids: readonly string[]): Promise<void> {
    const definition = readDefinition(this.#context)
    const publishing = ids.some((id) => (this.#records.read(id)?.ports.length ?? 0) > 0)
    if (!publishing || !definition) {
      await this.#locked(async () => { await this.#releaseLocked(ids) })
      return
    }
    const leaving = await this.#locked(() => this.#markLeaving(ids))
    const isWithdrawn = await this.#firewall.withdraw(definition, leaving)
    await this.#locked(async () => { await this.#finishRelease(definition, ids, !isWithdrawn) })
  }

  async #releaseLocked(ids: readonly string[]): Promise<void> {
    const definition = readDefinition(this.#context)
    const leaving = this.#markLeaving(ids)
    const isWithdrawn = definition === undefined || await this.#firewall.withdraw(definition, leaving)
    await this.#finishRelease(definition, ids, !isWithdrawn)
  }

  #markLeaving(ids: readonly string[]): NetworkRecord[] {
    const leaving: NetworkRecord[] = []
    for (const id of ids) {
      closeAll(this.takePortDescriptors(id))
      const record = this.#records.read(id)
      if (!record || record.ports.length === 0) continue
      this.#records.write({ ...record, isLeaving: true })
      leaving.push(record)
    }
    return leaving
  }

  async #finishRelease(definition: NetworkDefinition | undefined, ids: readonly string[], mustRebuild: boolean): Promise<void> {
    const records = ids.map((id) => this.#records.read(id))
    if (definition) await this.#firewall.settle(definition, ids, ids.filter((_id, index) => records[index] === undefined), mustRebuild)
    for (const [index, id] of ids.entries()) {
      const record = records[index]
      if (record) removeClaims(this.#records.claimsDirectory, id, record.interfaces, record.ports)
      else removeAllClaimsOf(this.#records.claimsDirectory, id)
      this.#records.remove(id)
    }
  }

  async #locked<T>(action: () => Promise<T> | T): Promise<T> {
    return await withFileLock(this.#records.lockPath, 'write', action)
  }

  #resolveNetworks(request: NetworkRequest): NetworkRequest['networks'] {
    const [first, second] = request.networks
    if (!first) return [{ name: 'podman' }]
    for (const { name } of request.networks) {
      if (!isDefaultNetworkName(name, this.#context)) {
        throw new TpodError('NO_SUCH_NETWORK', `connect container ${request.containerName} to network ${name}: no such network`, { remedy: 'use podman (also called bridge), host or none' })
      }
    }
    if (second) throw new TpodError('NETWORK_TWICE', `connect container ${request.containerName}: network ${second.name} was named twice`)
    return request.networks
  }

  async #holdPorts(ports: readonly PortMapping[], claims: Claims): Promise<HeldPorts> {
    checkPorts(ports)
    const wanted = ports.length > 1 ? (await import('./port-spec.ts')).normalizePorts(ports) : ports
    for (const port of wanted) {
      const conflict = port.hostPort === 0 ? undefined : findPortConflict(claims, port)
      if (!conflict) continue
      const owner = readClaimOwner(claims, conflict.fileName)
      const name = this.#records.read(owner)?.containerName ?? owner.slice(0, 12)
      const first = Math.max(port.hostPort, conflict.first)
      throw new TpodError('PORT_IN_USE', `publish ${port.hostIp === '' ? '0.0.0.0' : port.hostIp}:${first}/${port.protocol}: container ${name} has the port`, {
        remedy: `stop ${name}, or publish on another port`,
        exitCode: ExitCode.cannotInvoke,
      })
    }
    return holdPorts(wanted, (port) => findPortConflict(claims, port) !== undefined)
  }

  #requireDefinition(): NetworkDefinition {
    const definition = readDefinition(this.#context)
    if (definition) return definition
    throw new TpodError('NETWORK_STATE', `read network podman in ${this.#context.stateDirectory}: its definition is gone`, { remedy: 'start the container again' })
  }
}

function makeInterface(definition: NetworkDefinition, claims: Claims, wanted: NetworkRequest['networks'][number], index: number): NetworkInterface {
  const ipv4 = wanted.ip === undefined ? chooseAddress(definition, claims) : checkAddress(definition, wanted.ip, claims)
  return {
    network: definition.name,
    bridge: definition.bridge,
    name: `eth${index}`,
    mac: wanted.mac === undefined ? macForAddress(ipv4) : parseMacAddress(wanted.mac),
    ipv4,
    prefixLength: parseSubnet(definition.subnet).prefixLength,
    gateway: definition.gateway,
  }
}

function plug(reservation: NetworkReservation, entry: NetworkInterface, index: number, netnsFd: number): void {
  const bridge = findLink(entry.bridge)
  if (!bridge) throw new TpodError('BRIDGE_GONE', `bridge ${entry.bridge} is gone`)
  const hostName = hostVethName(reservation.containerId, index)
  const request = {
    hostName,
    bridgeIndex: bridge.index,
    containerName: entry.name,
    mac: entry.mac,
    address: parseIpv4(entry.ipv4) ?? 0,
    prefixLength: entry.prefixLength,
    gateway: index === 0 ? parseIpv4(entry.gateway) : undefined,
    hasHairpin: reservation.ports.length > 0,
  }
  try {
    plugVeth(request, netnsFd)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    // The kernel takes a dead namespace apart in the background: the last run's pair may still stand.
    deleteLink(hostName)
    plugVeth(request, netnsFd)
  }
}

/** At most 15 characters; the id's 44 random bits tell containers apart. */
function hostVethName(containerId: string, index: number): string {
  return `tp${index}-${containerId.slice(0, 11)}`
}

function checkPorts(ports: readonly PortMapping[]): void {
  for (const port of ports) {
    if (port.hostIp.includes(':')) {
      throw new TpodError('NO_IPV6', `publish [${port.hostIp}]:${port.hostPort}/${port.protocol}: network podman has IPv4 addresses only`, { remedy: 'leave the address out, or give an IPv4 one' })
    }
    if (port.hostIp !== '' && parseIpv4(port.hostIp) === undefined) throw new TpodError('BAD_PORT', `publish ${port.hostIp}:${port.hostPort}: "${port.hostIp}" is not an IP address`)
  }
}

/** Keeps the kernel's rules in step with the records: as few nft processes as possible, none when nothing changes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { errorMessage, TpodError } from '../errors/tpod-error.ts'
import { withFileLock } from '../host/lock/lock-file.ts'
import type { NetworkDefinition } from './default-bridge.ts'
import { formatForwardRemoval, formatForwardRules, readForwardState } from './forward-rules.ts'
import { findLink } from './links.ts'
import type { NetworkRecord, NetworkRecords } from './network-records.ts'
import { formatBaseRules, formatPublish, formatWithdraw, hasBaseRules, hasElementsOf, hasTable, runNft, type BaseRules } from './nftables.ts'
import type { NetworkReservation } from './types.ts'

export class Firewall {
  readonly #records: NetworkRecords

  constructor(records: NetworkRecords) {
    this.#records = records
  }

  /**
   * Lets a container's traffic through and publishes its ports. Whatever is missing of the common part (first container,
   * `nft flush ruleset`, firewalld or docker restarted) is put back for all containers.
   */
  async admit(definition: NetworkDefinition, reservation: NetworkReservation): Promise<void> {
    enableForwarding(definition.bridge)
    const forward = readForwardState(definition.bridge)
    const base: BaseRules = { bridge: definition.bridge, subnet: definition.subnet, isClosed: forward.isClosed }
    if (hasBaseRules(base)) {
      const script = formatForwardRules(definition.bridge, forward) + formatPublish(definition.bridge, reservation)
      if (script === '') return
      try {
        await runNft(script)
        return
      } catch {
        // An element in the way that no record explains, or somebody changed the rules this instant: build anew.
      }
    }
    await withFileLock(this.#records.lockPath, 'write', async () => { await this.#rebuild(base, formatForwardRules(definition.bridge, forward), undefined) })
  }

  /** Withdraws a container's ports. Caller holds the network lock. Idempotent; `record` undefined: searches the kernel. */
  async dismiss(definition: NetworkDefinition, containerId: string, record: NetworkRecord | undefined): Promise<void> {
    const { bridge } = definition
    const others = this.#records.listIds().filter((id) => id !== containerId)
    const removal = others.length === 0 ? formatForwardRemoval(bridge, readForwardState(bridge)) : ''
    const isLoaded = hasTable(bridge)
    if (!record) {
      if (isLoaded && hasElementsOf(bridge, containerId)) {
        const { isClosed } = readForwardState(bridge)
        await this.#rebuild({ bridge, subnet: definition.subnet, isClosed }, removal, containerId)
      } else if (removal !== '') {
        await runNft(removal)
      }
      return
    }
    const script = removal + (isLoaded ? formatWithdraw(bridge, record) : '')
    if (script !== '') await this.#withdraw(definition, script, removal, containerId)
    if (record.ports.some((port) => port.protocol === 'udp')) {
      const { forgetFlows } = await import('./connection-tracking.ts')
      for (const { ipv4 } of record.interfaces) forgetFlows(ipv4)
    }
  }

  /** Removes this bridge's rules, all of them: the state that explained them is gone. Caller holds the network lock. */
  async forget(bridge: string): Promise<void> {
    const removal = formatForwardRemoval(bridge, readForwardState(bridge))
    const table = hasTable(bridge) ? `delete table inet ${bridge}\n` : ''
    if (removal + table !== '') await runNft(removal + table)
  }

  async #withdraw(definition: NetworkDefinition, script: string, removal: string, containerId: string): Promise<void> {
    try {
      await runNft(script)
    } catch {
      const { isClosed } = readForwardState(definition.bridge)
      await this.#rebuild({ bridge: definition.bridge, subnet: definition.subnet, isClosed }, removal, containerId)
    }
  }

  /** One transaction from nothing to what the records say, but for one container. Caller holds the network lock. */
  async #rebuild(base: BaseRules, extra: string, except: string | undefined): Promise<void> {
    const records = this.#records.readAll().filter((record) => record.containerId !== except)
    const publish = records.map((record) => formatPublish(base.bridge, record)).join('')
    // Deleting costs the kernel a grace period, some 20 ms: only where there is something.
    const old = hasTable(base.bridge) ? `delete table inet ${base.bridge}\n` : ''
    await runNft(`${old}${formatBaseRules(base)}${extra}${publish}`)
  }
}

/** Routing between interfaces, and of 127.0.0.0/8 to the bridge for ports published on localhost. */
function enableForwarding(bridge: string): void {
  writeSysctl('net/ipv4/ip_forward')
  if (findLink(bridge)) writeSysctl(`net/ipv4/conf/${bridge}/route_localnet`)
}

function writeSysctl(name: string): void {
  const path = `/proc/sys/${name}`
  try {
    if (readFileSync(path, 'utf8').trim() !== '1') writeFileSync(path, '1')
  } catch (error) {
    throw new TpodError('SYSCTL', `set ${name.replaceAll('/', '.')} to 1: ${errorMessage(error)}`, {
      cause: error,
      remedy: `sysctl -w ${name.replaceAll('/', '.')}=1 on the host, or use --network host`,
    })
  }
}

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
    await withFileLock(this.#records.lockPath, 'write', async () => { await this.#rebuild(base, formatForwardRules(definition.bridge, forward), []) })
  }

  /**
   * Withdraws the ports of containers whose records say that they are leaving; needs no lock. Idempotent.
   * False when it did not work out: `settle` then builds the table anew.
   */
  async withdraw({ bridge }: NetworkDefinition, leaving: readonly NetworkRecord[]): Promise<boolean> {
    const script = hasTable(bridge) ? leaving.map((record) => formatWithdraw(bridge, record)).join('') : ''
    try {
      if (script !== '') await runNft(script)
    } catch {
      return false
    }
    const udp = leaving.filter((record) => record.ports.some((port) => port.protocol === 'udp'))
    if (udp.length > 0) {
      const { forgetFlows } = await import('./connection-tracking.ts')
      for (const { ipv4 } of udp.flatMap((record) => record.interfaces)) forgetFlows(ipv4)
    }
    return true
  }

  /**
   * What has to be atomic with the end of records. Caller holds the network lock. `lost` have no record: whatever the
   * kernel has of them goes. With the last container our rules leave the tables of others.
   */
  async settle(definition: NetworkDefinition, leaving: readonly string[], lost: readonly string[], mustRebuild: boolean): Promise<void> {
    const { bridge, subnet } = definition
    const isLast = this.#records.listIds().every((id) => leaving.includes(id) || lost.includes(id))
    const forward = isLast || mustRebuild || lost.length > 0 ? readForwardState(bridge) : undefined
    const removal = isLast && forward ? formatForwardRemoval(bridge, forward) : ''
    if (forward && hasTable(bridge) && (mustRebuild || lost.some((id) => hasElementsOf(bridge, id)))) {
      await this.#rebuild({ bridge, subnet, isClosed: forward.isClosed }, removal, [...leaving, ...lost])
    } else if (removal !== '') {
      await runNft(removal)
    }
  }

  /** The state that explained this bridge's rules is gone: keeps what records there are since. Caller holds the network lock. */
  async forget({ bridge, subnet }: NetworkDefinition): Promise<void> {
    const forward = readForwardState(bridge)
    if (this.#records.listIds().length > 0) {
      await this.#rebuild({ bridge, subnet, isClosed: forward.isClosed }, formatForwardRules(bridge, forward), [])
      return
    }
    const script = formatForwardRemoval(bridge, forward) + (hasTable(bridge) ? `delete table inet ${bridge}\n` : '')
    if (script !== '') await runNft(script)
  }

  /** One transaction from nothing to what the records say. Caller holds the network lock. */
  async #rebuild(base: BaseRules, extra: string, except: readonly string[]): Promise<void> {
    const records = this.#records.readAll().filter((record) => record.isLeaving !== true && !except.includes(record.containerId))
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

/**
 * Living beside docker and other users of iptables. A packet is forwarded only when every base chain lets it pass, so our
 * own table cannot overrule a FORWARD policy of drop. Where there is one (or docker may set one), two accept rules go into
 * iptables' own table, in a chain of ours that FORWARD jumps to. They use only what iptables-nft itself can show: a rule
 * that it cannot read makes it refuse the whole table, and docker with it.
 */
import { Family, findChain, readRules } from './nftables.ts'
import { parseAttributes } from './netlink.ts'

const CHAIN_POLICY = 5
const RULE_HANDLE = 3
const NF_DROP = 0
const FIXED_BYTES = 4

export interface ForwardState {
  /** FORWARD drops by default, or docker is there, which may make it so at any time. */
  isNeeded: boolean
  /** FORWARD drops by default now. */
  isClosed: boolean
  hasChain: boolean
  /** Handles of FORWARD's jumps to our chain. */
  jumps: bigint[]
}

export function readForwardState(bridge: string): ForwardState {
  const state: ForwardState = { isNeeded: false, isClosed: false, hasChain: false, jumps: [] }
  const forward = findChain(Family.ip, 'filter', 'FORWARD')
  if (!forward) return state
  const policy = parseAttributes(forward.payload.subarray(FIXED_BYTES)).get(CHAIN_POLICY)
  state.isClosed = policy !== undefined && policy.readUInt32BE(0) === NF_DROP
  state.isNeeded = state.isClosed || findChain(Family.ip, 'filter', 'DOCKER-USER') !== undefined
  state.hasChain = findChain(Family.ip, 'filter', chainName(bridge)) !== undefined
  if (!state.hasChain) return state
  for (const { payload } of readRules(Family.ip, 'filter', 'FORWARD')) {
    const handle = parseAttributes(payload.subarray(FIXED_BYTES)).get(RULE_HANDLE)
    if (handle && payload.includes(`${chainName(bridge)}\0`)) state.jumps.push(handle.readBigUInt64BE(0))
  }
  return state
}

/** '' when nothing is missing. */
export function formatForwardRules(bridge: string, state: ForwardState): string {
  if (!state.isNeeded || (state.hasChain && state.jumps.length > 0)) return ''
  const chain = `ip filter ${chainName(bridge)}`
  return `add chain ${chain}
flush chain ${chain}
add rule ${chain} iifname "${bridge}" counter accept
add rule ${chain} oifname "${bridge}" counter accept
insert rule ip filter FORWARD counter jump ${chainName(bridge)}
`
}

/** '' when there is nothing of ours. */
export function formatForwardRemoval(bridge: string, state: ForwardState): string {
  if (!state.hasChain) return ''
  const jumps = state.jumps.map((handle) => `delete rule ip filter FORWARD handle ${handle}\n`).join('')
  return `${jumps}flush chain ip filter ${chainName(bridge)}\ndelete chain ip filter ${chainName(bridge)}\n`
}

function chainName(bridge: string): string {
  return `TPOD-${bridge}`
}

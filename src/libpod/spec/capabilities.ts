/** Which capabilities a container gets: containers.conf's set, what was added and dropped, and who runs in it. */
import { TpodError } from '../../errors/tpod-error.ts'
import { findCapability } from '../../oci/capabilities.ts'
import type { CapabilitySets } from '../../oci/runtime-types.ts'

export interface CapabilityInput {
  defaults: readonly string[]
  add: readonly string[]
  drop: readonly string[]
  privileged: boolean
  /** A user other than root keeps nothing but what was added by name, as ambient. */
  isRootUser: boolean
  /** The host's bounding set: nothing beyond it can be given. */
  available: ReadonlySet<string>
}

/**
 * Throws BAD_FLAG for an unknown name, and for one both added and dropped. Names that the host itself lacks are left out;
 * `missing` lists those that were asked for by name.
 */
export function resolveCapabilities(input: CapabilityInput): { sets: CapabilitySets; missing: string[] } {
  const add = normalize(input.add, 'cap-add')
  const drop = normalize(input.drop, 'cap-drop')
  const both = add.find((name) => drop.includes(name))
  if (both !== undefined) throw new TpodError('BAD_FLAG', `invalid --cap-add ${JSON.stringify(both)}: capability cannot be dropped and added`)
  const base = input.privileged || add.includes('ALL') ? [...input.available] : drop.includes('ALL') ? [] : normalize(input.defaults, 'default_capabilities')
  const named = add.filter((name) => name !== 'ALL')
  const wanted = new Set([...base, ...named])
  if (!input.privileged) for (const name of drop) wanted.delete(name)
  const bounding = [...wanted].filter((name) => input.available.has(name)).toSorted()
  const kept = input.isRootUser ? bounding : bounding.filter((name) => named.includes(name))
  // Root's children get theirs back at exec; inheritable must stay empty (CVE-2022-27649), but ambient ones need it.
  const raised = input.isRootUser ? [] : kept
  return {
    sets: { bounding, effective: kept, permitted: kept, inheritable: raised, ambient: raised },
    missing: named.filter((name) => !input.available.has(name)),
  }
}

function normalize(names: readonly string[], flag: string): string[] {
  return [...new Set(names.flatMap((text) => text.split(',')).map((text) => {
    if (text.toUpperCase() === 'ALL') return 'ALL'
    const name = findCapability(text)
    if (name === undefined) throw new TpodError('BAD_FLAG', `invalid --${flag} ${JSON.stringify(text)}: unknown capability`)
    return name
  }))]
}

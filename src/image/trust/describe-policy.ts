/** policy.json and registries.d as a list for people: what `image trust show` prints. */
import { readFile } from 'node:fs/promises'
import type { Policy } from '../../config/policy.ts'
import type { KeySource, PolicyRequirement } from '../../config/policy-requirements.ts'
import { findSignaturePlace } from '../../config/registries-d.ts'
import type { RegistriesD } from '../../config/registries-d.ts'
import { listKeyOwners } from './gpg-keyring.ts'

/** One requirement of one rule, with podman's JSON names; what it leaves out when empty is absent. */
export interface PolicyRow {
  transport: string
  name: string
  repo_name: string
  sigstore?: string
  type: string
  gpg_id?: string
}

/** The default first, then transports and scopes by name. A key file that cannot be read has no owners; `onWarning` is told. */
export async function describePolicy(policy: Policy, registries: RegistriesD, options: { onWarning?: (text: string) => void; signal?: AbortSignal } = {}): Promise<PolicyRow[]> {
  const rows: PolicyRow[] = []
  const add = async (head: Pick<PolicyRow, 'transport' | 'name' | 'repo_name'>, requirements: readonly PolicyRequirement[], scope: string): Promise<void> => {
    const store = findSignaturePlace(registries, scopesAbove(scope)).read
    for (const requirement of requirements) {
      const owners = await ownersOf(requirement, options)
      rows.push({ ...head, ...(store === undefined ? {} : { sigstore: store }), type: typeWords[requirement.type] ?? '', ...(owners === '' ? {} : { gpg_id: owners }) })
    }
  }
  await add({ transport: 'all', name: '* (default)', repo_name: 'default' }, policy.default, '')
  for (const [transport, scopes] of Object.entries(policy.transports).toSorted(byName)) {
    for (const [scope, requirements] of Object.entries(scopes).toSorted(byName)) {
      await add({ transport: transport === 'docker' ? 'repository' : transport, name: scope, repo_name: scope }, requirements, scope)
    }
  }
  return rows
}

const typeWords: Readonly<Record<string, string>> = { insecureAcceptAnything: 'accept', signedBy: 'signed', sigstoreSigned: 'sigstoreSigned', reject: 'reject' }

async function ownersOf(requirement: PolicyRequirement, { onWarning, signal }: { onWarning?: (text: string) => void; signal?: AbortSignal }): Promise<string> {
  if (requirement.type === 'sigstoreSigned') return 'N/A'
  if (requirement.type !== 'signedBy') return ''
  const owners: string[] = []
  for (const key of await readKeys(requirement.keys, onWarning)) owners.push(...await listKeyOwners(key, signal === undefined ? {} : { signal }))
  return owners.join(', ')
}

async function readKeys(source: KeySource, onWarning: ((text: string) => void) | undefined): Promise<Uint8Array[]> {
  if ('data' in source) return [...source.data]
  const keys: Uint8Array[] = []
  for (const path of source.paths) {
    try {
      keys.push(await readFile(path))
    } catch (error) {
      onWarning?.(`Getting key identity: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return keys
}

/** A scope is an image, a repository, a namespace or a host. */
function scopesAbove(scope: string): string[] {
  const scopes: string[] = []
  for (let at = scope; at !== ''; at = at.includes('/') ? at.slice(0, at.lastIndexOf('/')) : '') scopes.push(at)
  return scopes
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

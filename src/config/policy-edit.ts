/** Changing one rule of a policy.json and leaving everything else as its owner wrote it. */
import { mkdir, readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { errorCode, errorMessage, TpodError } from '../errors/tpod-error.ts'
import { followOwnLinks } from '../host/fs/own-link.ts'
import { writeFileAtomic } from '../host/fs/write-file-atomic.ts'
import { withFileLock } from '../host/lock/lock-file.ts'
import { isJsonObject, parseStrictJson } from '../text/strict-json.ts'
import { parsePolicy } from './policy.ts'

export type TrustType = 'accept' | 'insecureAcceptAnything' | 'reject' | 'signedBy' | 'sigstoreSigned'

export interface PolicyRuleInput {
  /** `default`, or a scope: the transport that has it already, else docker. */
  scope: string
  type: TrustType
  /** For signedBy and sigstoreSigned: one requirement for each, all of which must hold. */
  keyFiles: readonly string[]
}

type Rules = Record<string, unknown>

/**
 * Replaces or adds the rule and writes the file in one step, under a lock beside it: two writers at once both have their
 * rule in it. The file is checked whole before it is written. Throws BAD_FLAG for keys that don't fit the type, POLICY_INVALID,
 * POLICY_WRITE; then the old file stands.
 */
export async function setPolicyRule(path: string, input: PolicyRuleInput): Promise<void> {
  const requirements = requirementsOf(input)
  try {
    // Behind a link is the file that is meant.
    const file = followOwnLinks(path)
    await mkdir(dirname(file), { recursive: true })
    await withFileLock(`${dirname(file)}/.${basename(file)}.lock`, 'write', async () => {
      await writeFileAtomic(file, await changedPolicy(path, input, requirements), { mode: 0o644, isLocked: true })
    })
  } catch (cause) {
    if (cause instanceof TpodError) throw cause
    throw new TpodError('POLICY_WRITE', `setting trust policy: write ${path}: ${errorMessage(cause)}`, { cause })
  }
}

async function changedPolicy(path: string, input: PolicyRuleInput, requirements: readonly Rules[]): Promise<string> {
  const policy = await readObject(path)
  if (input.scope === 'default') policy['default'] = requirements
  else {
    if (policy['default'] === undefined) throw new TpodError('POLICY_INVALID', 'default trust policy must be set', { remedy: 'set it first: `tpod image trust set --type accept default`' })
    const transports = (policy['transports'] ??= {}) as Record<string, Rules>
    const owner = Object.keys(transports).find((transport) => isJsonObject(transports[transport]) && Object.hasOwn(transports[transport], input.scope)) ?? 'docker'
    const rules = (transports[owner] ??= {})
    rules[input.scope] = requirements
  }
  const { default: fallback, transports, ...rest } = policy
  const text = JSON.stringify({ default: fallback, ...(transports === undefined ? {} : { transports: sorted(transports as Rules) }), ...rest }, undefined, 4)
  parsePolicy(text, path)
  return text
}

function requirementsOf({ type, keyFiles }: PolicyRuleInput): Rules[] {
  if (type === 'signedBy' || type === 'sigstoreSigned') {
    if (keyFiles.length === 0) throw new TpodError('BAD_FLAG', `at least one public key must be defined for type '${type}'`, { remedy: 'give it with --pubkeysfile' })
    return keyFiles.map((keyPath) => (type === 'signedBy' ? { type, keyType: 'GPGKeys', keyPath } : { type, keyPath }))
  }
  if (keyFiles.length > 0) throw new TpodError('BAD_FLAG', `${keyFiles.length} public keys unexpectedly provided for trust type ${type}`)
  return [{ type: type === 'accept' ? 'insecureAcceptAnything' : type }]
}

async function readObject(path: string): Promise<Rules> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return {}
    throw new TpodError('POLICY_INVALID', `could not read trust policies: open ${path}: ${errorMessage(cause)}`, { cause })
  }
  try {
    const value = parseStrictJson(bytes)
    if (isJsonObject(value)) return value
  } catch {
    // Said below.
  }
  throw new TpodError('POLICY_INVALID', `could not read trust policies: ${path} is not a JSON object`, { remedy: 'see containers-policy.json(5)' })
}

/** Transports and scopes in the order in which podman writes them. */
function sorted(transports: Rules): Rules {
  return Object.fromEntries(Object.entries(transports).toSorted(byKey).map(([transport, rules]) => [transport, isJsonObject(rules) ? Object.fromEntries(Object.entries(rules).toSorted(byKey)) : rules]))
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

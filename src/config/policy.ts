/** containers-policy.json(5): which requirements hold for an image, found by the most specific scope. Checking them is image/trust's. */
import { readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { exactMembers, isJsonObject, parseStrictJson } from '../text/strict-json.ts'
import { parseRequirement } from './policy-requirements.ts'
import type { PolicyRequirement } from './policy-requirements.ts'

export interface Policy {
  /** '' when no file was found: everything is accepted. */
  path: string
  default: readonly PolicyRequirement[]
  /** By transport, then by scope; '' is the transport's own default. */
  transports: Readonly<Record<string, Readonly<Record<string, readonly PolicyRequirement[]>>>>
}

/** Who decides about an image. */
export interface PolicyRule {
  /** As the file writes it: 'default', or the transport and one of its scopes. */
  scope: string
  requirements: readonly PolicyRequirement[]
}

/** What holds without a file, and with --insecure-policy. */
export const acceptAnything: Policy = { path: '', default: [{ type: 'insecureAcceptAnything' }], transports: {} }

/**
 * Tries `paths` in order (--signature-policy alone; else the user's, then the system's). No file: accept anything, as
 * docker does; with `mustExist` that is an error, as for podman and skopeo. Throws POLICY_INVALID.
 */
export async function loadPolicy(paths: readonly string[], options: { mustExist?: boolean } = {}): Promise<Policy> {
  for (const path of paths) {
    let bytes: Uint8Array
    try {
      bytes = await readFile(path)
    } catch (cause) {
      const code = errorCode(cause)
      if (code === 'ENOENT') continue
      throw new TpodError('POLICY_INVALID', `loading trust policy: open ${path}: ${code}`, { cause })
    }
    return parsePolicy(bytes, path)
  }
  const last = paths.at(-1)
  if (options.mustExist === true && last !== undefined) {
    throw new TpodError('POLICY_INVALID', `loading trust policy: open ${last}: no such file or directory`, { remedy: `write ${last}; {"default":[{"type":"insecureAcceptAnything"}]} accepts all images` })
  }
  return acceptAnything
}

/** Throws POLICY_INVALID for anything that containers/image refuses: unknown and duplicate keys, empty lists, impossible scopes. */
export function parsePolicy(text: Uint8Array | string, path: string): Policy {
  try {
    const json = parseStrictJson(text)
    if (isJsonObject(json) && json.default === undefined) throw new Error('Default policy is missing')
    const { default: fallback, transports } = exactMembers(json, ['default'], ['transports'])
    return {
      path,
      default: parseRequirements(fallback),
      transports: Object.fromEntries(Object.entries(objectOf(transports ?? {})).map(([transport, scopes]) => [transport, parseScopes(transport, objectOf(scopes))])),
    }
  } catch (cause) {
    throw new TpodError('POLICY_INVALID', `invalid policy in ${JSON.stringify(path)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, remedy: `see containers-policy.json(5)` })
  }
}

/** The rule that decides: of the first of `scopes` (most specific first) that the file has, else the transport's, else the default. */
export function findRule(policy: Policy, transport: string, scopes: readonly string[]): PolicyRule {
  const known = Object.hasOwn(policy.transports, transport) ? policy.transports[transport] : undefined
  if (known !== undefined) {
    for (const scope of [...scopes, '']) {
      const requirements = Object.hasOwn(known, scope) ? known[scope] : undefined
      if (requirements !== undefined) return { scope: `transports.${transport}[${JSON.stringify(scope)}]`, requirements }
    }
  }
  return { scope: 'default', requirements: policy.default }
}

function parseScopes(transport: string, scopes: Record<string, unknown>): Record<string, readonly PolicyRequirement[]> {
  for (const scope of Object.keys(scopes)) {
    if (scope !== '' && !isScope(transport, scope)) throw new Error(`Unknown key ${JSON.stringify(scope)}: not a scope of ${transport}:`)
  }
  return Object.fromEntries(Object.entries(scopes).map(([scope, value]) => [scope, parseRequirements(value)]))
}

/** What containers/image's transports say of a scope; transports it doesn't know either have any. */
function isScope(transport: string, scope: string): boolean {
  switch (transport) {
    case 'docker-archive':
    case 'tarball': return false
    case 'dir':
    case 'oci':
    case 'oci-archive':
    case 'sif': return scope.startsWith('/') && scope !== '/' && posix.normalize(scope).replace(/(.)\/$/, '$1') === scope
    case 'containers-storage': return /^\[(?:[^@\]]+@)?\/[^\]]*\]/.test(scope)
    case 'docker-daemon': return !/^sha256:[0-9a-f]{64}$/.test(scope)
    default: return true
  }
}

function parseRequirements(value: unknown): readonly PolicyRequirement[] {
  if (!Array.isArray(value)) throw new Error('a list of requirements expected')
  if (value.length === 0) throw new Error('List of verification policy requirements must not be empty')
  return value.map(parseRequirement)
}

function objectOf(value: unknown): Record<string, unknown> {
  if (!isJsonObject(value)) throw new Error('JSON object expected')
  return value
}

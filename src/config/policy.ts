/**
 * containers-policy.json(5), the part that needs no cryptography: which requirement holds for an image, found by the
 * most specific scope. `insecureAcceptAnything` and `reject` are obeyed; a rule that asks for signatures is refused
 * rather than skipped.
 */
import { readFile } from 'node:fs/promises'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { formatReference } from '../oci/reference.ts'
import type { QualifiedReference } from '../oci/reference.ts'

interface Requirement { type: string }
type Scopes = Record<string, Requirement[]>

export interface Policy {
  /** '' when no file was found: everything is accepted. */
  path: string
  default: Requirement[]
  transports: Record<string, Scopes>
}

/** Tries `paths` in order (--signature-policy alone; else the user's, then the system's). No file: accept anything, as docker does. */
export async function loadPolicy(paths: readonly string[], options: { mustExist?: boolean } = {}): Promise<Policy> {
  for (const path of paths) {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT' && options.mustExist !== true) continue
      throw new TpodError('POLICY_INVALID', `read signature policy ${path}: ${errorCode(cause)}`, { cause })
    }
    return parsePolicy(text, path)
  }
  return { path: '', default: [{ type: 'insecureAcceptAnything' }], transports: {} }
}

/** Throws POLICY_INVALID. */
export function parsePolicy(text: string, path: string): Policy {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new TpodError('POLICY_INVALID', `read signature policy ${path}: not valid JSON`, { cause })
  }
  if (!isObject(json)) throw new TpodError('POLICY_INVALID', `read signature policy ${path}: not a JSON object`)
  const transports: Record<string, Scopes> = {}
  for (const [transport, scopes] of Object.entries(isObject(json.transports) ? json.transports : {})) {
    if (!isObject(scopes)) throw new TpodError('POLICY_INVALID', `read signature policy ${path}: transports.${transport} is not an object`)
    transports[transport] = Object.fromEntries(Object.entries(scopes).map(([scope, value]) => [scope, requirements(value, `${transport}:${scope}`, path)]))
  }
  return { path, default: requirements(json.default, 'default', path), transports }
}

/** Throws POLICY_REJECTED, or POLICY_UNSUPPORTED where a signature would have to be verified. */
export function checkPolicy(policy: Policy, transport: string, reference: QualifiedReference): void {
  const text = formatReference(reference)
  const { scope, rules } = findRules(policy, transport, reference)
  for (const { type } of rules) {
    if (type === 'insecureAcceptAnything') continue
    const where = `signature policy ${policy.path} (${scope})`
    if (type === 'reject') throw new TpodError('POLICY_REJECTED', `pull ${text}: rejected by ${where}`, { remedy: 'allow the image in the policy file if you trust it' })
    throw new TpodError('POLICY_UNSUPPORTED', `pull ${text}: ${where} requires ${type}, which this version cannot verify`, {
      remedy: 'pull with podman or skopeo, or allow the image in the policy file',
    })
  }
}

/** The rule that decides, and its name for messages. */
export function findRules(policy: Policy, transport: string, reference: QualifiedReference): { scope: string; rules: readonly Requirement[] } {
  const scopes = policy.transports[transport]
  if (scopes !== undefined) {
    for (const scope of scopesOf(reference)) {
      const rules = Object.hasOwn(scopes, scope) ? scopes[scope] : undefined
      if (rules !== undefined) return { scope: scope === '' ? `all of ${transport}` : scope, rules }
    }
  }
  return { scope: 'default', rules: policy.default }
}

function scopesOf(reference: QualifiedReference): string[] {
  const scopes = [formatReference(reference)]
  const parts = reference.name.split('/')
  for (let length = parts.length; length > 0; length--) scopes.push(parts.slice(0, length).join('/'))
  const labels = reference.domain.replace(/:\d+$/, '').split('.')
  for (let start = 1; start < labels.length; start++) scopes.push('*.' + labels.slice(start).join('.'))
  scopes.push('')
  return scopes
}

function requirements(value: unknown, what: string, path: string): Requirement[] {
  const isList = Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item) && typeof item.type === 'string')
  if (!isList) throw new TpodError('POLICY_INVALID', `read signature policy ${path}: ${what} is not a list of requirements`)
  return value as Requirement[]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

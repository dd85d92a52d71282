/** Why an image is trusted or not: the rule that decides, the rules that do not, and what each signature says. */
import { findRule } from '../../config/policy.ts'
import type { Policy } from '../../config/policy.ts'
import type { PolicyRequirement, ReferenceMatch } from '../../config/policy-requirements.ts'
import { formatReference } from '../../oci/reference.ts'
import type { ImageIdentity, ImageSource, RawManifest, Signature } from '../types.ts'
import { evaluateRequirement, imageName } from './evaluate-requirement.ts'
import type { SignatureVerdict } from './evaluate-requirement.ts'
import type { GpgOptions } from './gpg-keyring.ts'

export interface TrustExplanation {
  /** `docker://host/path:tag`. */
  image: string
  /** '' if there is no policy file. */
  policyFile: string
  /** The rule that decides, as the file writes it. */
  rule: string
  /** Scopes that were looked for, most specific first. */
  scopes: readonly string[]
  requirements: readonly RequirementExplanation[]
  /** Whether the image is allowed; undefined as long as its signatures were not looked at and it depends on them. */
  allowed?: boolean
  manifestDigest?: string
}

export interface RequirementExplanation {
  type: PolicyRequirement['type']
  /** In words. */
  text: string
  allowed?: boolean
  reason?: string
  signatures?: readonly SignatureVerdict[]
}

/** By the policy alone: nothing is fetched. */
export function explainTrust(policy: Policy, identity: ImageIdentity): TrustExplanation {
  const { scope, requirements } = findRule(policy, identity.transport, identity.policyScopes)
  const verdicts = requirements.map((requirement): RequirementExplanation => {
    const known = requirement.type === 'insecureAcceptAnything' ? true : requirement.type === 'reject' ? false : undefined
    return { type: requirement.type, text: describe(requirement), ...(known === undefined ? {} : { allowed: known }) }
  })
  const allowed = verdicts.some((verdict) => verdict.allowed === false) ? false : verdicts.every((verdict) => verdict.allowed === true) ? true : undefined
  return { image: imageName(identity), policyFile: policy.path, rule: scope, scopes: [...identity.policyScopes, ''], requirements: verdicts, ...(allowed === undefined ? {} : { allowed }) }
}

/** As explainTrust, with the image's signatures fetched and verified one by one. Throws what the source and gpg throw. */
export async function explainImageTrust(policy: Policy, source: Pick<ImageSource, 'identity' | 'getSignatures'>, manifest: Pick<RawManifest, 'digest'>, options: GpgOptions = {}): Promise<TrustExplanation> {
  const base = explainTrust(policy, source.identity)
  let fetched: Promise<readonly Signature[]> | undefined
  const image = {
    identity: source.identity,
    manifestDigest: manifest.digest,
    signatures: () => (fetched ??= source.getSignatures?.(manifest.digest, options.signal === undefined ? {} : { signal: options.signal }) ?? Promise.resolve([])),
  }
  const requirements: RequirementExplanation[] = []
  for (const requirement of findRule(policy, source.identity.transport, source.identity.policyScopes).requirements) {
    const { allowed, reason, signatures } = await evaluateRequirement(requirement, image, { ...options, all: true })
    requirements.push({ type: requirement.type, text: describe(requirement), allowed, ...(reason === undefined ? {} : { reason }), ...(signatures.length === 0 ? {} : { signatures }) })
  }
  return { ...base, requirements, allowed: requirements.length > 0 && requirements.every(({ allowed }) => allowed === true), manifestDigest: manifest.digest }
}

function describe(requirement: PolicyRequirement): string {
  switch (requirement.type) {
    case 'insecureAcceptAnything': return 'any image is accepted'
    case 'reject': return 'every image is rejected'
    case 'signedBaseLayer': return 'a signed base layer, which nothing can verify'
    case 'signedBy': return `a GPG signature by a key of ${describeKeys(requirement.keys)}, ${describeMatch(requirement.signedIdentity)}`
    case 'sigstoreSigned': {
      const by = requirement.keys === undefined ? '' : ` by ${describeKeys(requirement.keys)}`
      const more = requirement.unsupported.length === 0 ? '' : ` with ${requirement.unsupported.join(' and ')}, which this version cannot verify`
      return `a sigstore signature${by}${more}, ${describeMatch(requirement.signedIdentity)}`
    }
  }
}

function describeKeys(keys: { paths: readonly string[] } | { data: readonly Uint8Array[] }): string {
  return 'paths' in keys ? keys.paths.join(' or ') : 'the policy file itself'
}

function describeMatch(match: ReferenceMatch): string {
  switch (match.type) {
    case 'matchExact': return 'for exactly this name'
    case 'matchRepoDigestOrExact': return 'for exactly this name, or for its repository if it is named by digest'
    case 'matchRepository': return 'for any tag of its repository'
    case 'exactReference': return `for ${formatReference(match.reference)}`
    case 'exactRepository': return `for any tag of ${match.repository.name}`
    case 'remapIdentity': return `for its name with ${match.signedPrefix} instead of ${match.prefix}`
  }
}

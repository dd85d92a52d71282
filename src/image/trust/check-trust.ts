/** The gate before every pull, load and copy: does policy.json allow this image? */
import { findRule } from '../../config/policy.ts'
import type { Policy } from '../../config/policy.ts'
import { TpodError, throwIfAborted } from '../../errors/tpod-error.ts'
import type { ImageSource, RawManifest, Signature } from '../types.ts'
import type { GpgOptions } from './gpg-keyring.ts'

/**
 * Returns if all requirements of the policy's most specific rule for the source hold for the manifest, which may be one
 * that the source's index refers to. Signatures are fetched only if a requirement asks for some.
 * Throws POLICY_REJECTED or POLICY_UNSUPPORTED, naming file and rule; else what fetching signatures or running gpg throws.
 * Blobs are not looked at: whoever copies them compares their digests with the manifest.
 */
export async function checkTrust(policy: Policy, source: Pick<ImageSource, 'identity' | 'getSignatures'>, manifest: Pick<RawManifest, 'digest'>, options: GpgOptions = {}): Promise<void> {
  const { scope, requirements } = findRule(policy, source.identity.transport, source.identity.policyScopes)
  if (requirements.length === 0) throw new TpodError('POLICY_REJECTED', `Source image rejected: List of verification policy requirements must not be empty [${policy.path}: ${scope}]`)
  if (requirements.every(({ type }) => type === 'insecureAcceptAnything')) return
  const { evaluateRequirement } = await import('./evaluate-requirement.ts')
  let fetched: Promise<readonly Signature[]> | undefined
  const image = {
    identity: source.identity,
    manifestDigest: manifest.digest,
    signatures: () => (fetched ??= source.getSignatures?.(manifest.digest, options.signal === undefined ? {} : { signal: options.signal }) ?? Promise.resolve([])),
  }
  for (const requirement of requirements) {
    throwIfAborted(options.signal)
    const verdict = await evaluateRequirement(requirement, image, options)
    if (verdict.allowed) continue
    const code = verdict.isUnsupported === true ? 'POLICY_UNSUPPORTED' : 'POLICY_REJECTED'
    throw new TpodError(code, `Source image rejected: ${verdict.reason} [${policy.path}: ${scope} requires ${requirement.type}]`, { remedy: remedyFor(requirement.type, verdict.reason ?? '', policy.path) })
  }
}

function remedyFor(type: string, reason: string, path: string): string {
  if (type === 'reject') return `allow the image in ${path} if you trust it`
  if (reason.includes('no signature exists')) return 'signatures are looked for where registries.d says (lookaside, use-sigstore-attachments); `tpod trust explain` shows the rule'
  return 'see `tpod trust explain` for the rule and what each signature says'
}

/** What `trust explain` prints for people. */
import type { ExplainedTrust } from '../libpod/images/trust.ts'

export function explanationText(explained: ExplainedTrust): string {
  const { image, policyFile, rule, requirements, signatures, manifestDigest, allowed } = explained
  const lines = [
    `Image:      ${printable(image)}`,
    ...(manifestDigest === undefined ? [] : [`Manifest:   ${manifestDigest}`]),
    `Policy:     ${policyFile || 'none: without a policy.json every image is accepted'}`,
    `Rule:       ${printable(rule)}`,
    ...(signatures === undefined ? [] : [`Signatures: in ${signatures.lookaside}${signatures.useSigstoreAttachments ? ' and attached in the registry' : ''}`]),
    'Requires:',
  ]
  for (const [index, requirement] of requirements.entries()) {
    const verdict = requirement.allowed === undefined ? '' : requirement.allowed ? ': yes' : ': no'
    lines.push(`  ${index + 1}. ${printable(requirement.text)}${verdict}`)
    for (const [place, signature] of (requirement.signatures ?? []).entries()) {
      const of = signature.dockerReference === undefined ? '' : ` for ${signature.dockerReference}`
      const by = signature.key === undefined ? '' : ` by ${signature.key}`
      lines.push(`     signature ${place + 1}${printable(by + of)}: ${signature.accepted ? 'accepted' : printable(signature.reason ?? 'not accepted')}`)
    }
    if (requirement.allowed === false && (requirement.signatures ?? []).length === 0 && requirement.reason !== undefined) lines.push(`     ${printable(requirement.reason)}`)
  }
  lines.push(`Verdict:    ${allowed === undefined ? 'depends on its signatures (--verify looks at them)' : allowed ? 'accepted' : 'rejected'}`)
  return `${lines.join('\n')}\n`
}

/** Signatures come from registries: no control character of theirs reaches the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?')
}

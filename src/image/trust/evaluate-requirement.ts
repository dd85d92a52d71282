/** One requirement of policy.json against one image: what it says, and why. */
import { readFile } from 'node:fs/promises'
import type { KeySource, PolicyRequirement, ReferenceMatch, SignedBy, SigstoreSigned } from '../../config/policy-requirements.ts'
import { errorCode, errorMessage, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import type { ImageIdentity, Signature } from '../types.ts'
import type { GpgOptions } from './gpg-keyring.ts'
import { matchesReference } from './match-reference.ts'
import type { SignaturePayload } from './signature-payload.ts'

export interface ImageToTrust {
  identity: ImageIdentity
  /** Computed from the manifest's bytes. */
  manifestDigest: string
  /** Asked for where a requirement needs them. */
  signatures: () => Promise<readonly Signature[]>
}

export interface SignatureVerdict {
  kind: Signature['kind']
  accepted: boolean
  /** Why not. */
  reason?: string
  /** What made it, where that was verified: a GPG fingerprint, or the place of a key in the policy. */
  key?: string
  /** What it claims; present only where the signature itself is good. */
  dockerReference?: string
  manifestDigest?: string
}

export interface RequirementVerdict {
  requirement: PolicyRequirement
  allowed: boolean
  /** Why not, in containers/image's words where it has some. */
  reason?: string
  /** It asks for what cannot be checked here. */
  isUnsupported?: true
  /** Those that were looked at, in their order. */
  signatures: readonly SignatureVerdict[]
}

export interface EvaluateOptions extends GpgOptions {
  /** Look at each signature, also after one that suffices. */
  all?: boolean
}

/** Throws what fetching the signatures or starting gpg throws; a signature that cannot be verified is a verdict. */
export async function evaluateRequirement(requirement: PolicyRequirement, image: ImageToTrust, options: EvaluateOptions = {}): Promise<RequirementVerdict> {
  switch (requirement.type) {
    case 'insecureAcceptAnything': return { requirement, allowed: true, signatures: [] }
    case 'reject': return denied(requirement, `Running image ${imageName(image.identity)} is rejected by policy.`)
    case 'signedBaseLayer': return { ...denied(requirement, 'signedBaseLayer not implemented yet!'), isUnsupported: true }
    case 'signedBy':
      if (requirement.keyType !== 'GPGKeys') return { ...denied(requirement, `Unimplemented "keyType" value ${JSON.stringify(requirement.keyType)}`), isUnsupported: true }
      return evaluateSignedBy(requirement, image, options)
    case 'sigstoreSigned': {
      const { unsupported, keys } = requirement
      if (keys === undefined || unsupported.length > 0) return { ...denied(requirement, `sigstoreSigned with ${unsupported.join(' and ')} cannot be verified by this version`), isUnsupported: true }
      return evaluateSigstoreSigned(requirement, keys, image, options)
    }
  }
}

/** As messages have it: `docker://host/path:tag`. */
export function imageName({ transport, name }: ImageIdentity): string {
  return `${transport}:${name}`
}

async function evaluateSignedBy(requirement: SignedBy, image: ImageToTrust, options: EvaluateOptions): Promise<RequirementVerdict> {
  const signatures = (await image.signatures()).filter((signature) => signature.kind === 'simple')
  if (signatures.length === 0) return denied(requirement, noSignature)
  const keys = await readKeys(requirement.keys)
  if (typeof keys === 'string') return denied(requirement, keys)
  const [{ openGpgKeyring }, { verifySimpleSignature }] = await Promise.all([import('./gpg-keyring.ts'), import('./verify-simple-signature.ts')])
  const keyring = await openGpgKeyring(keys, options)
  try {
    if (keyring.fingerprints.length === 0) return denied(requirement, 'No public keys imported')
    return await judge(requirement, signatures, image, options, async ({ bytes }) => {
      const verified = await verifySimpleSignature(keyring, bytes)
      return { ...verified, key: verified.primaryFingerprint }
    })
  } finally {
    await keyring.close()
  }
}

async function evaluateSigstoreSigned(requirement: SigstoreSigned, source: KeySource, image: ImageToTrust, options: EvaluateOptions): Promise<RequirementVerdict> {
  const { parseSigstorePublicKey, sigstoreSignatureType, verifySigstoreSignature } = await import('./verify-sigstore-signature.ts')
  const all = await image.signatures()
  const sigstore = all.filter((signature) => signature.kind === 'sigstore')
  const signatures = sigstore.filter(({ mediaType }) => mediaType === sigstoreSignatureType)
  if (signatures.length === 0) {
    const others = all.length === 0 ? '' : ` (${all.length - sigstore.length} non-sigstore signatures, ${sigstore.length} sigstore non-signature attachments)`
    return denied(requirement, noSignature + others)
  }
  const pems = await readKeys(source)
  if (typeof pems === 'string') return denied(requirement, pems)
  const keys: ReturnType<typeof parseSigstorePublicKey>[] = []
  for (const [index, pem] of pems.entries()) {
    try {
      keys.push(parseSigstorePublicKey(pem))
    } catch (error) {
      // Refused even if another key fits: whoever relies on the second key should learn of it before needing it.
      return denied(requirement, `parsing public key ${index + 1}: ${errorMessage(error)}`)
    }
  }
  return judge(requirement, signatures, image, options, async ({ payload, annotations }) => {
    const verified = await Promise.resolve(verifySigstoreSignature(keys, payload, annotations))
    return { ...verified, key: 'paths' in source ? (source.paths[verified.keyIndex] ?? '') : `key ${verified.keyIndex + 1} of the policy` }
  })
}

const noSignature = 'A signature was required, but no signature exists'

/** One accepted signature is enough; a bad one beside it does no harm. */
async function judge<S extends Signature>(
  requirement: SignedBy | SigstoreSigned, signatures: readonly S[], image: ImageToTrust, options: EvaluateOptions,
  verify: (signature: S) => Promise<SignaturePayload & { key: string }>,
): Promise<RequirementVerdict> {
  const verdicts: SignatureVerdict[] = []
  for (const signature of signatures) {
    verdicts.push(await judgeOne(signature, requirement.signedIdentity, image, verify, options.signal))
    if (verdicts.at(-1)?.accepted === true && options.all !== true) break
  }
  if (verdicts.some(({ accepted }) => accepted)) return { requirement, allowed: true, signatures: verdicts }
  const reasons = verdicts.map(({ reason }) => reason ?? '')
  const reason = reasons.length === 1 ? (reasons[0] ?? '') : `None of the signatures were accepted, reasons: ${reasons.join('; ')}`
  return { requirement, allowed: false, reason, signatures: verdicts }
}

async function judgeOne<S extends Signature>(signature: S, match: ReferenceMatch, image: ImageToTrust, verify: (signature: S) => Promise<SignaturePayload & { key: string }>, signal: AbortSignal | undefined): Promise<SignatureVerdict> {
  const { kind } = signature
  let verified: Awaited<ReturnType<typeof verify>>
  try {
    verified = await verify(signature)
  } catch (error) {
    // A program that is missing or was stopped says nothing about the signature.
    throwIfAborted(signal)
    if (error instanceof TpodError) throw error
    return { kind, accepted: false, reason: errorMessage(error) }
  }
  const { key, dockerReference, manifestDigest } = verified
  const claim = { kind, key, dockerReference, manifestDigest }
  if (manifestDigest !== image.manifestDigest) return { ...claim, accepted: false, reason: `Signature for digest ${manifestDigest} does not match` }
  if (!matchesReference(match, image.identity.dockerReference, dockerReference)) return { ...claim, accepted: false, reason: `Signature for identity ${JSON.stringify(dockerReference).slice(1, -1)} is not accepted` }
  return { ...claim, accepted: true }
}

/** The keys, or why they cannot be had. */
async function readKeys(source: KeySource): Promise<Uint8Array[] | string> {
  if ('data' in source) return [...source.data]
  const keys: Uint8Array[] = []
  for (const path of source.paths) {
    try {
      keys.push(await readFile(path))
    } catch (error) {
      return `open ${path}: ${errorCode(error) === 'ENOENT' ? 'no such file or directory' : errorMessage(error)}`
    }
  }
  return keys
}

function denied(requirement: PolicyRequirement, reason: string): RequirementVerdict {
  return { requirement, allowed: false, reason, signatures: [] }
}

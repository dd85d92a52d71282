/** Simple signing (containers-signature(5)): an OpenPGP message around a claim about an image. */
import type { GpgKeyring } from './gpg-keyring.ts'
import { parsePayload } from './signature-payload.ts'
import type { SignaturePayload } from './signature-payload.ts'

export interface VerifiedSignature extends SignaturePayload {
  /** Of the key that signed, a subkey perhaps. */
  fingerprint: string
  primaryFingerprint: string
}

/**
 * The claim, after the signature was found good: nothing of it is read before. Whether it is about the right image is
 * the caller's to compare. Throws a plain Error with one line.
 */
export async function verifySimpleSignature(keyring: GpgKeyring, bytes: Uint8Array): Promise<VerifiedSignature> {
  const { payload, fingerprint, primaryFingerprint } = await keyring.verify(bytes)
  return { ...parsePayload('simple', payload), fingerprint, primaryFingerprint }
}

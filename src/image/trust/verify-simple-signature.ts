/** Simple signing (containers-signature(5)): an OpenPGP message around a claim about an image. */
import { openGpgKeyring } from './gpg-keyring.ts'
import type { GpgKeyring, GpgOptions } from './gpg-keyring.ts'
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

/** As verifySimpleSignature, with a keyring for this one signature. */
export async function verifySimpleSignatureWithKeys(keys: readonly Uint8Array[], bytes: Uint8Array, options: GpgOptions = {}): Promise<VerifiedSignature> {
  const keyring = await openGpgKeyring(keys, options)
  try {
    return await verifySimpleSignature(keyring, bytes)
  } finally {
    await keyring.close()
  }
}

/** Signing and verifying a manifest in a file, with the user's own GPG keys: what `skopeo standalone-…` does. */
import { errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { runCommand } from '../../host/process/run.ts'
import { formatReference } from '../../oci/reference.ts'
import { manifestDigest } from '../../oci/schema1.ts'
import { openGpgKeyring, readUnverified } from './gpg-keyring.ts'
import { gpgSigner } from './gpg-signer.ts'
import type { GpgSignerOptions } from './gpg-signer.ts'
import { parseClaim } from './match-reference.ts'
import { parsePayload } from './signature-payload.ts'
import { maxSignatureBytes } from './signature-blob.ts'
import { verifySimpleSignature } from './verify-simple-signature.ts'

type UserKeys = Pick<GpgSignerOptions, 'env' | 'homedir' | 'temporaryDirectory' | 'signal'>

/** A signature of the manifest as `dockerReference`. Throws BAD_REFERENCE, SIGNING_FAILED. */
export async function standaloneSign(manifest: Uint8Array, dockerReference: string, options: GpgSignerOptions): Promise<Uint8Array> {
  const reference = parseClaim(dockerReference)
  if (reference === undefined) throw new TpodError('BAD_REFERENCE', `creating signature: invalid docker reference ${JSON.stringify(dockerReference)}`)
  const signature = await gpgSigner(options).sign({ bytes: manifest, digest: manifestDigest(manifest), mediaType: '' }, reference)
  return signature.kind === 'simple' ? signature.bytes : new Uint8Array()
}

export interface StandaloneVerification {
  manifestDigest: string
  /** Of the key that made it, a subkey perhaps. */
  fingerprint: string
}

/**
 * Verifies that the key with `fingerprint`, one of the user's, signed the manifest as `dockerReference`. Throws
 * SIGNATURE_INVALID with the reason.
 */
export async function standaloneVerify(manifest: Uint8Array, dockerReference: string, fingerprint: string, signature: Uint8Array, keys: UserKeys = {}): Promise<StandaloneVerification> {
  const expected = parseClaim(dockerReference)
  if (expected === undefined) throw new TpodError('BAD_REFERENCE', `verifying signature: invalid docker reference ${JSON.stringify(dockerReference)}`)
  if (!/^[0-9A-F]{40}$/i.test(fingerprint)) throw invalid(`${JSON.stringify(fingerprint)} is not a fingerprint`)
  if (signature.length > maxSignatureBytes) throw invalid(`larger than ${maxSignatureBytes} bytes`)
  const keyring = await openGpgKeyring([await exportKey(fingerprint, keys)], keys)
  try {
    const verified = await verifySimpleSignature(keyring, signature).catch((error: unknown) => {
      throw error instanceof TpodError ? error : invalid(errorMessage(error))
    })
    if (![verified.fingerprint, verified.primaryFingerprint].includes(fingerprint.toUpperCase())) throw invalid(`signature by key ${verified.fingerprint} is not accepted`)
    const digest = manifestDigest(manifest)
    if (verified.manifestDigest !== digest) throw invalid(`Signature for docker digest ${JSON.stringify(verified.manifestDigest)} does not match`)
    const signed = parseClaim(verified.dockerReference)
    if (signed === undefined) throw invalid(`Invalid docker reference ${JSON.stringify(verified.dockerReference)} in signature`)
    if (formatReference(signed) !== formatReference(expected)) throw invalid(`Docker reference ${JSON.stringify(verified.dockerReference)} does not match ${JSON.stringify(dockerReference)}`)
    return { manifestDigest: digest, fingerprint: verified.fingerprint }
  } finally {
    await keyring.close()
  }
}

/** Member names of skopeo's output. Nothing of it was verified by anybody. */
export interface UntrustedSignature {
  UntrustedDockerManifestDigest: string
  UntrustedDockerReference: string
  UntrustedCreatorID: string | null
  /** RFC 3339, UTC. */
  UntrustedTimestamp: string | null
  UntrustedShortKeyIdentifier: string
}

/** What a signature says of itself. For looking at broken ones; never a reason to trust anything. Throws SIGNATURE_INVALID. */
export async function dumpUntrustedSignature(signature: Uint8Array, options: UserKeys = {}): Promise<UntrustedSignature> {
  try {
    if (signature.length > maxSignatureBytes) throw new Error(`larger than ${maxSignatureBytes} bytes`)
    const { payload, keyId } = await readUnverified(signature, options)
    const { manifestDigest: digest, dockerReference, creator, timestamp } = parsePayload('simple', payload)
    return {
      UntrustedDockerManifestDigest: digest, UntrustedDockerReference: dockerReference, UntrustedCreatorID: creator ?? null,
      UntrustedTimestamp: timestamp === undefined ? null : new Date(timestamp * 1000).toISOString().replace('.000Z', 'Z'), UntrustedShortKeyIdentifier: keyId,
    }
  } catch (cause) {
    if (cause instanceof TpodError) throw cause
    throw new TpodError('SIGNATURE_INVALID', `decoding untrusted signature: ${errorMessage(cause)}`, { cause })
  }
}

function invalid(why: string): TpodError {
  return new TpodError('SIGNATURE_INVALID', `verifying signature: ${why}`)
}

async function exportKey(fingerprint: string, { homedir, env, signal }: UserKeys): Promise<Uint8Array> {
  const args = [...(homedir === undefined ? [] : ['--homedir', homedir]), '--batch', '--no-tty', '--no-armor', '--export', '--', fingerprint]
  const { stdout } = await runCommand('gpg', args, { ...(env === undefined ? {} : { env }), ...(signal === undefined ? {} : { signal }) })
  return stdout
}

/** Making sigstore signatures with a private key in a file. */
import { sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { KeyObject } from 'node:crypto'
import { errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { formatReference } from '../../oci/reference.ts'
import type { Signer } from '../types.ts'
import { decryptSigstoreKey } from './sigstore-key.ts'
import { formatPayload } from './signature-payload.ts'
import { sigstoreSignatureAnnotation, sigstoreSignatureType } from './verify-sigstore-signature.ts'

export interface SigstoreSignerOptions {
  keyPath: string
  /** Of the key file; '' is one too. */
  passphrase: string | Uint8Array
  /** `optional.creator`: program and version. */
  creator?: string
}

/** Reads and opens the key now, so that a wrong passphrase shows before anything is copied. Throws SIGSTORE_KEY_INVALID. */
export async function sigstoreSigner({ keyPath, passphrase, creator }: SigstoreSignerOptions): Promise<Signer> {
  let pem: Uint8Array
  try {
    pem = await readFile(keyPath)
  } catch (cause) {
    throw new TpodError('SIGSTORE_KEY_INVALID', `reading private key from ${keyPath}: ${errorMessage(cause)}`, { cause })
  }
  const key = await decryptSigstoreKey(pem, passphrase, keyPath)
  return {
    async sign(manifest, reference) {
      // A name without tag or digest would be accepted by no policy.
      if (reference.tag === undefined && reference.digest === undefined) throw new TpodError('SIGNING_FAILED', `Cannot sign the image ${formatReference(reference)}: it has neither tag nor digest`)
      const payload = formatPayload('sigstore', { manifestDigest: manifest.digest, dockerReference: formatReference(reference), creator: creator ?? 'tpod', timestamp: Math.floor(Date.now() / 1000) })
      const signature = signBytes(key, payload)
      return Promise.resolve({ kind: 'sigstore', mediaType: sigstoreSignatureType, payload, annotations: { [sigstoreSignatureAnnotation]: signature.toString('base64') } })
    },
  }
}

function signBytes(key: KeyObject, payload: Uint8Array): Buffer {
  return sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key)
}

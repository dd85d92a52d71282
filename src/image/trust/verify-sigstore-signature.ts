/** sigstore signatures with keys, as cosign and containers/image make them: base64 in an annotation, over the payload. */
import { createPublicKey, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { parsePayload } from './signature-payload.ts'
import type { SignaturePayload } from './signature-payload.ts'

export const sigstoreSignatureType = 'application/vnd.dev.cosign.simplesigning.v1+json'
export const sigstoreSignatureAnnotation = 'dev.cosignproject.cosign/signature'

const curves = ['prime256v1', 'secp384r1', 'secp521r1']
const minRsaBits = 2048

/** A public key in PEM. Throws a plain Error for anything else, and for keys that are too weak or of a strange kind. */
export function parseSigstorePublicKey(pem: Uint8Array): KeyObject {
  const text = Buffer.from(pem).toString('latin1')
  if (pem.length > 64 * 1024 || !/-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(text) || text.includes('PRIVATE KEY-----')) throw new Error('not a PEM encoded public key')
  let key: KeyObject
  try {
    key = createPublicKey(text)
  } catch (cause) {
    throw new Error('not a PEM encoded public key', { cause })
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const isUsable = type === 'ed25519' || (type === 'ec' && curves.includes(details?.namedCurve ?? '')) || (type === 'rsa' && (details?.modulusLength ?? 0) >= minRsaBits)
  if (!isUsable) throw new Error(`unsupported public key type ${type ?? 'unknown'}${details?.namedCurve === undefined ? '' : ` ${details.namedCurve}`}`)
  return key
}

/** The claim, after one of `keys` was found to have signed it; the key's place among them. Throws a plain Error with one line. */
export function verifySigstoreSignature(keys: readonly KeyObject[], payload: Uint8Array, annotations: Readonly<Record<string, string>>): SignaturePayload & { keyIndex: number } {
  const encoded = Object.hasOwn(annotations, sigstoreSignatureAnnotation) ? annotations[sigstoreSignatureAnnotation] : undefined
  if (encoded === undefined) throw new Error(`missing ${sigstoreSignatureAnnotation} annotation`)
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded.replace(/[\r\n]/g, ''))) throw new Error('base64 decoding: illegal data')
  const signature = Buffer.from(encoded.replace(/[\r\n]/g, ''), 'base64')
  const keyIndex = keys.findIndex((key) => isSignedBy(key, payload, signature))
  if (keyIndex < 0) throw new Error('cryptographic signature verification failed: none of the trusted keys made it')
  return { ...parsePayload('sigstore', payload), keyIndex }
}

function isSignedBy(key: KeyObject, payload: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key, signature)
  } catch {
    // A signature that isn't even one of this kind of key.
    return false
  }
}

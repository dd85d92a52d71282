/**
 * Private keys as cosign and `skopeo generate-sigstore-key` write them: PKCS#8 in a secretbox whose key scrypt makes
 * from the passphrase, as JSON in PEM.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, randomBytes, scrypt } from 'node:crypto'
import type { KeyObject, ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import { TpodError } from '../../errors/tpod-error.ts'
import { isJsonObject, parseStrictJson } from '../../text/strict-json.ts'
import { openSecretbox, sealSecretbox } from './secretbox.ts'

const scryptAsync = promisify<string | Uint8Array, Uint8Array, number, ScryptOptions, Buffer>(scrypt)

/** containers/image and cosign of today know both; older ones the first alone. */
const pemPattern = /-----BEGIN ENCRYPTED (COSIGN|SIGSTORE) PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END ENCRYPTED \1 PRIVATE KEY-----/
/** What every version of cosign and skopeo reads: older ones refuse other numbers. Files may ask for more, up to the limits. */
const defaultCost = { N: 32768, r: 8, p: 1 }
const maxMemoryBytes = 512 * 1024 * 1024

/** Throws SIGSTORE_KEY_INVALID for another kind of file, and for a wrong passphrase. */
export async function decryptSigstoreKey(pem: Uint8Array, passphrase: string | Uint8Array, what: string): Promise<KeyObject> {
  const invalid = (why: string, remedy?: string): TpodError => new TpodError('SIGSTORE_KEY_INVALID', `initializing private key ${what}: ${why}`, remedy === undefined ? {} : { remedy })
  const encoded = pem.length > 64 * 1024 ? undefined : pemPattern.exec(Buffer.from(pem).toString('latin1'))?.[2]
  if (encoded === undefined) throw invalid('not an encrypted sigstore private key', 'make one with `skopeo generate-sigstore-key` or cosign')
  let file: EncryptedFile
  try {
    file = parseFile(parseStrictJson(Buffer.from(encoded, 'base64')))
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error))
  }
  const { N, r, p, salt, nonce, ciphertext } = file
  const key = await scryptAsync(passphrase, salt, 32, { N, r, p, maxmem: maxMemoryBytes * 2 })
  const plain = openSecretbox(ciphertext, nonce, key)
  if (plain === undefined) throw invalid('decrypt: wrong passphrase')
  try {
    return createPrivateKey({ key: Buffer.from(plain), format: 'der', type: 'pkcs8' })
  } catch {
    throw invalid('the key inside is not PKCS#8')
  }
}

/** A new ECDSA P-256 pair, as sigstore's specification wants it; the private half encrypted. */
export async function generateSigstoreKey(passphrase: string | Uint8Array): Promise<{ privatePem: string; publicPem: string }> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'prime256v1' })
  const [salt, nonce] = [randomBytes(32), randomBytes(24)]
  const key = await scryptAsync(passphrase, salt, 32, { ...defaultCost, maxmem: maxMemoryBytes * 2 })
  const box = sealSecretbox(privateKey.export({ type: 'pkcs8', format: 'der' }), nonce, key)
  const json = JSON.stringify({
    kdf: { name: 'scrypt', params: defaultCost, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(box).toString('base64'),
  })
  const lines = Buffer.from(json).toString('base64').replace(/.{64}/g, '$&\n').replace(/\n$/, '')
  // The older word: what cannot read the newer one reads it, and nobody has left it out.
  return {
    privatePem: `-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n${lines}\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n`,
    publicPem: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }) as string,
  }
}

interface EncryptedFile {
  N: number
  r: number
  p: number
  salt: Uint8Array
  nonce: Uint8Array
  ciphertext: Uint8Array
}

function parseFile(json: unknown): EncryptedFile {
  const { kdf, cipher, ciphertext } = isJsonObject(json) ? json : {}
  if (!isJsonObject(kdf) || kdf['name'] !== 'scrypt' || !isJsonObject(kdf['params'])) throw new Error('decrypt: unsupported kdf, want scrypt')
  if (!isJsonObject(cipher) || cipher['name'] !== 'nacl/secretbox') throw new Error('decrypt: unsupported cipher, want nacl/secretbox')
  const { N, r, p } = kdf['params']
  if (!isCount(N) || !isCount(r) || !isCount(p) || N < 2 || (N & (N - 1)) !== 0) throw new Error('decrypt: bad scrypt parameters')
  // The file decides how much memory and time this takes.
  if (128 * N * r > maxMemoryBytes || p > 4) throw new Error('decrypt: scrypt parameters ask for too much')
  const nonce = bytesOf(cipher['nonce'])
  if (nonce.length !== 24) throw new Error('decrypt: bad nonce')
  return { N, r, p, salt: bytesOf(kdf['salt']), nonce, ciphertext: bytesOf(ciphertext) }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 && value < 2 ** 31
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw new Error('decrypt: not an encrypted key')
  return Buffer.from(value, 'base64')
}

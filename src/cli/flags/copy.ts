/** Flags about what becomes of an image when it is copied. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { CopyBetweenOptions } from '../../image/copy/copy-between.ts'
import { bool, csv, text } from '../options.ts'
import type { FlagValues } from './endpoints.ts'

export const copyFlags = {
  all: bool('Copy all images if SOURCE-IMAGE is a list', { char: 'a' }),
  format: text('MANIFEST TYPE (oci, v2s1, or v2s2) to use in the destination (default is manifest type of source, with fallbacks)', { char: 'f', complete: ['oci', 'v2s1', 'v2s2'] }),
  'preserve-digests': bool('Preserve digests of images and lists'),
  'remove-signatures': bool('Do not copy signatures from source'),
}

export const signFlags = {
  'sign-by': text('Sign the image using a GPG key with the specified FINGERPRINT', { value: 'FINGERPRINT' }),
  'sign-by-sigstore-private-key': text('Sign the image using a sigstore private key at PATH', { value: 'PATH', complete: 'files' }),
  'sign-passphrase-file': text('Read a passphrase for signing an image from PATH', { value: 'PATH', complete: 'files' }),
}

export const encryptionFlags = {
  'decryption-key': csv('*Experimental* key needed to decrypt the image'),
  'encrypt-layer': csv('*Experimental* the 0-indexed layer indices, with support for negative indexing (e.g. 0 is the first layer, -1 is the last layer)', { value: 'ints' }),
  'encryption-key': csv('*Experimental* key with the encryption protocol to use needed to encrypt the image (e.g. jwe:/path/to/key.pem)'),
}

type CopyRequest = Pick<CopyBetweenOptions, 'all' | 'format' | 'preserveDigests' | 'removeSignatures' | 'compression' | 'signing'>

/** What the library takes of these flags, and of those about compression. Throws BAD_FLAG. */
export function copyRequest(flags: FlagValues): CopyRequest {
  const value = (name: string): string | undefined => flags[name] as string | undefined
  const [signBy, sigstore, passphrase, format] = [value('sign-by'), value('sign-by-sigstore-private-key'), value('sign-passphrase-file'), value('format')]
  if (passphrase !== undefined && signBy !== undefined && sigstore !== undefined) {
    throw new TpodError('BAD_FLAG', 'Only one of --sign-by and sign-by-sigstore-private-key can be used with sign-passphrase-file')
  }
  if (format !== undefined && format !== 'oci' && format !== 'v2s1' && format !== 'v2s2') {
    throw new TpodError('BAD_FLAG', `unknown format ${JSON.stringify(format)}. Choose one of the supported formats: 'oci', 'v2s1', or 'v2s2'`)
  }
  return {
    all: flags['all'] === true,
    preserveDigests: flags['preserve-digests'] === true,
    removeSignatures: flags['remove-signatures'] === true,
    ...compressionOf(flags),
    ...(format === undefined ? {} : { format }),
    ...(signBy === undefined && sigstore === undefined ? {} : {
      signing: {
        ...(signBy === undefined ? {} : { gpgKey: signBy }), ...(sigstore === undefined ? {} : { sigstoreKeyFile: sigstore }),
        ...(passphrase === undefined ? {} : { passphraseFile: passphrase }),
      },
    }),
  }
}

function compressionOf(flags: FlagValues): Pick<CopyRequest, 'compression'> {
  const word = flags['dest-compress-format'] as string | undefined
  const level = flags['dest-compress-level'] as number | undefined
  const force = flags['dest-force-compress-format'] === true
  if (word === undefined && level === undefined && !force) return {}
  if (force && word === undefined) throw new TpodError('BAD_FLAG', '--dest-force-compress-format needs --dest-compress-format')
  if (word === 'zstd:chunked' || word === 'bzip2' || word === 'xz') {
    throw new TpodError('UNSUPPORTED_COMPRESSION', `compress layers with ${word}: not supported`, { remedy: 'choose gzip or zstd' })
  }
  // A format that is asked for by name holds for layers that have another one, too.
  const isNamed = word !== undefined
  return { compression: { format: word === 'zstd' ? 'zstd' : 'gzip', ...(level === undefined ? {} : { level }), ...(isNamed ? { force: true } : {}) } }
}

/** Nothing is moved in the clear that somebody wanted encrypted. Throws ENCRYPTION_UNSUPPORTED. */
export function refuseEncryption(flags: FlagValues): void {
  const count = (name: string): number => (flags[name] as string[] | undefined)?.length ?? 0
  if (count('encryption-key') > 0 && count('decryption-key') > 0) throw new TpodError('BAD_FLAG', '--encryption-key and --decryption-key cannot be specified together')
  if (count('encrypt-layer') > 0 && count('encryption-key') === 0) throw new TpodError('BAD_FLAG', '--encrypt-layer can only be used with --encryption-key')
  if (count('encryption-key') > 0) throw new TpodError('ENCRYPTION_UNSUPPORTED', 'encrypt layers: this version cannot encrypt images', { remedy: 'leave --encryption-key away, and keep the image where only its readers can read' })
  if (count('decryption-key') > 0) throw new TpodError('ENCRYPTION_UNSUPPORTED', 'decrypt layers: this version cannot decrypt images', { remedy: 'leave --decryption-key away: encrypted layers are copied as they are' })
}

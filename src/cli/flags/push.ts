import { TpodError } from '../../errors/tpod-error.ts'
import type { PushToOptions } from '../../libpod/images/transfer.ts'
import type { FlagValues } from './endpoints.ts'

type PushRequest = Pick<PushToOptions, 'format' | 'compression' | 'removeSignatures' | 'layers' | 'digestFile' | 'signing'>

/** What the library takes of push's own flags. Throws BAD_FLAG in podman's words, ENCRYPTION_UNSUPPORTED: nothing is sent in the clear that was to be encrypted. */
export function pushRequest(flags: FlagValues): PushRequest {
  const value = (name: string): string | undefined => (flags[name] as string | undefined) || undefined
  refuseEncryption(flags)
  const format = formatOf(value('format'))
  const [gpgKey, sigstoreKeyFile, passphraseFile, digestFile] = [value('sign-by'), value('sign-by-sigstore-private-key'), value('sign-passphrase-file'), value('digestfile')]
  if (passphraseFile !== undefined && gpgKey !== undefined && sigstoreKeyFile !== undefined) {
    throw new TpodError('BAD_FLAG', 'Only one of --sign-by and sign-by-sigstore-private-key can be used with --sign-passphrase-file')
  }
  const signing = { ...(gpgKey === undefined ? {} : { gpgKey }), ...(sigstoreKeyFile === undefined ? {} : { sigstoreKeyFile }), ...(passphraseFile === undefined ? {} : { passphraseFile }) }
  return {
    ...compressionOf(flags),
    ...(format === undefined ? {} : { format }),
    ...(flags['remove-signatures'] === true ? { removeSignatures: true } : {}),
    ...(flags['compress'] === true ? { layers: 'compressed' as const } : {}),
    ...(digestFile === undefined ? {} : { digestFile }),
    ...(gpgKey === undefined && sigstoreKeyFile === undefined ? {} : { signing }),
  }
}

function formatOf(word: string | undefined): PushRequest['format'] {
  if (word === undefined || word === 'oci' || word === 'v2s1' || word === 'v2s2') return word
  if (word === 'docker') return 'v2s2'
  throw new TpodError('BAD_FLAG', `unknown format ${JSON.stringify(word)}. Choose on of the supported formats: 'oci', 'v2s1', or 'v2s2'`)
}

function compressionOf(flags: FlagValues): Pick<PushRequest, 'compression'> {
  const word = flags['compression-format'] as string | undefined
  const level = flags['compression-level'] as number | undefined
  const force = flags['force-compression'] === true
  if (word === 'zstd:chunked') throw new TpodError('UNSUPPORTED_COMPRESSION', 'compress layers with zstd:chunked: not supported', { remedy: 'choose gzip or zstd' })
  if (word === undefined && level === undefined && !force) return {}
  return { compression: { format: word === 'zstd' ? 'zstd' : 'gzip', ...(level === undefined ? {} : { level }), ...(force ? { force } : {}) } }
}

function refuseEncryption(flags: FlagValues): void {
  const count = (name: string): number => (flags[name] as string[] | undefined)?.length ?? 0
  if (count('encrypt-layer') > 0 && count('encryption-key') === 0) throw new TpodError('BAD_FLAG', '--encrypt-layer can only be used with --encryption-key')
  if (count('encryption-key') > 0) throw new TpodError('ENCRYPTION_UNSUPPORTED', 'push --encryption-key: this version cannot encrypt images', { remedy: 'encrypt with skopeo copy' })
}

/** Signatures as files: what skopeo's standalone-… commands do. */
import { readFile, writeFile } from 'node:fs/promises'
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { UntrustedSignature } from '../../image/trust/standalone.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface SignFileRequest {
  manifestPath: string
  dockerReference: string
  /** Whatever gpg takes for a key. */
  key: string
  outputPath: string
  passphraseFile?: string
  env: Env
  signal?: AbortSignal
}

/** Writes a signature of the manifest. Throws SIGNATURE_FILE, PASSPHRASE_FILE, BAD_REFERENCE, SIGNING_FAILED. */
export async function signManifestFile({ manifestPath, dockerReference, key, outputPath, passphraseFile, env, signal }: SignFileRequest): Promise<void> {
  const manifest = await read(manifestPath, `Error reading ${manifestPath}`)
  const [{ standaloneSign }, { readPassphraseFile }] = await Promise.all([import('../../image/trust/standalone.ts'), import('../../image/trust/open-signers.ts')])
  const passphrase = passphraseFile === undefined ? undefined : await readPassphraseFile(passphraseFile)
  const signature = await standaloneSign(manifest, dockerReference, {
    fingerprint: key, env, ...(passphrase === undefined ? {} : { passphrase }), ...(signal === undefined ? {} : { signal }),
  })
  await write(outputPath, signature, `Error writing signature to ${outputPath}`)
}

export interface VerifyFileRequest {
  manifestPath: string
  dockerReference: string
  /** Of the user's own GPG keys. */
  fingerprint: string
  signaturePath: string
  env: Env
  signal?: AbortSignal
}

/** The manifest's digest, once its signature is verified. Throws SIGNATURE_FILE, SIGNATURE_INVALID. */
export async function verifyManifestFile({ manifestPath, dockerReference, fingerprint, signaturePath, env, signal }: VerifyFileRequest): Promise<string> {
  const manifest = await read(manifestPath, `Error reading manifest from ${manifestPath}`)
  const signature = await read(signaturePath, `Error reading signature from ${signaturePath}`)
  const { standaloneVerify } = await import('../../image/trust/standalone.ts')
  const { manifestDigest } = await standaloneVerify(manifest, dockerReference, fingerprint, signature, { env, ...(signal === undefined ? {} : { signal }) })
  return manifestDigest
}

/** What a signature in a file says of itself, verified by nobody. Throws SIGNATURE_FILE, SIGNATURE_INVALID. */
export async function dumpSignatureFile(path: string, env: Env): Promise<UntrustedSignature> {
  const bytes = await read(path, `Error reading untrusted signature from ${path}`)
  const { dumpUntrustedSignature } = await import('../../image/trust/standalone.ts')
  return dumpUntrustedSignature(bytes, { env })
}

export interface GeneratedKeyFiles { privatePath: string; publicPath: string }

/** Makes PREFIX.private (mode 0600) and PREFIX.pub; neither may exist. Throws KEY_FILE. `passphrase` is called after that check. */
export async function generateKeyFiles(prefix: string, passphrase: (privatePath: string) => Promise<string>): Promise<GeneratedKeyFiles> {
  const [privatePath, publicPath] = [`${prefix}.private`, `${prefix}.pub`]
  const { lstat } = await import('node:fs/promises')
  for (const path of [publicPath, privatePath]) {
    if (await lstat(path).then(() => true, () => false)) throw new TpodError('KEY_FILE', `Refusing to overwrite existing ${JSON.stringify(path)}`)
  }
  const { generateSigstoreKey } = await import('../../image/trust/sigstore-key.ts')
  const { privatePem, publicPem } = await generateSigstoreKey(await passphrase(privatePath))
  await write(privatePath, privatePem, `Error writing private key to ${JSON.stringify(privatePath)}`, { mode: 0o600, flag: 'wx' })
  await write(publicPath, publicPem, `Error writing public key to ${JSON.stringify(publicPath)}`, { mode: 0o644, flag: 'wx' })
  return { privatePath, publicPath }
}

async function read(path: string, action: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new TpodError('SIGNATURE_FILE', `${action}: open ${path}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorMessage(cause)}`, { cause })
  }
}

async function write(path: string, data: string | Uint8Array, action: string, options: { mode?: number; flag?: string } = {}): Promise<void> {
  try {
    await writeFile(path, data, options)
  } catch (cause) {
    throw new TpodError('SIGNATURE_FILE', `${action}: ${errorMessage(cause)}`, { cause })
  }
}

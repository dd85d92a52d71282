/** Pulling and pushing by engine. Contracts and errors as in image/pull-images.ts and image/push.ts. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { PulledImage } from '../../image/pull.ts'
import type { PullImagesOptions } from '../../image/pull-images.ts'
import type { PushedImage, PushOptions } from '../../image/push.ts'
import type { Signer } from '../../image/types.ts'
import type { Engine } from '../engine.ts'
import { imageContext } from '../image-context.ts'
import type { RegistryAccess } from '../image-context.ts'

export interface PullFromOptions extends Omit<PullImagesOptions, 'credentials'>, RegistryAccess {}

export interface PushToOptions extends Omit<PushOptions, 'credentials'>, RegistryAccess {
  /** The digest of what was pushed is written there. */
  digestFile?: string
  /** Keys to sign with, beside options.signers. */
  signing?: SigningKeys
}

export interface SigningKeys {
  /** Whatever gpg takes for a key. */
  gpgKey?: string
  sigstoreKeyFile?: string
  /** Holds the passphrase of either. */
  passphraseFile?: string
}

/** Makes the images that `name` (of any transport) means exist in the store. */
export async function pullImages(engine: Engine, name: string, options: PullFromOptions = {}): Promise<PulledImage[]> {
  const { authFile, credentials, signaturePolicy, ...pull } = options
  const { pullImages: pullInto } = await import('../../image/pull-images.ts')
  return pullInto(imageContext(engine, { authFile, credentials, signaturePolicy }), name, pull)
}

/** Copies a local image; a manifest list goes with all its images. Throws DIGEST_FILE, after the push. */
export async function pushImage(engine: Engine, name: string, destination: string | undefined, options: PushToOptions = {}): Promise<PushedImage> {
  const { authFile, credentials, signaturePolicy, digestFile, signing, ...push } = options
  const { pushImage: pushFrom } = await import('../../image/push.ts')
  const pushed = await pushFrom(imageContext(engine, { authFile, credentials, signaturePolicy }), name, destination, signing === undefined ? push : { ...push, signers: [...push.signers ?? [], ...await openSigners(engine, signing)] })
  if (digestFile !== undefined) await writeDigest(digestFile, pushed.digest)
  return pushed
}

async function openSigners(engine: Engine, { gpgKey, sigstoreKeyFile, passphraseFile }: SigningKeys): Promise<Signer[]> {
  const passphrase = passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile)
  const signers: Signer[] = []
  if (gpgKey !== undefined) {
    const { gpgSigner } = await import('../../image/trust/gpg-signer.ts')
    signers.push(gpgSigner({ fingerprint: gpgKey, env: engine.options.hostEnv, ...(passphrase === undefined ? {} : { passphrase }) }))
  }
  if (sigstoreKeyFile !== undefined) {
    const { sigstoreSigner } = await import('../../image/trust/sigstore-signer.ts')
    signers.push(await sigstoreSigner({ keyPath: sigstoreKeyFile, ...(passphrase === undefined ? {} : { passphrase }) }))
  }
  return signers
}

/** Its first line, as podman reads it. */
async function readPassphrase(path: string): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  try {
    return (await readFile(path, 'utf8')).split('\n', 1)[0]!
  } catch (cause) {
    throw new TpodError('PASSPHRASE_FILE', `read passphrase from ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

async function writeDigest(path: string, digest: string): Promise<void> {
  const { writeFile } = await import('node:fs/promises')
  try {
    await writeFile(path, digest)
  } catch (cause) {
    throw new TpodError('DIGEST_FILE', `write digest to file ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

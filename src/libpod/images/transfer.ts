/** Pulling and pushing by engine. Contracts and errors as in image/pull/ and image/push/. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { PulledImage } from '../../image/pull/pull.ts'
import type { PullOptions } from '../../image/types.ts'
import type { PullImagesOptions } from '../../image/pull/pull-images.ts'
import type { PushedImage, PushOptions } from '../../image/push/push.ts'
import type { SigningKeys } from '../../image/trust/open-signers.ts'
import type { Engine } from '../engine.ts'
import { imageContext, registriesOf, temporaryDirectoryOf } from '../image-context.ts'
import type { RegistryAccess } from '../image-context.ts'

export interface PullImageOptions extends Omit<PullOptions, 'credentials'>, RegistryAccess {}

export interface PullFromOptions extends Omit<PullImagesOptions, 'credentials'>, RegistryAccess {}

export interface PushToOptions extends Omit<PushOptions, 'credentials'>, RegistryAccess {
  /** The digest of what was pushed is written there. */
  digestFile?: string
  /** Keys to sign with, beside options.signers. */
  signing?: SigningKeys
  /** Asks for a sigstore key's passphrase where no file has it; absent: refused. */
  askPassphrase?: (keyFile: string) => Promise<string>
}

/** Makes the image exist in the store; contract and errors as in image/pull/pull.ts. */
export async function pullImage(engine: Engine, name: string, options: PullImageOptions = {}): Promise<PulledImage> {
  const { authFile, credentials, ...pull } = options
  const { pullImage: pullInto } = await import('../../image/pull/pull.ts')
  return pullInto(imageContext(engine, { authFile, credentials }), name, pull)
}

/** Makes the images that `name` (of any transport) means exist in the store. */
export async function pullImages(engine: Engine, name: string, options: PullFromOptions = {}): Promise<PulledImage[]> {
  const { authFile, credentials, signaturePolicy, ...pull } = options
  const { pullImages: pullInto } = await import('../../image/pull/pull-images.ts')
  return pullInto(imageContext(engine, { authFile, credentials, signaturePolicy }), name, pull)
}

/** Copies a local image; a manifest list goes with all its images. Throws DIGEST_FILE, after the push. */
export async function pushImage(engine: Engine, name: string, destination: string | undefined, options: PushToOptions = {}): Promise<PushedImage> {
  if (await isStoredList(engine, name)) return pushList(engine, name, destination, options)
  const { authFile, credentials, signaturePolicy, digestFile, signing, askPassphrase, ...push } = options
  const { pushImage: pushFrom } = await import('../../image/push/push.ts')
  const signers = signing === undefined ? [] : await (await import('../../image/trust/open-signers.ts')).openSigners(signing, {
    env: engine.options.hostEnv, temporaryDirectory: temporaryDirectoryOf(engine), creator: engine.options.userAgent ?? 'tpod', ...(askPassphrase === undefined ? {} : { askPassphrase }), ...(push.signal === undefined ? {} : { signal: push.signal }),
  })
  const pushed = await pushFrom(imageContext(engine, { authFile, credentials, signaturePolicy }), name, destination, { ...push, signers: [...push.signers ?? [], ...signers] })
  if (digestFile !== undefined) await writeDigest(digestFile, pushed.digest)
  return pushed
}

async function isStoredList(engine: Engine, name: string): Promise<boolean> {
  const [{ findLocalImage }, { isManifestList }] = await Promise.all([import('../../image/local/resolve-local.ts'), import('../../image/local/image-data.ts')])
  // A name with a transport is not a list's, and not one for this parser.
  const local = name.startsWith('containers-storage:') ? undefined : await findLocalImage(engine.store, registriesOf(engine), name)
  return local !== undefined && isManifestList(local.image)
}

async function pushList(engine: Engine, name: string, destination: string | undefined, options: PushToOptions): Promise<PushedImage> {
  const [{ getLocalImage }, { ownDestination }, { pushManifestList }] = await Promise.all([import('../../image/local/resolve-local.ts'), import('../../image/push/push.ts'), import('./manifest-lists.ts')])
  const { image, resolvedName, isById } = await getLocalImage(engine.store, registriesOf(engine), name)
  const target = destination || (isById ? image.names?.[0] : ownDestination(name, resolvedName))
  if (target === undefined) throw new TpodError('BAD_REFERENCE', `push ${name}: the list has no name that says where to push to`, { remedy: `push ${name} REGISTRY/NAME` })
  const { authFile, credentials, tlsVerify, certDirectory, retries, retryDelayMs, layers, signaturePolicy: _policy, ...copy } = options
  const endpoint = { tlsVerify, certDirectory, retries, retryDelayMs, layers, signal: options.signal, onProgress: options.onProgress }
  const digest = await pushManifestList(engine, name, target, {
    ...copy, authFile, credentials, all: true, endpoint: Object.fromEntries(Object.entries(endpoint).filter(([, value]) => value !== undefined)),
  })
  return { imageId: image.id, destination: target, digest }
}

async function writeDigest(path: string, digest: string): Promise<void> {
  const [{ writeFile }, { describeErrno }] = await Promise.all([import('node:fs/promises'), import('../../image/transports/file-set.ts')])
  try {
    await writeFile(path, digest)
  } catch (cause) {
    throw new TpodError('DIGEST_FILE', `write digest to file: open ${path}: ${describeErrno(cause)}`, { cause })
  }
}

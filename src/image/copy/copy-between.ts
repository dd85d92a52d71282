/** One image from one place to another, named as `transport:details`: `tpod image copy`, and each image of a sync. */
import { errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { CopyOptions, CopyResult } from './types.ts'
import type { OnPullProgress } from '../progress.ts'
import type { ImageName } from '../transports/image-name.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { OpenSignersOptions, SigningKeys } from '../trust/open-signers.ts'
import type { EndpointOptions, TransportContext } from '../types.ts'

export interface CopyBetweenOptions extends Pick<CopyOptions, 'preserveDigests' | 'format' | 'compression' | 'removeSignatures' | 'parallelLayers'> {
  source?: EndpointOptions
  destination?: EndpointOptions
  /** Every image of an index. */
  all?: boolean
  /** `system`, `all` or `index-only`. */
  multiArch?: string
  signing?: SigningKeys
  /** For `signing`. */
  signContext?: OpenSignersOptions
  signIdentity?: string
  /** The digest of what was written is written there. */
  digestFile?: string
  signal?: AbortSignal
  onProgress?: OnPullProgress
}

/**
 * Copies with the context's policy checked. Throws BAD_IMAGE_NAME in skopeo's words, POLICY_* and what the transports
 * throw. Nothing is visible at the destination before the end, as far as its transport can do that.
 */
export async function copyBetween(context: TransportContext, from: string, to: string, options: CopyBetweenOptions = {}): Promise<CopyResult> {
  const { parseImageName } = await import('../transports/image-name.ts')
  const [sourceName, destinationName] = [named('source', from, parseImageName), named('destination', to, parseImageName)]
  const copyOptions = await optionsOf(context, options)
  const [{ openSource }, { openDestination }, { copyImage }] = await Promise.all([
    import('../transports/open-source.ts'), import('../transports/open-destination.ts'), import('./copy-image.ts'),
  ])
  const watched = { ...(options.signal === undefined ? {} : { signal: options.signal }), ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }) }
  const source = await openSource(context, sourceName, { ...watched, ...options.source })
  try {
    const destination = await openDestination(context, destinationName, { ...watched, ...options.destination })
    try {
      const result = await copyImage(context, source, destination, copyOptions)
      if (options.digestFile !== undefined) await writeDigest(options.digestFile, result.manifest.digest)
      return result
    } finally {
      await destination.close()
    }
  } finally {
    await source.close()
  }
}

function named(end: string, text: string, parse: (text: string) => ImageName): ImageName {
  try {
    return parse(text)
  } catch (cause) {
    throw new TpodError('BAD_IMAGE_NAME', `Invalid ${end} name ${text}: ${errorMessage(cause)}`, { cause, ...(cause instanceof TpodError && cause.remedy !== undefined ? { remedy: cause.remedy } : {}) })
  }
}

async function optionsOf(context: TransportContext, options: CopyBetweenOptions): Promise<CopyOptions> {
  const { preserveDigests, format, compression, removeSignatures, parallelLayers, signal, onProgress } = options
  const { signing, signContext } = options
  const signers = signing === undefined ? [] : await (await import('../trust/open-signers.ts')).openSigners(signing, { ...(context.temporaryDirectory === undefined ? {} : { temporaryDirectory: context.temporaryDirectory }), ...signContext })
  const instances = instancesOf(options)
  return {
    instances,
    policy: await context.policy(),
    ...(preserveDigests === true ? { preserveDigests } : {}), ...(removeSignatures === true ? { removeSignatures } : {}),
    ...(format === undefined ? {} : { format }), ...(compression === undefined ? {} : { compression }), ...(parallelLayers === undefined ? {} : { parallelLayers }),
    ...(signers.length === 0 ? {} : { signers }),
    ...(options.signIdentity === undefined ? {} : { signIdentity: await identityOf(options.signIdentity) }),
    ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }),
  }
}

function instancesOf({ all, multiArch }: CopyBetweenOptions): 'system' | 'all' | 'index-only' {
  if (multiArch !== undefined && all === true) throw new TpodError('BAD_FLAG', 'Cannot use --all and --multi-arch flags together')
  if (multiArch === undefined) return all === true ? 'all' : 'system'
  if (multiArch === 'system' || multiArch === 'all' || multiArch === 'index-only') return multiArch
  throw new TpodError('BAD_FLAG', `unknown multi-arch option ${JSON.stringify(multiArch)}. Choose one of the supported options: 'system', 'all', or 'index-only'`)
}

async function identityOf(text: string): Promise<QualifiedReference> {
  const { parseNormalizedReference } = await import('../../oci/reference.ts')
  try {
    return parseNormalizedReference(text)
  } catch (cause) {
    throw new TpodError('BAD_FLAG', `Could not parse --sign-identity: ${errorMessage(cause)}`, { cause })
  }
}

async function writeDigest(path: string, digest: string): Promise<void> {
  const { writeFile } = await import('node:fs/promises')
  try {
    await writeFile(path, digest)
  } catch (cause) {
    throw new TpodError('DIGEST_FILE', `Failed to write digest to file ${JSON.stringify(path)}: ${errorMessage(cause)}`, { cause })
  }
}

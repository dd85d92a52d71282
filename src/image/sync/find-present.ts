/** Whether a sync can pass over an image: a mirror that is kept up to date has most of them already. */
import { TpodError } from '../../errors/tpod-error.ts'
import { parseManifest } from '../../oci/image-types.ts'
import { parseNormalizedReference } from '../../oci/reference.ts'
import { isSchema1 } from '../../oci/schema1.ts'
import type { RawManifest, TransportContext } from '../types.ts'
import type { SyncImage, SyncRequest } from './types.ts'

/**
 * The source's manifest, if the destination's repository has exactly it under the same name, nothing asks for another
 * form, and there are no signatures to bring along. The policy is checked as for a copy. Undefined: copy it.
 */
export async function findPresent(context: TransportContext, image: SyncImage, target: string, request: SyncRequest): Promise<RawManifest | undefined> {
  const { format, compression, signing, signal } = request
  const isOtherForm = format !== undefined || compression !== undefined || signing !== undefined
  if (request.destinationKind !== 'docker' || isOtherForm) return undefined
  const [{ openSource }, { parseImageName }, { getDigest }] = await Promise.all([
    import('../transports/open-source.ts'), import('../transports/image-name.ts'), import('../registry/registry-api.ts'),
  ])
  const abortable = signal === undefined ? {} : { signal }
  const present = await getDigest(context, parseNormalizedReference(target), { ...request.destination, retries: 0, ...abortable }).catch(() => undefined)
  if (present === undefined) return undefined
  const source = await openSource(context, parseImageName(image.from), { ...request.source, ...image.endpoint, ...abortable })
  try {
    const manifest = await source.getManifest(undefined, abortable)
    if (manifest.digest !== present || isSchema1(manifest.bytes)) return undefined
    if (parseManifest(manifest.bytes, manifest.mediaType, source.description).kind === 'index' && request.all !== true) return undefined
    if (request.removeSignatures !== true && ((await source.getSignatures?.(manifest.digest, abortable)) ?? []).length > 0) return undefined
    const { checkTrust } = await import('../trust/check-trust.ts')
    await checkTrust(await context.policy(), source, manifest, { ...abortable, ...(context.temporaryDirectory === undefined ? {} : { temporaryDirectory: context.temporaryDirectory }) })
    return manifest
  } catch (error) {
    // The copy fails in the same way, and says so in its own words.
    if (signal?.aborted === true || !(error instanceof TpodError)) throw error
    return undefined
  } finally {
    await source.close()
  }
}

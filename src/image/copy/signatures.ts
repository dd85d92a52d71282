/** What happens to an image's signatures when it is copied, in containers/image's words. */
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference } from '../../oci/reference.ts'
import type { RawManifest, Signature } from '../types.ts'
import type { CopyTask } from './copy-task.ts'

type Kind = 'image' | 'image list'

/** Those to copy, none if they are to be removed. Throws SIGNATURES_UNSUPPORTED if there are some and the destination has no place for them. */
export async function getSignatures({ source, destination, options }: CopyTask, manifestDigest: string, kind: Kind): Promise<readonly Signature[]> {
  if (options.removeSignatures === true) return []
  options.onProgress?.({ type: 'step', text: kind === 'image' ? 'Getting image source signatures' : 'Getting image list signatures' })
  const signatures = (await source.getSignatures?.(manifestDigest, options.signal === undefined ? {} : { signal: options.signal })) ?? []
  if (signatures.length === 0) return []
  options.onProgress?.({ type: 'step', text: `Checking if ${kind} destination supports signatures` })
  checkSupport({ destination })
  return signatures
}

function checkSupport({ destination }: Pick<CopyTask, 'destination'>): void {
  const why = destination.traits.noSignatures ?? (destination.putSignatures === undefined ? 'it has no place for them' : undefined)
  if (why === undefined) return
  throw new TpodError('SIGNATURES_UNSUPPORTED', `Can not copy signatures to ${destination.description}: ${why}`, { remedy: 'copy without them: --remove-signatures' })
}

/** Why the manifest must not change; undefined: it may. Throws DIGEST_MISMATCH where the destination's name has another digest than the source. */
export function whyUnchangeable({ destination, options }: CopyTask, signatures: readonly Signature[], digests: readonly string[]): string | undefined {
  const wanted = destination.identity.dockerReference?.digest
  if (wanted !== undefined && !digests.includes(wanted)) throw new TpodError('DIGEST_MISMATCH', `Digest of source image's manifest would not match destination reference: it is ${digests[0]}, not ${wanted}`)
  if (options.preserveDigests === true) return 'Instructed to preserve digests'
  if (wanted !== undefined) return 'Destination specifies a digest'
  return signatures.length > 0 ? 'Would invalidate signatures' : undefined
}

export function cannotChange(what: string, why: string, signatures: readonly Signature[]): TpodError {
  return new TpodError('MANIFEST_UNCHANGEABLE', `${what}: ${JSON.stringify(why)}`, signatures.length > 0 || /signatures/.test(why) ? { remedy: 'copy without the signatures: --remove-signatures' } : {})
}

/** Makes the new signatures of what was written and stores them with the old ones. Nothing is called for an image without any. */
export async function addSignatures({ destination, options }: CopyTask, old: readonly Signature[], manifest: RawManifest, kind: Kind): Promise<void> {
  const { signers = [], signal, onProgress } = options
  const made: Signature[] = []
  if (signers.length > 0) {
    checkSupport({ destination })
    const identity = options.signIdentity ?? destination.identity.dockerReference
    if (identity === undefined) throw new TpodError('BAD_REFERENCE', `Cannot determine canonical Docker reference for destination ${destination.description}`, { remedy: 'name it with --sign-identity' })
    if (options.signIdentity !== undefined && identity.tag === undefined && identity.digest === undefined) throw new TpodError('BAD_REFERENCE', `Sign identity must be a fully specified reference ${formatReference(identity)}`)
    for (const signer of signers) {
      onProgress?.({ type: 'step', text: 'Signing manifest' })
      made.push(await signer.sign(manifest, identity))
    }
  }
  const all = [...old, ...made]
  onProgress?.({ type: 'step', text: kind === 'image' ? 'Storing signatures' : 'Storing list signatures' })
  if (all.length > 0) await destination.putSignatures!(all, manifest.digest, signal === undefined ? {} : { signal })
}

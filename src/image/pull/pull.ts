/** Pulling: from a name to an image of the store. */
import { resolvePullEndpoints } from '../../config/registries-conf.ts'
import type { PullEndpoint } from '../../config/registries-conf.ts'
import { errorCode, errorMessage, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { parseImageConfig } from '../../oci/image-types.ts'
import { suitsPlatform } from '../../oci/platform.ts'
import { formatReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { ImageRecord } from '../../storage/types.ts'
import { findLocalImage, imageDigests, noSuchImage } from '../local/resolve-local.ts'
import type { LocalImage } from '../local/resolve-local.ts'
import { resolvePullCandidates } from './short-names.ts'
import type { ImageContext, ImageIdentity, ImageSource, PullOptions } from '../types.ts'

export interface PulledImage {
  image: ImageRecord
  /** Full reference it was pulled by, or the local name (or id) that made a pull unnecessary. */
  reference: string
  /** Nothing was fetched: the image was in the store. */
  alreadyPresent: boolean
}

/**
 * Makes the image that `name` means exist in the store and returns it. `name` may be short, full, with tag or digest,
 * or an id (local images only). Candidates of a short name, and mirrors, are tried in order until one succeeds.
 *
 * Verified: manifest against the digest asked for, config and layers against the manifest, unpacked layers against the
 * config. Until the last step nothing is listed; a crash leaves at most layers that the next pull reuses. Holds no lock
 * while it waits for the network. Several processes may pull the same image at once.
 *
 * Throws NO_SUCH_IMAGE (policy never), BAD_REFERENCE, SHORT_NAME_*, REGISTRY_*, PROXY_*, BAD_PROXY, MANIFEST_UNKNOWN, BAD_MANIFEST,
 * NO_MATCHING_PLATFORM, DIGEST_MISMATCH, BLOB_*, POLICY_*, DISK_FULL.
 */
export async function pullImage(context: ImageContext, name: string, options: PullOptions = {}): Promise<PulledImage> {
  const policy = options.policy ?? 'missing'
  const local = await findSuitable(context, name, options)
  if (policy === 'never' || (policy === 'missing' && local !== undefined)) {
    if (local === undefined) throw noSuchImage(name)
    return { image: local.image, reference: local.resolvedName, alreadyPresent: true }
  }
  if (local?.isById === true) {
    if (policy === 'newer') return { image: local.image, reference: local.resolvedName, alreadyPresent: true }
    throw new TpodError('BAD_REFERENCE', `pull ${name}: an image id says nothing about where to pull from`, { remedy: `pull ${local.image.names?.[0] ?? 'it by name'}` })
  }
  return pullCandidates(context, local?.resolvedName ?? name, options, policy === 'newer' ? local : undefined)
}

/** The local image, unless another platform was asked for than it has. */
async function findSuitable(context: ImageContext, name: string, options: PullOptions): Promise<LocalImage | undefined> {
  const local = await findLocalImage(context.store, context.registries, name)
  if (local === undefined || options.platform === undefined) return local
  const config = parseImageConfig(await context.store.readImageData(local.image.id, `sha256:${local.image.id}`), name)
  return suitsPlatform(config, options.platform) ? local : undefined
}

async function pullCandidates(context: ImageContext, name: string, options: PullOptions, unlessSame: LocalImage | undefined): Promise<PulledImage> {
  const registries = await context.registries()
  const { candidates, reason } = await resolvePullCandidates(name, registries, options.chooseCandidate)
  if (reason !== '') options.onProgress?.({ type: 'resolved', shortName: name, reason })
  const failures: unknown[] = []
  for (const candidate of candidates) {
    try {
      await refuseRejected(context, candidate)
      for (const endpoint of resolvePullEndpoints(registries, candidate)) {
        try {
          return await pullFromEndpoint(context, candidate, endpoint, options, unlessSame)
        } catch (error) {
          throwIfAborted(options.signal)
          if (!mayTryElsewhere(error)) throw error
          failures.push(error)
        }
      }
    } catch (error) {
      throwIfAborted(options.signal)
      if (!mayTryElsewhere(error) || candidates.length === 1) throw error
      failures.push(error)
    }
  }
  // podman's meaning of newer: what is here will do when nothing newer can be had.
  if (unlessSame !== undefined) return { image: unlessSame.image, reference: unlessSame.resolvedName, alreadyPresent: true }
  throw combineFailures(name, failures)
}

/** What policy.json rejects in any case is not even asked for. */
async function refuseRejected(context: ImageContext, candidate: QualifiedReference): Promise<void> {
  const { findRule } = await import('../../config/policy.ts')
  const identity = candidateIdentity(candidate, (await import('../trust/policy-scopes.ts')).dockerPolicyScopes(candidate))
  const policy = await context.policy()
  if (!findRule(policy, 'docker', identity.policyScopes).requirements.some(({ type }) => type === 'reject')) return
  const { checkTrust } = await import('../trust/check-trust.ts')
  await checkTrust(policy, { identity }, { digest: '' })
}

function candidateIdentity(candidate: QualifiedReference, policyScopes: readonly string[]): ImageIdentity {
  return { transport: 'docker', name: `//${formatReference(candidate)}`, dockerReference: candidate, policyScopes }
}

async function pullFromEndpoint(context: ImageContext, candidate: QualifiedReference, endpoint: PullEndpoint, options: PullOptions, unlessSame: LocalImage | undefined): Promise<PulledImage> {
  const shownAs = formatReference(candidate)
  options.onProgress?.({ type: 'trying', reference: shownAs, endpoint: formatReference(endpoint.reference) })
  const source = await openSource(context, endpoint, candidate, options)
  try {
    const top = await source.getManifest(undefined, options.signal === undefined ? {} : { signal: options.signal })
    if (unlessSame !== undefined && imageDigests(unlessSame.image).has(top.digest)) return { image: unlessSame.image, reference: unlessSame.resolvedName, alreadyPresent: true }
    const { pullIntoStore } = await import('./pull-into-store.ts')
    // Asked for again, the manifest would be another moment's.
    const fixed: ImageSource = { ...source, getManifest: async (digest, asked) => (digest === undefined || digest === top.digest ? top : source.getManifest(digest, asked)) }
    const { image, existed } = await pullIntoStore(context, fixed, { reference: candidate }, options)
    return { image, reference: shownAs, alreadyPresent: existed }
  } finally {
    await source.close()
  }
}

async function openSource(context: ImageContext, endpoint: PullEndpoint, candidate: QualifiedReference, options: PullOptions): Promise<ImageSource> {
  const [{ openRegistrySource }, { connectionOptions }, { dockerPolicyScopes }] = await Promise.all([import('../registry/registry-source.ts'), import('../registry/client-options.ts'), import('../trust/policy-scopes.ts')])
  const shownAs = formatReference(candidate)
  return openRegistrySource(endpoint.reference, endpoint.isMirror ? `${shownAs} from mirror ${endpoint.reference.domain}` : shownAs, {
    ...connectionOptions(context, endpoint.reference.name, endpoint.insecure, options, candidate.domain),
    identity: candidateIdentity(candidate, dockerPolicyScopes(candidate)),
  })
}

const elsewhere = /^(?:REGISTRY_|PROXY_|MANIFEST_|BLOB_|BAD_MANIFEST|BAD_CONFIG|BAD_DIGEST|BODY_TOO_LARGE|BROKEN_TRANSFER|DIGEST_MISMATCH|UNSUPPORTED_MANIFEST|NO_MATCHING_PLATFORM|AUTH_REALM|CERTIFICATE_|ARCHIVE_|POLICY_REJECTED)/

/** Another mirror or candidate may help against what a registry does wrong, not against a full disk here. */
function mayTryElsewhere(error: unknown): boolean {
  return elsewhere.test(errorCode(error) ?? '')
}

function combineFailures(name: string, failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0]
  const last = failures.at(-1)
  return new TpodError('PULL_FAILED', `pull ${name}: ${failures.length} attempts failed: ${failures.map(errorMessage).join('; ')}`, {
    cause: last,
    ...(last instanceof TpodError && last.remedy !== undefined ? { remedy: last.remedy } : {}),
  })
}

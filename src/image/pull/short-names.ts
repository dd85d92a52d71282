/** From what a user typed to the references it may stand for, as containers-registries.conf(5) resolves short names. */
import type { RegistriesConfig } from '../../config/registries-conf.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, isShortName, parseReference, qualifyReference, withDefaultTag, withoutRedundantTag } from '../../oci/reference.ts'
import type { QualifiedReference, Reference } from '../../oci/reference.ts'

export interface PullCandidates {
  /** In order of trial; each with a tag or a digest. */
  candidates: QualifiedReference[]
  /** Why a short name became these, in podman's words; '' for a full name. */
  reason: string
}

export type ChooseCandidate = (shortName: string, candidates: readonly string[]) => Promise<string>

/**
 * Candidates for pulling `name`. `choose` is asked only where short-name-mode wants a person to decide between several;
 * without it permissive mode tries all, enforcing mode throws SHORT_NAME_AMBIGUOUS. No alias and no search registries:
 * SHORT_NAME_UNRESOLVED. Throws BAD_REFERENCE.
 */
export async function resolvePullCandidates(name: string, registries: RegistriesConfig, choose?: ChooseCandidate): Promise<PullCandidates> {
  const reference = withoutRedundantTag(parseReference(name))
  if (!isShortName(reference)) return { candidates: [withDefaultTag(qualifyReference(reference, reference.domain))], reason: '' }
  const alias = resolveAlias(reference, registries)
  if (alias !== undefined) return { candidates: [alias.reference], reason: `Resolved "${reference.path}" as an alias (${alias.origin})` }
  if (registries.searchRegistries.length === 0) {
    throw new TpodError('SHORT_NAME_UNRESOLVED', `short-name ${JSON.stringify(name)} did not resolve to an alias and no unqualified-search registries are defined in ${JSON.stringify(registries.searchOrigin || 'registries.conf')}`, {
      remedy: `write the full name, for example docker.io/${qualifyReference(reference, 'docker.io').path}`,
    })
  }
  const candidates = registries.searchRegistries.map((host) => withDefaultTag(qualifyReference(reference, host)))
  const reason = `Resolving "${reference.path}" using unqualified-search registries (${registries.searchOrigin})`
  if (candidates.length === 1 || registries.shortNameMode === 'disabled') return { candidates, reason }
  if (choose === undefined) {
    if (registries.shortNameMode === 'permissive') return { candidates, reason }
    throw new TpodError('SHORT_NAME_AMBIGUOUS', `resolve short name ${JSON.stringify(name)}: it may mean ${candidates.map(formatReference).join(' or ')}, and nobody can be asked`, {
      remedy: 'write the full name',
    })
  }
  const chosen = await choose(name, candidates.map(formatReference))
  return { candidates: candidates.filter((candidate) => formatReference(candidate) === chosen), reason: '' }
}

/** Names under which a local image may be meant by `reference`, best first: alias, localhost/, search registries, docker.io. */
export function localCandidates(reference: Reference, registries: RegistriesConfig): QualifiedReference[] {
  if (!isShortName(reference)) return [withDefaultTag(qualifyReference(reference, reference.domain))]
  const alias = resolveAlias(reference, registries)
  const hosts = ['localhost', ...registries.searchRegistries, 'docker.io']
  const candidates = hosts.map((host) => withDefaultTag(qualifyReference(reference, host)))
  return alias === undefined ? candidates : [alias.reference, ...candidates]
}

function resolveAlias(reference: Reference, registries: RegistriesConfig): { reference: QualifiedReference; origin: string } | undefined {
  const alias = registries.aliases.get(reference.path)
  if (alias === undefined || alias.value === '') return undefined
  const target = parseReference(alias.value)
  const suffix = { ...(reference.tag === undefined ? {} : { tag: reference.tag }), ...(reference.digest === undefined ? {} : { digest: reference.digest }) }
  return { reference: withDefaultTag(qualifyReference({ ...target, ...suffix }, target.domain)), origin: alias.origin }
}

/** Which of a repository's tags a rule of a source file means. */
import { TpodError, errorMessage } from '../../errors/tpod-error.ts'
import type { EndpointOptions, TransportContext } from '../types.ts'
import { compareVersions, parseConstraint, parseVersion } from './semver-constraint.ts'
import type { NewestRule } from './source-file.ts'

/** Images looked at in parallel to find their dates. */
const parallelInspects = 4

/** Found anywhere in the tag, as Go's MatchString does. Throws BAD_REGEX. */
export function tagsByRegex(regex: string): (tag: string) => boolean {
  const pattern = compileGoRegex(regex)
  return (tag) => pattern.test(tag)
}

/** Tags that are no versions never suit. Throws BAD_CONSTRAINT. */
export function tagsBySemver(constraint: string): (tag: string) => boolean {
  const suits = parseConstraint(constraint)
  return (tag) => {
    const version = parseVersion(tag)
    return version !== undefined && suits(version)
  }
}

/** The newest first. By creation every tag's config is read; images that say no date are the oldest. */
export async function newestTags(context: TransportContext, repository: string, tags: readonly string[], rule: NewestRule, endpoint: EndpointOptions): Promise<string[]> {
  const suits = rule.tagRegex === undefined ? undefined : tagsByRegex(rule.tagRegex)
  const candidates = suits === undefined ? [...tags] : tags.filter(suits)
  if (rule.by === 'semver') {
    const versions = candidates.flatMap((tag) => {
      const version = parseVersion(tag)
      return version === undefined ? [] : [{ tag, version }]
    })
    return versions.toSorted((a, b) => compareVersions(b.version, a.version)).slice(0, rule.count).map(({ tag }) => tag)
  }
  const { inspectRemote } = await import('../remote/inspect-remote.ts')
  const dated = await mapParallel(candidates, parallelInspects, async (tag) => {
    const { Created } = await inspectRemote(context, `docker://${repository}:${tag}`, { endpoint, noTags: true })
    return { tag, created: Created === null ? 0 : Date.parse(Created) }
  })
  return dated.toSorted((a, b) => b.created - a.created).slice(0, rule.count).map(({ tag }) => tag)
}

/** In order; the first failure is thrown once all that were begun have ended. */
export async function mapParallel<T, R>(items: readonly T[], parallel: number, act: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const failures: unknown[] = []
  const work = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++
      try {
        results[index] = await act(items[index] as T, index)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(Math.max(1, parallel), items.length) }, work))
  if (failures.length > 0) throw failures[0]
  return results
}

/** Go's syntax, as far as tags can tell: flags at the beginning, \A and \z, named groups, POSIX classes. */
function compileGoRegex(regex: string): RegExp {
  const classes: Readonly<Record<string, string>> = { alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z', word: '\\w', xdigit: '0-9A-Fa-f', punct: '!-/:-@\\[-`{-~' }
  const flags = /^\(\?([ims]+)\)/.exec(regex)
  const body = (flags === null ? regex : regex.slice(flags[0].length))
    .replaceAll('(?P<', '(?<').replaceAll('\\A', '^').replaceAll('\\z', '$')
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => classes[name] ?? whole)
  try {
    return new RegExp(body, flags?.[1] ?? '')
  } catch (cause) {
    throw new TpodError('BAD_REGEX', `error parsing regexp ${JSON.stringify(regex)}: ${errorMessage(cause)}`, { cause })
  }
}

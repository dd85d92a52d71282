/**
 * Version constraints as skopeo's source files write them, with the semantics of Go's Masterminds/semver, which differ
 * from npm's: a bare `1.2` means `~1.2`, `>1` begins at 2.0.0, and a pre-release needs one among the comparators beside.
 */
import { TpodError } from '../../errors/tpod-error.ts'

export interface Version {
  major: number
  minor: number
  patch: number
  prerelease: string
}

interface Comparator {
  operator: string
  version: Version
  /** A part is absent, or `x`, `X`, `*`. */
  isMinorOpen: boolean
  isPatchOpen: boolean
  isOpen: boolean
}

const identifiers = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*'
const versionPattern = new RegExp(`^v?(\\d+)(?:\\.(\\d+))?(?:\\.(\\d+))?(?:-(${identifiers}))?(?:\\+${identifiers})?$`)
const part = '(?:\\d+|[xX*])'
const openVersion = `v?(${part})(?:\\.(${part}))?(?:\\.(${part}))?(?:-(${identifiers}))?(?:\\+${identifiers})?`
const operators = '=|!=|>=|=>|<=|=<|>|<|~>|~|\\^|'
const comparatorPattern = new RegExp(`^(${operators})\\s*${openVersion}$`)
const comparatorsPattern = new RegExp(`(?:${operators})\\s*${openVersion.replaceAll(/\((?!\?)/g, '(?:')}`, 'g')
const hyphenPattern = new RegExp(`(${openVersion.replaceAll(/\((?!\?)/g, '(?:')})\\s+-\\s+(${openVersion.replaceAll(/\((?!\?)/g, '(?:')})`, 'g')

/** Undefined for what is no version; `v1` and `1.2` are completed with zeros. */
export function parseVersion(text: string): Version | undefined {
  const match = versionPattern.exec(text)
  if (match === null) return undefined
  const [major, minor, patch] = [match[1], match[2], match[3]].map((digits) => Number(digits ?? 0)) as [number, number, number]
  const prerelease = match[4] ?? ''
  if (![major, minor, patch].every(Number.isSafeInteger)) return undefined
  // Numbers of a pre-release have no leading zeros.
  if (prerelease.split('.').some((word) => /^0\d+$/.test(word))) return undefined
  return { major, minor, patch, prerelease }
}

/** A test for versions. Throws BAD_CONSTRAINT. */
export function parseConstraint(text: string): (version: Version) => boolean {
  const alternatives = text.replaceAll(hyphenPattern, '>=$1,<=$2').split('||').map((alternative) => parseAlternative(alternative, text))
  return (version) => alternatives.some((comparators) => {
    if (version.prerelease !== '' && comparators.every((comparator) => comparator.version.prerelease === '')) return false
    return comparators.every((comparator) => suits(version, comparator))
  })
}

/** Negative if a comes before b; by semver.org, rule 11. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePrerelease(a.prerelease, b.prerelease)
}

function parseAlternative(alternative: string, whole: string): Comparator[] {
  const words = alternative.match(comparatorsPattern) ?? []
  const rest = alternative.replaceAll(comparatorsPattern, '')
  if (words.length === 0 || /[^\s,]/.test(rest)) throw new TpodError('BAD_CONSTRAINT', `improper constraint: ${whole}`)
  return words.map((word) => parseComparator(word.trim(), whole))
}

function parseComparator(word: string, whole: string): Comparator {
  const match = comparatorPattern.exec(word)
  if (match === null) throw new TpodError('BAD_CONSTRAINT', `improper constraint: ${whole}`)
  const [, operator = '', major, minor, patch, prerelease = ''] = match
  const isAny = isOpenPart(major)
  // `*` suits everything: at least 0.0.0.
  if (isAny) return { operator: /^(?:!=|[<>]=?|=[<>])$/.test(operator) ? operator : '>=', version: { major: 0, minor: 0, patch: 0, prerelease }, isMinorOpen: false, isPatchOpen: false, isOpen: false }
  const isMinorOpen = isOpenPart(minor)
  const isPatchOpen = isMinorOpen || isOpenPart(patch)
  return {
    operator,
    version: { major: Number(major), minor: isMinorOpen ? 0 : Number(minor), patch: isPatchOpen ? 0 : Number(patch), prerelease },
    isMinorOpen, isPatchOpen, isOpen: isPatchOpen,
  }
}

function isOpenPart(digits: string | undefined): boolean {
  return digits === undefined || /^[xX*]$/.test(digits)
}

function suits(version: Version, comparator: Comparator): boolean {
  const { operator, version: wanted } = comparator
  switch (operator) {
    case '!=': return differs(version, comparator)
    case '>': return isGreater(version, comparator)
    case '<': return compareVersions(version, wanted) < 0
    case '>=': case '=>': return compareVersions(version, wanted) >= 0
    case '<=': case '=<': return isAtMost(version, comparator)
    case '~': case '~>': return suitsTilde(version, comparator)
    case '^': return suitsCaret(version, comparator)
    default: return comparator.isOpen ? suitsTilde(version, comparator) : compareVersions(version, wanted) === 0
  }
}

function differs(version: Version, { version: wanted, isMinorOpen, isPatchOpen, isOpen }: Comparator): boolean {
  if (!isOpen) return compareVersions(version, wanted) !== 0
  if (version.major !== wanted.major) return true
  if (isMinorOpen) return false
  return version.minor !== wanted.minor || (!isPatchOpen && version.patch !== wanted.patch)
}

function isGreater(version: Version, { version: wanted, isMinorOpen, isOpen }: Comparator): boolean {
  if (!isOpen) return compareVersions(version, wanted) > 0
  if (version.major !== wanted.major) return version.major > wanted.major
  // 11.1.0 is not beyond `11`, nor 11.1.1 beyond `11.1`.
  return isMinorOpen ? false : version.minor > wanted.minor
}

function isAtMost(version: Version, { version: wanted, isMinorOpen, isOpen }: Comparator): boolean {
  if (!isOpen) return compareVersions(version, wanted) <= 0
  if (version.major !== wanted.major) return version.major < wanted.major
  return isMinorOpen || version.minor <= wanted.minor
}

function suitsTilde(version: Version, { version: wanted, isMinorOpen, isPatchOpen }: Comparator): boolean {
  if (compareVersions(version, wanted) < 0) return false
  // Everything, as the reference implementation has it.
  if (wanted.major === 0 && wanted.minor === 0 && wanted.patch === 0 && !isMinorOpen && !isPatchOpen) return true
  return version.major === wanted.major && (isMinorOpen || version.minor === wanted.minor)
}

function suitsCaret(version: Version, { version: wanted, isMinorOpen, isPatchOpen }: Comparator): boolean {
  if (compareVersions(version, wanted) < 0 || version.major !== wanted.major) return false
  if (wanted.major > 0 || isMinorOpen) return true
  if (version.minor !== wanted.minor) return false
  return wanted.minor > 0 || isPatchOpen || version.patch === wanted.patch
}

function comparePrerelease(a: string, b: string): number {
  if (a === b) return 0
  if (a === '') return 1
  if (b === '') return -1
  const [left, right] = [a.split('.'), b.split('.')]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [x, y] = [left[at], right[at]]
    if (x === undefined) return -1
    if (y === undefined) return 1
    if (x === y) continue
    const [isNumber, isOtherNumber] = [/^\d+$/.test(x), /^\d+$/.test(y)]
    if (isNumber && isOtherNumber) return Number(x) - Number(y)
    if (isNumber !== isOtherNumber) return isNumber ? -1 : 1
    return x < y ? -1 : 1
  }
  return 0
}

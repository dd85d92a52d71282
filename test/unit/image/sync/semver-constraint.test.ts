import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareVersions, parseConstraint, parseVersion, type Version } from '../../../../src/image/sync/semver-constraint.ts'

function suits(constraint: string, version: string): boolean {
  return parseConstraint(constraint)(parseVersion(version) as Version)
}

test('versions are completed, with or without v; what is none is none', () => {
  assert.deepEqual(parseVersion('v1.2'), { major: 1, minor: 2, patch: 0, prerelease: '' })
  assert.deepEqual(parseVersion('1.2.3-rc.1+build'), { major: 1, minor: 2, patch: 3, prerelease: 'rc.1' })
  for (const text of ['latest', '1.2.3.4', '', '1.2.3-01', '3.14-']) assert.equal(parseVersion(text), undefined, text)
})

test('the order is that of semver.org', () => {
  const order = ['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '1.0.1', '1.10.0']
  const versions = order.toReversed().map((text) => ({ text, version: parseVersion(text) as Version }))
  assert.deepEqual(versions.toSorted((a, b) => compareVersions(a.version, b.version)).map(({ text }) => text), order)
})

test('constraints mean what Masterminds/semver takes them for', () => {
  const cases: [constraint: string, fitting: string[], others: string[]][] = [
    ['>= 3.12.0', ['3.12.0', '3.12', '4.0.0'], ['3.11.9', '3.13.0-rc1']],
    ['1.2', ['1.2.0', '1.2.9'], ['1.3.0', '1.1.9']],
    ['1.2.3', ['1.2.3', 'v1.2.3'], ['1.2.4']],
    ['1.x', ['1.0.0', '1.9.9'], ['2.0.0']],
    ['>1', ['2.0.0'], ['1.0.1', '1.9.0']],
    ['>11.1', ['11.2.0', '12.0.0'], ['11.1.1']],
    ['<=1.2', ['1.2.9', '0.1.0'], ['1.3.0', '2.0.0']],
    ['!=1.2.x', ['1.3.0'], ['1.2.0', '1.2.7']],
    ['~1.2.3', ['1.2.3', '1.2.9'], ['1.3.0', '1.2.2']],
    ['~1', ['1.9.9'], ['2.0.0']],
    ['^0.2.3', ['0.2.3', '0.2.9'], ['0.3.0', '0.2.2']],
    ['^0.0.3', ['0.0.3'], ['0.0.4']],
    ['^0', ['0.9.0'], ['1.0.0']],
    ['^1.2', ['1.2.0', '1.9.0'], ['2.0.0', '1.1.0']],
    ['1.2 - 1.4.5', ['1.2.0', '1.4.5'], ['1.4.6', '1.1.9']],
    ['>=1.0, <2.0 || >3.1.4', ['1.5.0', '3.1.5'], ['2.0.0', '3.1.4']],
    ['>=1.0 <2.0', ['1.5.0'], ['2.0.0']],
    ['>=1.2.0-0 <2', ['1.2.0-rc1', '1.3.0-beta'], ['2.0.0']],
    ['*', ['0.0.0', '9.9.9'], ['1.0.0-rc1']],
  ]
  for (const [constraint, fitting, others] of cases) {
    for (const version of fitting) assert.ok(suits(constraint, version), `${constraint} takes ${version}`)
    for (const version of others) assert.ok(!suits(constraint, version), `${constraint} refuses ${version}`)
  }
})

test('what is no constraint is refused', () => {
  for (const text of ['', 'newest', '>=1.2.3.4', '>= <1', '1.2 nonsense']) assert.throws(() => parseConstraint(text), { code: 'BAD_CONSTRAINT' }, text)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReference, parseNormalizedReference, parseReference, splitStoredName, withDefaultTag, withoutRedundantTag } from '../../../src/oci/reference.ts'

const digest = 'sha256:' + 'ab'.repeat(32)

const normalized: [string, string][] = [
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36'],
  ['a/b', 'docker.io/a/b:latest'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['localhost/x', 'localhost/x:latest'],
  ['localhost:5000/x:y', 'localhost:5000/x:y'],
  ['quay.io/a/b/c:V1.0_x-y', 'quay.io/a/b/c:V1.0_x-y'],
  [`quay.io/a@${digest}`, `quay.io/a@${digest}`],
  [`quay.io/a:tag@${digest}`, `quay.io/a@${digest}`],
  ['docker://quay.io/a:t', 'quay.io/a:t'],
  ['[::1]:5000/x', '[::1]:5000/x:latest'],
  ['UPPER/x', 'UPPER/x:latest'],
  ['a__b/c--d/e.f', 'docker.io/a__b/c--d/e.f:latest'],
]
for (const [input, expected] of normalized) {
  test(`${input} means ${expected}`, () => {
    assert.equal(formatReference(withDefaultTag(withoutRedundantTag(parseNormalizedReference(input)))), expected)
  })
}

const refused: [string, RegExp][] = [
  ['', /empty/],
  ['UpperCase', /invalid reference format: repository name must be lowercase/],
  ['quay.io/UpperCase', /must be lowercase/],
  ['a//b', /component ""/],
  ['../../etc/passwd', /./],
  ['a:b:c', /./],
  ['a:', /invalid tag/],
  ['a:-x', /invalid tag/],
  ['a:' + 'x'.repeat(129), /invalid tag/],
  ['a@sha256:abc', /invalid digest/],
  ['a@sha256:' + 'AB'.repeat(32), /invalid digest/],
  ['a@sha512:' + 'ab'.repeat(64), /sha512 is not supported/],
  ['a@sha256:../../../../etc', /invalid digest/],
  ['-a', /component/],
  ['a_', /component/],
  ['a___b', /component/],
  ['quay.io:port/x', /registry host/],
  ['quay..io/x', /registry host/],
  ['a b', /component/],
  ['a\nb', /component/],
  ['ab'.repeat(32), /image id/],
  ['quay.io/' + 'a/'.repeat(150) + 'a', /longer than 255/],
]
for (const [input, why] of refused) {
  test(`${JSON.stringify(input.slice(0, 30))} is refused`, () => {
    assert.throws(() => parseReference(input), { code: 'BAD_REFERENCE', message: why })
  })
}

test('a short name keeps no host', () => {
  assert.deepEqual(parseReference('a/b:c'), { domain: '', path: 'a/b', tag: 'c' })
})

test('stored names are split at tag and digest', () => {
  assert.deepEqual(splitStoredName('h:5000/a/b:c'), { repository: 'h:5000/a/b', tag: 'c' })
  assert.deepEqual(splitStoredName('h:5000/a/b'), { repository: 'h:5000/a/b' })
  assert.deepEqual(splitStoredName(`h/a@${digest}`), { repository: 'h/a', digest })
})

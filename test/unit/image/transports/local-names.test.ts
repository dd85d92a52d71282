import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanName } from '../../../../src/image/transports/archive-files.ts'
import { parseDockerArchiveName } from '../../../../src/image/transports/docker-archive-name.ts'
import { addLayoutEntry, newLayoutIndex, referenceAnnotation } from '../../../../src/image/transports/oci-layout-index.ts'
import { parseLayoutName } from '../../../../src/image/transports/oci-layout-name.ts'

test('oci: a path, and after its first colon a reference or a number', () => {
  assert.deepEqual(parseLayoutName('oci', '/a/b'), { path: '/a/b' })
  assert.deepEqual(parseLayoutName('oci', 'a:'), { path: 'a' })
  assert.deepEqual(parseLayoutName('oci', 'a:docker.io/x/y:1.0'), { path: 'a', reference: 'docker.io/x/y:1.0' })
  assert.deepEqual(parseLayoutName('oci', 'a:@7'), { path: 'a', index: 7 })
  for (const bad of ['', ':x', 'a:/x', 'a:x..y', 'a:x y', 'a:@', 'a:@-1', 'a:@x']) assert.throws(() => parseLayoutName('oci', bad), { code: 'BAD_IMAGE_NAME' }, bad)
})

test('docker-archive: a path, a name with a tag, or a number', () => {
  assert.deepEqual(parseDockerArchiveName('/a.tar'), { path: '/a.tar' })
  assert.equal(parseDockerArchiveName('a:busybox').reference?.name, 'docker.io/library/busybox')
  assert.equal(parseDockerArchiveName('a:busybox').reference?.tag, 'latest')
  assert.deepEqual(parseDockerArchiveName('a:@0'), { path: 'a', index: 0 })
  for (const bad of ['', ':x', 'a:', 'a:@-1', 'a:@x', `a:x@sha256:${'0'.repeat(64)}`]) assert.throws(() => parseDockerArchiveName(bad), bad)
})

test('names of members', () => {
  assert.equal(cleanName('./a//b/../c'), 'a/c')
  assert.equal(cleanName('/a'), 'a')
  for (const out of ['..', '../a', 'a/../..', '', '.', '/']) assert.equal(cleanName(out), undefined, out)
})

test('a name moves to the image added last; the former one stays without it', () => {
  const entry = (digit: string, name?: string) => ({ mediaType: 'm', digest: `sha256:${digit.repeat(64)}`, size: 1, ...(name === undefined ? {} : { annotations: { [referenceAnnotation]: name } }) })
  const index = newLayoutIndex()
  for (const one of [entry('1', 'a'), entry('2', 'b'), entry('3', 'a'), entry('1')]) addLayoutEntry(index, one)
  assert.deepEqual(index.manifests, [entry('1'), entry('2', 'b'), entry('3', 'a')])
})

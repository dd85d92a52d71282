import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { describeStored, findStoredImage, parseStorageReference, parseStorePlace, storageIdentity } from '../../../../src/image/transports/storage-reference.ts'
import { formatReference } from '../../../../src/oci/reference.ts'
import { openStore } from '../../../../src/storage/open-store.ts'
import type { Store } from '../../../../src/storage/types.ts'

const id = 'abcdef'.repeat(11).slice(0, 64)
const digest = `sha256:${'7'.repeat(64)}`
let directory: string
let store: Store
before(async () => {
  directory = mkdtempSync('/var/tmp/tpod-test-')
  store = await openStore({ graphRoot: join(directory, 'root'), runRoot: join(directory, 'run'), driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
  await store.putImage({ id, digest, names: ['docker.io/library/busybox:latest'], bigData: new Map() })
})
after(() => rmSync(directory, { recursive: true, force: true }))

test('stores in brackets', () => {
  assert.deepEqual(parseStorePlace('busybox'), { place: undefined, rest: 'busybox' })
  assert.deepEqual(parseStorePlace('[overlay@/a/b+/c:x=1,y=2]n:t@i'), { place: { driver: 'overlay', graphRoot: '/a/b', runRoot: '/c', options: ['x=1', 'y=2'] }, rest: 'n:t@i' })
  assert.deepEqual(parseStorePlace('[/a]n'), { place: { graphRoot: '/a' }, rest: 'n' })
  assert.deepEqual(parseStorePlace('[overlay@/a:o=/x:z]n'), { place: { driver: 'overlay', graphRoot: '/a', options: ['o=/x:z'] }, rest: 'n' })
  for (const text of ['[', '[]n', '[@/a]n', '[overlay@]n', '[relative]n', '[overlay@/a+run]n', '[/a']) assert.throws(() => parseStorePlace(text), { code: 'BAD_IMAGE_NAME' }, text)
})

test('names, ids and both', async () => {
  const shown = async (text: string): Promise<string> => {
    const { reference, imageId } = await parseStorageReference(store, text)
    return `${reference === undefined ? '' : formatReference(reference)}|${imageId?.slice(0, 6) ?? ''}`
  }
  assert.equal(await shown('busybox'), 'docker.io/library/busybox:latest|')
  assert.equal(await shown(`@${id}`), '|abcdef')
  assert.equal(await shown('abcdefabc'), '|abcdef')
  assert.equal(await shown('@abcdefabc'), '|abcdef')
  assert.equal(await shown(`h.io/x:1@${id}`), 'h.io/x:1|abcdef')
  assert.equal(await shown(`h.io/x@${digest}`), `h.io/x@${digest}|`)
  assert.equal(await shown(`h.io/x@${digest}@${id}`), `h.io/x@${digest}|abcdef`)
  // The beginning of no image's id is a name.
  assert.equal(await shown('fedora'), 'docker.io/library/fedora:latest|')
  for (const text of ['', '@', 'x@', 'x@zz', `x@${'0'.repeat(63)}`]) await assert.rejects(parseStorageReference(store, text), { code: 'BAD_IMAGE_NAME' }, text)
})

test('what is found, and what it is called', async () => {
  assert.equal((await findStoredImage(store, await parseStorageReference(store, 'busybox'))).id, id)
  assert.equal((await findStoredImage(store, await parseStorageReference(store, `busybox@${digest}`))).id, id)
  await assert.rejects(findStoredImage(store, await parseStorageReference(store, 'none')), { code: 'NO_SUCH_IMAGE', message: /reference "\[overlay@.*\]docker\.io\/library\/none:latest" does not resolve to an image ID/ })
  await assert.rejects(findStoredImage(store, { imageId: '0'.repeat(64) }), { code: 'NO_SUCH_IMAGE' })
  const named = await parseStorageReference(store, 'busybox')
  assert.equal(describeStored(store, named), `[overlay@${store.graphRoot}+${store.runRoot}]docker.io/library/busybox:latest`)
  assert.equal(storageIdentity(store, named).policyScopes[0], `[overlay@${store.graphRoot}]docker.io/library/busybox:latest`)
})

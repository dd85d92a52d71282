import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { openPartialBlobs, prunePartialBlobs } from '../../../../src/image/pull/partial-blobs.ts'
import type { ImageSource } from '../../../../src/image/types.ts'
import { openStore } from '../../../../src/storage/open-store.ts'
import type { Store } from '../../../../src/storage/types.ts'

const directory = mkdtempSync('/var/tmp/tpod-test-')
after(() => rmSync(directory, { recursive: true, force: true }))
let store: Store
let count = 0
beforeEach(async () => {
  const place = join(directory, String(++count))
  store = await openStore({ graphRoot: join(place, 'root'), runRoot: join(place, 'run'), driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
})

const content = randomBytes(5 * 2 ** 20)
const digest = 'sha256:' + createHash('sha256').update(content).digest('hex')
const offsets: number[] = []

/** Breaks after `until` bytes of the blob. */
function source(until = Infinity): ImageSource {
  return {
    description: 'test', identity: { transport: 'docker', name: '//test', policyScopes: [] },
    getManifest: () => Promise.reject(new Error('none')),
    async *getBlob(_, { offset = 0 } = {}) {
      offsets.push(offset)
      for (let at = offset; at < content.length; at += 65536) {
        if (at >= until) throw new Error('cut')
        yield Uint8Array.from(content.subarray(at, at + 65536))
      }
    },
    close: async () => undefined,
  }
}

async function read(from: ImageSource, sizeBytes = content.length): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of from.getBlob(digest, { sizeBytes })) chunks.push(Uint8Array.from(chunk))
  return Buffer.concat(chunks)
}
const kept = (): string[] => (existsSync(`${store.ownDirectory}/partial-blobs`) ? readdirSync(`${store.ownDirectory}/partial-blobs`) : [])

test('the rest alone is asked for; the bytes go when the layer is stored', async () => {
  const first = openPartialBlobs(store)
  await assert.rejects(read(first.resuming(source(3 * 2 ** 20))), /cut/)
  first.close()
  assert.deepEqual(kept(), [digest.slice(7)])
  assert.equal(statSync(`${store.ownDirectory}/partial-blobs/${digest.slice(7)}`).mode & 0o777, 0o600)
  offsets.length = 0
  const second = openPartialBlobs(store)
  assert.ok((await read(second.resuming(source()))).equals(content))
  assert.deepEqual(offsets, [3 * 2 ** 20])
  second.drop(digest)
  second.close()
  assert.deepEqual(kept(), [])
})

test('a blob that came whole but was not stored is not asked for at all', async () => {
  const first = openPartialBlobs(store)
  await read(first.resuming(source()))
  first.close()
  offsets.length = 0
  const second = openPartialBlobs(store)
  assert.ok((await read(second.resuming(source()))).equals(content))
  assert.deepEqual(offsets, [])
  assert.equal(second.dropAll(), true, 'all of it was from before')
  assert.deepEqual(kept(), [])
})

test('somebody else at the same blob: it is fetched without being kept', async () => {
  const one = openPartialBlobs(store)
  const half = one.resuming(source()).getBlob(digest, { sizeBytes: content.length })[Symbol.asyncIterator]()
  await half.next()
  await half.next()
  offsets.length = 0
  const other = openPartialBlobs(store)
  assert.ok((await read(other.resuming(source()))).equals(content))
  assert.deepEqual(offsets, [0])
  assert.equal(await prunePartialBlobs(store, { olderThanMs: 0 }), 0, 'it is in use')
  other.close()
  await half.return?.()
  one.close()
  assert.ok((await prunePartialBlobs(store, { olderThanMs: 0 })) > 0)
  assert.deepEqual(kept(), [])
})

test('small blobs and blobs of unknown size are not kept; nothing is made for them', async () => {
  const partials = openPartialBlobs(store)
  const wrapped = partials.resuming(source())
  for await (const _ of wrapped.getBlob(digest)) break
  for await (const _ of wrapped.getBlob(digest, { sizeBytes: 1000 })) break
  assert.equal(existsSync(store.graphRoot), false)
  partials.close()
})

for (const kind of ['a FIFO', 'a link', 'an empty file']) {
  test(`${kind} in the place of a partial blob: the blob is fetched whole, and what was there goes`, async () => {
    const place = `${store.ownDirectory}/partial-blobs/${digest.slice(7)}`
    mkdirSync(`${store.ownDirectory}/partial-blobs`, { recursive: true })
    const victim = join(directory, 'victim')
    writeFileSync(victim, 'untouched')
    const put = (): void => {
      if (kind === 'a FIFO') execFileSync('mkfifo', [place])
      else if (kind === 'a link') symlinkSync(victim, place)
      else writeFileSync(place, '')
    }
    put()
    offsets.length = 0
    const partials = openPartialBlobs(store)
    assert.ok((await read(partials.resuming(source()))).equals(content))
    assert.deepEqual(offsets, [0])
    partials.drop(digest)
    partials.close()
    assert.deepEqual(kept(), [])
    put()
    await prunePartialBlobs(store)
    assert.deepEqual(kept(), [])
    assert.equal(readFileSync(victim, 'utf8'), 'untouched')
  })
}

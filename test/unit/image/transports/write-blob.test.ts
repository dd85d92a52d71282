import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { writeBlobFile } from '../../../../src/image/transports/write-blob.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-blob-'))
const blob = { kind: 'layer', mediaType: 'application/vnd.oci.image.layer.v1.tar' } as const

after(() => rmSync(directory, { recursive: true }))

describe('writeBlobFile', () => {
  test('a blob lies under its digest, whole', async () => {
    async function* bytes(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < 5; index++) yield Buffer.alloc(700_000, index)
    }
    const { digest, sizeBytes } = await writeBlobFile(bytes(), blob, directory, (name) => join(directory, name.slice(7)))
    assert.equal(sizeBytes, 3_500_000)
    assert.deepEqual(readdirSync(directory), [digest.slice(7)])
    const content = readFileSync(join(directory, digest.slice(7)))
    assert.ok([0, 1, 2, 3, 4].every((index) => content.subarray(index * 700_000, (index + 1) * 700_000).every((byte) => byte === index)))
  })

  test('one that breaks off leaves no write behind, which would go into the file that has its descriptor next', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1024 * 1024)
      throw new Error('the connection broke')
    }
    for (let round = 0; round < 4; round++) {
      // The pool is busy, as it is while other layers are compressed.
      const busy = Array.from({ length: 6 }, () => new Promise((resolve) => pbkdf2('password', 'salt', 20_000, 64, 'sha512', resolve)))
      await assert.rejects(writeBlobFile(broken(), blob, directory, () => join(directory, 'never')), /the connection broke/)
      const next = openSync(join(directory, `next-${round}`), 'w')
      await Promise.all(busy)
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(fstatSync(next).size, 0)
      closeSync(next)
    }
    assert.ok(!readdirSync(directory).some((name) => name.startsWith('.tmp')))
  })
})

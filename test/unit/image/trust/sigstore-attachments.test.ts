import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attachmentTag, readSigstoreAttachments, writeSigstoreAttachments } from '../../../../src/image/trust/sigstore-attachments.ts'
import type { AttachmentRepository } from '../../../../src/image/trust/sigstore-attachments.ts'
import type { Signature } from '../../../../src/image/types.ts'
import { digestOf } from '../../../../src/oci/digest.ts'

type Sigstore = Extract<Signature, { kind: 'sigstore' }>
const image = digestOf('an image')
const type = 'application/vnd.dev.cosign.simplesigning.v1+json'
const signature = (text: string, annotations: Record<string, string> = { 'dev.cosignproject.cosign/signature': text }): Sigstore => ({ kind: 'sigstore', mediaType: type, payload: Buffer.from(text), annotations })

function memoryRepository(): AttachmentRepository & { tags: Map<string, Uint8Array>; blobs: Map<string, Uint8Array>; writes: number } {
  const [tags, blobs] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()]
  return {
    name: 'a.b/c', tags, blobs, writes: 0,
    async getManifest(tag) {
      const bytes = tags.get(tag)
      return bytes === undefined ? undefined : { bytes, mediaType: 'application/vnd.oci.image.manifest.v1+json' }
    },
    getBlob: async (digest) => blobs.get(digest) ?? Buffer.alloc(0),
    async putBlob(bytes, digest) {
      blobs.set(digest, bytes)
    },
    async putManifest(tag, bytes) {
      this.writes++
      tags.set(tag, bytes)
    },
  }
}

test('signatures are added to those that others made, and never twice', async () => {
  const repository = memoryRepository()
  assert.deepEqual(await readSigstoreAttachments(repository, image), [])
  await writeSigstoreAttachments(repository, [signature('one')], image)
  await writeSigstoreAttachments(repository, [signature('two'), signature('one')], image)
  assert.deepEqual(await readSigstoreAttachments(repository, image), [signature('one'), signature('two')])
  await writeSigstoreAttachments(repository, [signature('one'), signature('two')], image)
  assert.equal(repository.writes, 2)
  await writeSigstoreAttachments(repository, [signature('one', { 'dev.cosignproject.cosign/signature': 'by another key' })], image)
  assert.equal((await readSigstoreAttachments(repository, image)).length, 3)
  const manifest = JSON.parse(Buffer.from(repository.tags.get(attachmentTag(image)) ?? '').toString()) as { config: { digest: string } }
  const config = JSON.parse(Buffer.from(repository.blobs.get(manifest.config.digest) ?? '').toString()) as { rootfs: { diff_ids: string[] } }
  assert.deepEqual(config.rootfs.diff_ids, [digestOf('one'), digestOf('two'), digestOf('one')])
})

test('the tag is that of cosign', () => {
  assert.equal(attachmentTag(`sha256:${'a'.repeat(64)}`), `sha256-${'a'.repeat(64)}.sig`)
  assert.throws(() => attachmentTag('sha256:x/../y'), { code: 'BAD_DIGEST' })
})

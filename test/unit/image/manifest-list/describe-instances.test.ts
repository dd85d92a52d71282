import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeInstances } from '../../../../src/image/manifest-list/describe-instances.ts'
import { createListSource } from '../../../../src/image/manifest-list/list-source.ts'
import type { ImageSource, RawManifest } from '../../../../src/image/types.ts'
import { digestOf } from '../../../../src/oci/digest.ts'
import { ociConfig, ociIndex, ociManifest } from '../../../../src/oci/media-types.ts'

const platform = { os: 'linux', architecture: 'amd64' }
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

interface Fixture { raw: RawManifest; blobs: Map<string, Buffer> }

function image(architecture: string, extra: Record<string, unknown> = {}): Fixture {
  const config = bytesOf({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, ...extra })
  const bytes = bytesOf({ schemaVersion: 2, mediaType: ociManifest, config: { mediaType: ociConfig, digest: digestOf(config), size: config.length }, layers: [] })
  return { raw: { bytes, digest: digestOf(bytes), mediaType: ociManifest }, blobs: new Map([[digestOf(config), config]]) }
}

function index(entries: readonly Record<string, unknown>[]): RawManifest {
  const bytes = bytesOf({ schemaVersion: 2, mediaType: ociIndex, manifests: entries })
  return { bytes, digest: digestOf(bytes), mediaType: ociIndex }
}

function sourceOf(own: RawManifest, images: readonly Fixture[]): ImageSource & { closed: number } {
  return {
    description: 'test', identity: { transport: 'dir', name: '/x', policyScopes: [] }, closed: 0,
    getManifest: async (digest) => {
      const found = digest === undefined || digest === own.digest ? own : images.find(({ raw }) => raw.digest === digest)?.raw
      if (found === undefined) throw new Error(`no ${digest}`)
      return found
    },
    async *getBlob(digest) {
      yield images.flatMap(({ blobs }) => blobs.get(digest) ?? [])[0] as Buffer
    },
    async close() {
      this.closed++
    },
  }
}

const entryOf = ({ raw }: Fixture, rest: Record<string, unknown> = {}): Record<string, unknown> => ({ mediaType: ociManifest, digest: raw.digest, size: raw.bytes.length, ...rest })

test('a single image: its config tells the platform', async () => {
  const arm = image('arm', { variant: 'v7', 'os.version': '5', 'os.features': ['f'] })
  assert.deepEqual(await describeInstances(sourceOf(arm.raw, [arm]), { platform }), [{
    mediaType: ociManifest, digest: arm.raw.digest, size: arm.raw.bytes.length, platform: { architecture: 'arm', os: 'linux', 'os.version': '5', 'os.features': ['f'], variant: 'v7' },
  }])
})

test('an index: this machine\'s image, or all; what it leaves out comes from the configs', async () => {
  const [amd, arm] = [image('amd64'), image('arm64')]
  const own = index([entryOf(amd, { platform, annotations: { a: 'b' } }), entryOf(arm)])
  const source = sourceOf(own, [amd, arm])
  assert.deepEqual((await describeInstances(source, { platform })).map(({ digest, annotations }) => [digest, annotations]), [[amd.raw.digest, undefined]])
  assert.deepEqual((await describeInstances(source, { platform, all: true })).map((entry) => entry.platform), [{ architecture: 'amd64', os: 'linux' }, { architecture: 'arm64', os: 'linux' }])
  await assert.rejects(describeInstances(source, { platform: { os: 'linux', architecture: 's390x' } }), { code: 'NO_MATCHING_PLATFORM' })
})

test('a config that is not the one of the manifest is refused, one that is too large not read', async () => {
  const amd = image('amd64')
  const [digest] = [...amd.blobs.keys()] as [string]
  const forged = { ...amd, blobs: new Map([[digest, bytesOf({ architecture: 'x', os: 'y', rootfs: { type: 'layers', diff_ids: [] } })]]) }
  await assert.rejects(describeInstances(sourceOf(amd.raw, [forged]), { platform }), { code: 'DIGEST_MISMATCH' })
  const bytes = bytesOf({ schemaVersion: 2, mediaType: ociManifest, config: { mediaType: ociConfig, digest, size: 2 ** 40 }, layers: [] })
  const huge = { raw: { bytes, digest: digestOf(bytes), mediaType: ociManifest }, blobs: amd.blobs }
  await assert.rejects(describeInstances(sourceOf(huge.raw, [huge]), { platform }), { code: 'BAD_CONFIG' })
})

test('a list within a list is refused', async () => {
  const inner = index([])
  const own = index([{ mediaType: ociIndex, digest: inner.digest, size: inner.bytes.length }])
  await assert.rejects(describeInstances(sourceOf(own, [{ raw: inner, blobs: new Map() }]), { platform, all: true }), { code: 'BAD_MANIFEST' })
})

test('a list as a source: blobs come from the place whose manifest named them, each place is opened once', async () => {
  const [amd, arm] = [image('amd64'), image('arm64')]
  const own = index([entryOf(amd, { platform }), entryOf(arm, { platform: { os: 'linux', architecture: 'arm64' } })])
  const places = new Map([amd, arm].map((each) => [each.raw.digest, sourceOf(each.raw, [each])]))
  const opened: string[] = []
  const list = createListSource({
    description: 'list', identity: { transport: 'containers-storage', name: '@x', policyScopes: [] }, bytes: own.bytes, mediaType: ociIndex,
    openInstance: async (digest) => {
      opened.push(digest)
      return places.get(digest)!
    },
  })
  assert.equal((await list.getManifest()).digest, own.digest)
  const [config] = [...arm.blobs.keys()] as [string]
  await assert.rejects(list.getBlob(config)[Symbol.asyncIterator]().next(), { code: 'BLOB_UNKNOWN' })
  for (let count = 0; count < 2; count++) assert.equal((await list.getManifest(arm.raw.digest)).digest, arm.raw.digest)
  assert.deepEqual((await list.getBlob(config)[Symbol.asyncIterator]().next()).value, arm.blobs.get(config))
  assert.deepEqual(opened, [arm.raw.digest])
  await list.close()
  await list.close()
  assert.deepEqual([...places.values()].map(({ closed }) => closed), [0, 1])
})

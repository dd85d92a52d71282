/** Local images: our answers beside podman's, on the same store. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { loadRegistries } from '../../src/config/registries-conf.ts'
import { imageRows, listImages } from '../../src/image/local/list.ts'
import { inspectImage } from '../../src/image/local/inspect.ts'
import { removeImages } from '../../src/image/local/remove.ts'
import type { RemoveOptions } from '../../src/image/local/remove.ts'
import { findLocalImage } from '../../src/image/local/resolve-local.ts'
import { tagImage, untagImage } from '../../src/image/local/tag.ts'
import { openStore } from '../../src/storage/open-store.ts'
import type { Store } from '../../src/storage/types.ts'
import { TestHost } from '../support/host.ts'
import { buildLayeredImage } from '../support/images.ts'

const host = new TestHost()
let store: Store
const registries = (): ReturnType<typeof loadRegistries> => loadRegistries({ configFile: `${host.directory}/registries.conf`, configDirectory: '/nonexistent' })

before(async () => {
  buildLayeredImage(host)
  host.writeFile('Containerfile', 'FROM localhost/layers\nHEALTHCHECK --interval=5s CMD true\nEXPOSE 80\nVOLUME /data\nSTOPSIGNAL SIGUSR1\nUSER user\nENTRYPOINT ["/bin/sh"]\n')
  host.podmanOk(['build', '-q', '--format', 'docker', '--layers', '--network', 'none', '-t', 'quay.io/team/dock:1', '-f', `${host.directory}/Containerfile`, `${host.directory}/home`])
  host.podmanOk(['tag', 'localhost/layers', 'localhost/other:2', 'quay.io/team/layers'])
  store = await openStore({ graphRoot: host.graphRoot, runRoot: host.runRoot, driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
})
after(() => host.dispose())

interface PodmanImage { Id: string; ParentId: string; RepoDigests: string[]; Size: number; Labels: Record<string, string> | null; Containers: number; Names?: string[]; Digest: string; Created: number }

const imageId = (name: string): string => host.podmanOk(['image', 'inspect', '--format', '{{.Id}}', name])

async function assertSameList(all: boolean, filters: readonly string[]): Promise<void> {
  const theirs = JSON.parse(host.podmanOk(['images', ...(all ? ['-a'] : []), '--format', 'json', ...filters.flatMap((filter) => ['--filter', filter])])) as PodmanImage[]
  // podman repeats an image in its JSON for each of its names.
  const distinct = [...new Map(theirs.map((image) => [image.Id, image])).values()]
  const ours = await listImages(store, registries, { all, filters })
  const mine = await Promise.all(
    ours.map(async (entry): Promise<PodmanImage> => ({
      Id: entry.image.id, ParentId: await entry.parentId(), RepoDigests: [...entry.repoDigests], Size: entry.sizeBytes, Labels: await entry.labels(),
      Containers: entry.containers, Names: [...entry.names], Digest: entry.image.digest ?? '', Created: Math.floor(entry.createdMs / 1000),
    })),
  )
  const pick = (images: PodmanImage[]): unknown =>
    images
      .map(({ Id, ParentId, RepoDigests, Size, Labels, Containers, Names, Digest, Created }) => ({ Id, ParentId, RepoDigests: RepoDigests.toSorted(), Size, Labels: Labels ?? {}, Containers, Names: (Names ?? []).toSorted(), Digest, Created }))
      .toSorted((a, b) => (a.Id < b.Id ? -1 : 1))
  assert.deepEqual(pick(mine), pick(distinct), filters.join(' '))
}

test('the list, with and without intermediate images, and each filter', async () => {
  await assertSameList(false, [])
  await assertSameList(true, [])
  const id = imageId('localhost/layers')
  const filters = [
    'dangling=true', 'dangling=false', 'label=made=here', 'label=made', 'label!=made', 'label=none', `id=${id}`, 'readonly=true',
    'reference=layers', 'reference=*/layers*', 'reference=quay.io/team/*', 'reference=other:2', 'reference=nosuch', 'before=quay.io/team/dock:1', 'since=localhost/layers-base', 'after=localhost/layers', 'containers=true', 'containers=false', 'until=1h', 'until=2000-01-01',
  ]
  for (const filter of filters) await assertSameList(false, [filter])
  for (const filter of ['intermediate=true', 'intermediate=false']) await assertSameList(true, [filter])
  await assertSameList(false, ['label=made=here', 'reference=layers'])
})

test('newest first; a row for each name', async () => {
  const entries = await listImages(store, registries)
  assert.deepEqual(entries.map(({ createdMs }) => createdMs), entries.map(({ createdMs }) => createdMs).toSorted((a, b) => b - a))
  const rows = imageRows(entries).map(({ repository, tag }) => `${repository}:${tag}`).toSorted()
  assert.deepEqual(rows, host.podmanOk(['images', '--format', '{{.Repository}}:{{.Tag}}']).split('\n').toSorted())
})

test('filters that make no sense are refused', async () => {
  for (const filter of ['nonsense=1', 'dangling=maybe', 'label', 'digest=x', 'until=soon', 'containers=some']) {
    await assert.rejects(listImages(store, registries, { filters: [filter] }), { code: 'BAD_FILTER' }, filter)
  }
  await assert.rejects(listImages(store, registries, { filters: ['before=nosuch'] }), { code: 'NO_SUCH_IMAGE' })
})

test('inspect gives podman\'s JSON, keys in its order', async () => {
  for (const name of ['localhost/layers', 'quay.io/team/dock:1', 'localhost/layers-base']) {
    const [theirs] = JSON.parse(host.podmanOk(['image', 'inspect', name])) as [object]
    const ours = await inspectImage(store, registries, name)
    assert.deepEqual(JSON.parse(JSON.stringify(ours)), theirs)
    assert.deepEqual(Object.keys(ours), Object.keys(theirs))
  }
})

test('names are found as podman finds them', async () => {
  const id = imageId('localhost/layers')
  const digest = host.podmanOk(['image', 'inspect', '--format', '{{.Digest}}', 'localhost/layers'])
  const names = ['layers', 'layers:latest', 'localhost/layers', 'team/layers', 'quay.io/team/layers', 'other:2', 'other', 'dock', 'dock:1', 'team/dock:1', 'eam/dock:1', 'nosuch', id, `sha256:${id}`, id.slice(0, 6), `localhost/layers@${digest}`, `layers@${digest}`, `localhost/layers:ignored@${digest}`]
  for (const name of names) {
    const theirs = host.podman(['image', 'inspect', '--format', '{{.Id}}', name])
    const ours = await findLocalImage(store, registries, name)
    assert.equal(ours?.image.id, theirs.code === 0 ? theirs.stdout.trim() : undefined, name)
  }
})

test('tag and untag', async () => {
  await tagImage(store, registries, 'dock:1', ['new', 'localhost/layers-base:latest', 'registry.local:5000/a/b:c'])
  const names = host.podmanOk(['image', 'inspect', '--format', '{{range .RepoTags}}{{.}} {{end}}', 'quay.io/team/dock:1']).trim().split(' ')
  assert.deepEqual(names.toSorted(), ['localhost/layers-base:latest', 'localhost/new:latest', 'quay.io/team/dock:1', 'registry.local:5000/a/b:c'])
  await untagImage(store, registries, 'new', ['new', 'registry.local:5000/a/b:c', 'localhost/layers-base:latest'])
  await assert.rejects(untagImage(store, registries, 'dock:1', ['other:2']), { code: 'NO_SUCH_TAG' })
  await assert.rejects(tagImage(store, registries, 'dock:1', ['good', 'Bad']), { code: 'BAD_REFERENCE' })
  assert.equal(await findLocalImage(store, registries, 'good'), undefined)
})

async function remove(names: string[], options: RemoveOptions = {}): Promise<{ lines: string[]; errors: { code?: string; exitCode?: number }[] }> {
  const outcomes = await removeImages(store, registries, names, options)
  return {
    lines: outcomes.flatMap(({ value }) => [...(value?.untagged ?? []).map((name) => `Untagged: ${name}`), ...(value?.deleted ?? []).map((id) => `Deleted: ${id}`)]),
    errors: outcomes.flatMap(({ error }) => (error === undefined ? [] : [error as { code?: string; exitCode?: number }])),
  }
}

test('removing: in use, by id with several names, one name of several, the last one with its dangling parents', async () => {
  const container = host.podmanOk(['create', '--network', 'none', 'quay.io/team/dock:1', 'true'])
  const inUse = await remove(['dock:1'])
  assert.deepEqual(inUse.errors.map(({ code, exitCode }) => [code, exitCode]), [['IMAGE_IN_USE', 2]])
  host.podmanOk(['rm', container])

  const several = await remove([imageId('localhost/layers')])
  assert.deepEqual(several.errors.map(({ code }) => code), ['IMAGE_HAS_NAMES'])
  assert.deepEqual((await remove(['other:2', 'nosuch'])).lines, ['Untagged: localhost/other:2'])
  assert.deepEqual((await remove(['nosuch'])).errors.map(({ code, exitCode }) => [code, exitCode]), [['NO_SUCH_IMAGE', 1]])
  assert.deepEqual(await remove(['nosuch'], { ignore: true }), { lines: [], errors: [] })

  const dock = imageId('quay.io/team/dock:1')
  const { lines, errors } = await remove(['dock:1'])
  assert.deepEqual(errors, [])
  assert.deepEqual(lines.slice(0, 2), ['Untagged: quay.io/team/dock:1', `Deleted: ${dock}`])
  assert.equal(lines.length, 7, 'the intermediate images of five instructions go along')
  host.podmanOk(['run', '--rm', '--network', 'none', 'localhost/layers', 'true'])

  const forced = await remove([imageId('localhost/layers')], { force: true, noPrune: true })
  assert.equal(forced.lines.filter((line) => line.startsWith('Deleted')).length, 1)
  await remove([], { all: true })
  assert.equal(host.podmanOk(['images', '-aq']), '')
  assert.deepEqual(await store.listLayers(), [])
})

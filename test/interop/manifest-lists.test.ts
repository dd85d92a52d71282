/** Manifest lists that podman, buildah and tpod make and change in one store, and push to one registry. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { expectOk, spawnTpodResult, TestHost, tpodPath } from '../support/host.ts'

interface Index { mediaType: string; manifests: { mediaType: string; digest: string; platform: { architecture: string; os: string; variant?: string }; annotations?: Record<string, string> }[] | null; annotations?: Record<string, string> }

const host = new TestHost()
let registry = ''

before(async () => {
  registry = await host.startRegistry()
  for (const arch of ['amd64', 'arm64']) {
    const tar = join(host.directory, `${arch}.tar`)
    host.run('sh', ['-c', `mkdir -p tree-${arch} && echo ${arch} > tree-${arch}/arch && tar -C tree-${arch} -cf ${tar} .`])
    host.podmanOk(['import', '-q', '--arch', arch, '--change', 'CMD ["sh"]', tar, `localhost/${arch}`])
  }
})
after(() => host.dispose())

const buildah = (args: readonly string[]): string => expectOk(['buildah', ...args], host.run('buildah', [...host.storeFlags(), ...args]))
const digestOf = (name: string): string => host.podmanOk(['image', 'inspect', '--format', '{{.Digest}}', name])
const byPodman = (list: string): string => host.podmanOk(['manifest', 'inspect', list])
const byTpod = (list: string): string => host.tpodOk(['manifest', 'inspect', list])
const inRegistry = (name: string): Index => JSON.parse(expectOk(['skopeo'], host.run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${registry}/${name}`]))) as Index

function dataOf(id: string): { list: Index; instances: Record<string, string>; record: Record<string, unknown> } {
  const directory = join(host.graphRoot, 'overlay-images', id)
  const records = JSON.parse(readFileSync(join(host.graphRoot, 'overlay-images/images.json'), 'utf8')) as Record<string, unknown>[]
  return {
    list: JSON.parse(readFileSync(join(directory, 'manifest'), 'utf8')) as Index,
    instances: JSON.parse(readFileSync(join(directory, 'instances.json'), 'utf8')) as Record<string, string>,
    record: records.find((record) => record['id'] === id) as Record<string, unknown>,
  }
}

test('an empty list has the bytes that podman writes, and the same record', () => {
  const [ours, theirs] = [host.tpodOk(['manifest', 'create', 'ours']), host.podmanOk(['manifest', 'create', 'theirs'])]
  const [mine, podmans] = [dataOf(ours), dataOf(theirs)]
  assert.equal(mine.record['digest'], podmans.record['digest'])
  assert.deepEqual(mine.record['big-data-names'], podmans.record['big-data-names'])
  assert.deepEqual(mine.record['big-data-digests'], podmans.record['big-data-digests'])
  assert.deepEqual(mine.record['names'], ['localhost/ours:latest'])
  assert.equal(byPodman('ours'), byTpod('theirs'))
  for (const name of ['ours', 'theirs']) {
    const second = host.tpod(['manifest', 'create', name])
    assert.equal(second.code, 125)
    assert.match(second.stderr, /that name is already in use/)
  }
})

test('lists of podman and buildah are changed here, and ours there', () => {
  const [amd64, arm64] = [digestOf('localhost/amd64'), digestOf('localhost/arm64')]
  host.podmanOk(['manifest', 'create', 'mixed', 'containers-storage:localhost/amd64'])
  const id = host.tpodOk(['manifest', 'add', '--annotation', 'by=tpod', '--variant', 'v8', 'mixed', 'arm64'])
  assert.equal(byTpod('mixed'), byPodman('mixed'))
  const { record } = dataOf(id)
  assert.equal((record['big-data-digests'] as Record<string, string>)['manifest'], record['digest'])
  buildah(['manifest', 'annotate', '--os-version', '5', 'mixed', amd64])
  const shown = JSON.parse(byTpod('mixed')) as Index
  assert.deepEqual(shown.manifests?.map(({ digest }) => digest), [amd64, arm64])
  assert.deepEqual(shown.manifests?.[1]?.annotations, { by: 'tpod' })
  assert.equal(shown.manifests?.[1]?.platform.variant, 'v8')
  const { list, instances } = dataOf(id)
  assert.equal(list.mediaType, 'application/vnd.oci.image.index.v1+json')
  assert.deepEqual(Object.keys(instances).toSorted(), ['', amd64, arm64].toSorted())
  assert.equal(instances[''], id)
  assert.equal(host.podmanOk(['manifest', 'remove', 'mixed', arm64]), id)
  assert.equal(host.tpodOk(['manifest', 'remove', 'mixed', 'localhost/amd64']), id)
  assert.equal(host.podmanOk(['manifest', 'inspect', 'mixed']).includes('"manifests": null'), true)
  buildah(['manifest', 'create', 'fromours'])
  assert.equal(host.tpodOk(['manifest', 'create', '--amend', 'fromours', 'amd64']), host.podmanOk(['images', '-q', '--no-trunc', 'fromours']).replace('sha256:', ''))
  assert.equal(buildah(['manifest', 'inspect', 'fromours']).trim(), byTpod('fromours').trim())
})

test('a list and its images reach a registry and a layout; podman pushes the same', () => {
  host.tpodOk(['manifest', 'create', 'pushed', 'localhost/amd64', 'containers-storage:localhost/arm64'])
  host.tpodOk(['manifest', 'push', '-q', '--tls-verify=false', '--digestfile', `${host.directory}/digest`, 'pushed', `docker://${registry}/pushed:1`])
  const pushed = inRegistry('pushed:1')
  assert.deepEqual(pushed.manifests?.map(({ platform }) => platform.architecture), ['amd64', 'arm64'])
  assert.equal(readFileSync(`${host.directory}/digest`, 'utf8'), expectOk(['skopeo'], host.run('skopeo', ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${registry}/pushed:1`])))
  for (const { digest } of pushed.manifests ?? []) expectOk(['skopeo'], host.run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${registry}/pushed@${digest}`]))
  host.tpodOk(['manifest', 'push', '-q', '--tls-verify=false', '-f', 'v2s2', 'pushed', `${registry}/pushed:docker`])
  const docker = inRegistry('pushed:docker')
  assert.equal(docker.mediaType, 'application/vnd.docker.distribution.manifest.list.v2+json')
  assert.ok(docker.manifests?.every(({ mediaType }) => mediaType === 'application/vnd.docker.distribution.manifest.v2+json'))
  host.podmanOk(['manifest', 'push', '-q', '--tls-verify=false', '--all', '-f', 'v2s2', 'pushed', `docker://${registry}/pushed:podman`])
  assert.deepEqual(inRegistry('pushed:podman').manifests?.map(({ platform }) => platform), docker.manifests?.map(({ platform }) => platform))
  host.tpodOk(['manifest', 'push', '-q', '--rm', 'pushed', `oci:${host.directory}/layout:tag`])
  assert.equal(readdirSync(join(host.directory, 'layout/blobs/sha256')).length >= 7, true)
  assert.equal(host.tpod(['manifest', 'exists', 'pushed']).code, 1)
})

test('images of a registry are listed by reference, and are copied from there', () => {
  host.tpodOk(['manifest', 'create', 'source', 'amd64', 'arm64'])
  host.tpodOk(['manifest', 'push', '-q', '--tls-verify=false', 'source', `${registry}/all:1`])
  const id = host.tpodOk(['manifest', 'create', '--all', '--tls-verify=false', 'remote', `docker://${registry}/all:1`])
  const { instances } = dataOf(id)
  assert.deepEqual(Object.values(instances).filter((place) => place !== id), [`docker://${registry}/all:1`, `docker://${registry}/all:1`])
  host.tpodOk(['manifest', 'push', '-q', '--tls-verify=false', 'remote', `${registry}/moved:1`])
  assert.deepEqual(inRegistry('moved:1').manifests, inRegistry('all:1').manifests)
  const several = host.tpod(['manifest', 'remove', 'remote', `docker://${registry}/all:1`])
  assert.match(several.stderr, /several entries of the manifest list are of/)
  const one = host.tpodOk(['manifest', 'create', '--tls-verify=false', 'one', `${registry}/all:1`])
  assert.deepEqual(dataOf(one).list.manifests?.map(({ platform }) => platform.architecture), ['amd64'])
  // docker's habit: the entry by the name under which it was added.
  host.tpodOk(['manifest', 'annotate', '--os', 'windows', 'one', `${registry}/all:1`])
  assert.equal((JSON.parse(byPodman('one')) as Index).manifests?.[0]?.platform.os, 'windows')
  host.tpodOk(['manifest', 'remove', 'one', `${registry}/all:1`])
  assert.equal(host.tpodOk(['manifest', 'inspect', '--tls-verify=false', `${registry}/all:1`]), host.podmanOk(['manifest', 'inspect', `${registry}/all:1`]))
})

test('a push adds the images in another compression, which podman pulls', () => {
  host.importBusybox('localhost/zstd')
  const id = host.tpodOk(['manifest', 'create', 'twice', 'localhost/zstd', 'arm64'])
  const stored = dataOf(id).list
  host.tpodOk(['manifest', 'push', '-q', '--tls-verify=false', '--add-compression', 'zstd', 'twice', `${registry}/twice:1`])
  const manifests = inRegistry('twice:1').manifests ?? []
  assert.deepEqual(manifests.map(({ platform, annotations }) => [platform.architecture, annotations?.['io.github.containers.compression.zstd']]), [['amd64', undefined], ['arm64', undefined], ['amd64', 'true'], ['arm64', 'true']])
  for (const [index, { digest }] of manifests.entries()) {
    const image = inRegistry(`twice@${digest}`) as unknown as { layers: { mediaType: string }[] }
    assert.match(image.layers[0]?.mediaType ?? '', index < 2 ? /tar\+gzip$/ : /tar\+zstd$/)
  }
  assert.deepEqual(dataOf(id).list, stored)
  host.podmanOk(['pull', '-q', `${registry}/twice@${manifests[2]?.digest}`])
  for (const [args, words] of [[['--add-compression', 'lzma'], /unknown compression/], [['--add-compression', 'zstd', '--all=false'], /--all=false/], [['--add-compression', 'zstd', '--compression-format', 'zstd'], /--add-compression zstd alone/]] as [string[], RegExp][]) {
    const result = host.tpod(['manifest', 'push', ...args, 'twice', `dir:${host.directory}/never`])
    assert.equal(result.code, 125)
    assert.match(result.stderr, words)
  }
})

test('two additions at once lose nothing, podman\'s among them', async () => {
  const names = ['amd64', 'arm64', ...Array.from({ length: 6 }, (_, index) => `extra${index}`)]
  for (const name of names.slice(2)) {
    host.run('sh', ['-c', `mkdir -p tree-${name} && echo ${name} > tree-${name}/name && tar -C tree-${name} -cf ${name}.tar .`])
    host.podmanOk(['import', '-q', join(host.directory, `${name}.tar`), `localhost/${name}`])
  }
  host.tpodOk(['manifest', 'create', 'busy'])
  const ours = names.slice(1).map((name) => spawnTpodResult(host, ['manifest', 'add', 'busy', name]))
  const theirs = host.podman(['manifest', 'add', 'busy', 'containers-storage:localhost/amd64'])
  for (const { code, stderr } of [theirs, ...(await Promise.all(ours))]) assert.equal(code, 0, stderr)
  const { manifests } = JSON.parse(byPodman('busy')) as Index
  assert.deepEqual(manifests?.map(({ digest }) => digest).toSorted(), names.map((name) => digestOf(`localhost/${name}`)).toSorted())
})

test('two creations at once: one wins the name', async () => {
  const results = await Promise.all([1, 2, 3].map(() => spawnTpodResult(host, ['manifest', 'create', 'raced'])))
  assert.deepEqual(results.map(({ code }) => code).toSorted(), [0, 125, 125])
})

test('a command that is killed leaves the list as it was, or as it was to be', async () => {
  const id = host.tpodOk(['manifest', 'create', 'killed', 'amd64'])
  const arm64 = digestOf('localhost/arm64')
  for (let round = 0; round < 12; round++) {
    const child = host.spawnTpod(round % 2 === 0 ? ['manifest', 'add', 'killed', 'arm64'] : ['manifest', 'remove', 'killed', arm64])
    const ended = new Promise((resolve) => child.on('close', resolve))
    await new Promise((resolve) => setTimeout(resolve, 15 + Math.random() * 120))
    child.kill('SIGKILL')
    await ended
    const { list, instances, record } = dataOf(id)
    for (const { digest } of list.manifests ?? []) assert.ok(instances[digest] !== undefined, digest)
    assert.deepEqual(record['names'], ['localhost/killed:latest'])
    assert.equal(byPodman('killed'), byTpod('killed'))
  }
  host.tpodOk(['manifest', 'add', 'killed', 'arm64'])
  assert.equal((JSON.parse(byPodman('killed')) as Index).manifests?.length, 2)
})

test('annotations of the index, words of errors, exit codes', () => {
  const digest = digestOf('localhost/amd64')
  host.tpodOk(['manifest', 'create', '--annotation', 'a=b', 'noted', 'amd64'])
  host.tpodOk(['manifest', 'annotate', '--index', '--annotation', 'c=d', 'noted'])
  const id = host.tpodOk(['manifest', 'annotate', '--subject', 'arm64', 'noted'])
  assert.equal((dataOf(id).list as Index & { subject: { digest: string } }).subject.digest, digestOf('localhost/arm64'))
  host.tpodOk(['manifest', 'annotate', '--annotation', 'e=f', '--arch', 's390x', '--os-features', 'x,y', 'noted', digest])
  const shown = JSON.parse(byPodman('noted')) as Index
  assert.deepEqual(shown.annotations, { a: 'b', c: 'd' })
  assert.equal(shown.manifests?.[0]?.platform.architecture, 's390x')
  const none = `sha256:${'f'.repeat(64)}`
  const cases: [args: string[], code: number, words: RegExp][] = [
    [['annotate', 'noted', none], 125, /no instance matching digest/],
    [['remove', 'noted', none], 125, /removing from manifest list noted: /],
    [['remove', 'noted', 'sha256:ff'], 125, /invalid image digest "sha256:ff"/],
    [['add', 'localhost/amd64', 'arm64'], 125, /localhost\/amd64:latest: image is not a manifest list/],
    [['exists', 'localhost/amd64'], 125, /image is not a manifest list/],
    [['exists', 'nosuch'], 1, /^$/],
    [['rm', 'nosuch'], 1, /nosuch: image not known/],
    [['rm', 'localhost/amd64'], 125, /image is not a manifest list/],
    [['add', 'nosuch', 'arm64'], 125, /nosuch: image not known/],
    [['annotate', '--subject', 'amd64', 'noted', digest], 125, /requires no instance digest/],
    [['inspect', '127.0.0.1:1/x'], 125, /^Error: reading image "docker:\/\/127\.0\.0\.1:1\/x:latest": /],
    [['annotate', '--index', '--arch', 'arm', 'noted'], 125, /requires an instance digest/],
    [['add', '--annotation', 'x', 'noted', 'arm64'], 125, /no value given for annotation "x"/],
  ]
  for (const [args, code, words] of cases) {
    const result = host.tpod(['manifest', ...args])
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`)
    assert.match(result.stderr, words, args.join(' '))
  }
  host.tpodOk(['manifest', 'create', 'second'])
  const removed = host.tpodOk(['manifest', 'rm', 'noted', 'second'])
  assert.match(removed, /^Untagged: localhost\/noted:latest\nDeleted: [0-9a-f]{64}\nUntagged: localhost\/second:latest\nDeleted: [0-9a-f]{64}$/)
  assert.equal(host.tpod(['image', 'exists', 'localhost/amd64']).code, 0)
})

test('an image that was removed from the store is named, when the list is pushed', () => {
  host.run('sh', ['-c', 'mkdir -p tree-gone && echo gone > tree-gone/x && tar -C tree-gone -cf gone.tar .'])
  host.podmanOk(['import', '-q', join(host.directory, 'gone.tar'), 'localhost/gone'])
  host.tpodOk(['manifest', 'create', 'dangling', 'gone'])
  host.podmanOk(['tag', 'localhost/gone', 'localhost/renamed'])
  host.podmanOk(['untag', 'localhost/gone', 'localhost/gone'])
  host.tpodOk(['manifest', 'push', '-q', 'dangling', `dir:${host.directory}/renamed`])
  host.podmanOk(['rmi', 'localhost/renamed'])
  const result = host.tpod(['manifest', 'push', '-q', 'dangling', `dir:${host.directory}/gone`])
  assert.equal(result.code, 125)
  assert.match(result.stderr, /^Error: image instance sha256:[0-9a-f]{64}, added as @[0-9a-f]{64}, is not in the store any more: image not known\n/)
})

test('a list of a read-only store is copied up when it is changed; its images are found there', () => {
  const id = host.tpodOk(['manifest', 'create', 'shared', 'amd64'])
  const env = { CONTAINERS_STORAGE_CONF: host.writeFile('other.conf', `[storage]\ndriver = "overlay"\ngraphroot = "${host.directory}/other-root"\nrunroot = "${host.directory}/other-run"\n[storage.options]\nadditionalimagestores = ["${host.graphRoot}"]\n`) }
  const other = (...args: string[]): string => expectOk(['tpod', ...args], host.run(tpodPath, args, { env }))
  const former = readFileSync(join(host.graphRoot, 'overlay-images/images.json'), 'utf8')
  assert.equal(other('manifest', 'add', 'shared', 'arm64'), id)
  assert.equal(readFileSync(join(host.graphRoot, 'overlay-images/images.json'), 'utf8'), former)
  assert.equal((JSON.parse(other('manifest', 'inspect', 'shared')) as Index).manifests?.length, 2)
  assert.equal((JSON.parse(byTpod('shared')) as Index).manifests?.length, 1)
  other('manifest', 'push', '-q', 'shared', `oci:${host.directory}/shared:1`)
  assert.equal((JSON.parse(readFileSync(join(host.directory, 'shared/index.json'), 'utf8')) as Index).manifests?.length, 1)
})

test('a list runs and is inspected as its image for this machine', () => {
  host.importBusybox('localhost/run')
  host.tpodOk(['manifest', 'create', 'runnable', 'localhost/run'])
  assert.equal(host.tpodOk(['run', '--rm', '--network', 'none', 'runnable', 'echo', 'hello']), 'hello')
  assert.equal(host.tpodOk(['image', 'inspect', '--format', '{{.Id}}', 'runnable']), host.podmanOk(['image', 'inspect', '--format', '{{.Id}}', 'runnable']))
  host.tpodOk(['manifest', 'create', 'foreign', 'arm64'])
  assert.match(host.tpod(['run', '--rm', 'foreign', 'true']).stderr, /foreign.*no image found in manifest list|image not known/)
})

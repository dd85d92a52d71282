/** containers-storage: names, signatures, reuse of layers, and pulls and pushes that go through it, beside podman and skopeo on one store. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { GpgHome } from '../support/gpg-home.ts'
import { expectOk, projectRoot, TestHost } from '../support/host.ts'
import type { Result } from '../support/host.ts'
import { buildLayeredImage, registryLayers } from '../support/images.ts'

let host: TestHost
let registry: string
let policy: string[]
const image = 'localhost/layers:latest'

before(async () => {
  host = new TestHost()
  buildLayeredImage(host, image)
  registry = await host.startRegistry()
  policy = ['--policy', join(host.directory, 'policy.json')]
})
after(() => host.dispose())

const place = (root = 'root'): string => `[overlay@${join(host.directory, root)}+${join(host.directory, root === 'root' ? 'run' : `${root}-run`)}]`
const stored = (name: string, root?: string): string => `containers-storage:${place(root)}${name}`
const ours = (args: readonly string[]): Result => host.run(join(projectRoot, 'bin/skopeo'), [...policy, ...args])
const theirs = (args: readonly string[]): Result => host.run('skopeo', [...policy, ...args])
const copyOk = (tool: typeof ours, args: readonly string[]): void => void expectOk(['copy', ...args], tool(['copy', '-q', ...args]))
const layout = (name: string): string => join(host.directory, name)
const tpodIn = (root: string, args: readonly string[]): Result => host.run(join(projectRoot, 'bin/tpod'), ['--root', layout(root), '--runroot', layout(`${root}-run`), ...args])
const podmanIn = (root: string, args: readonly string[]): Result => host.run('podman', ['--root', layout(root), '--runroot', layout(`${root}-run`), '--tmpdir', layout('podman-tmp'), ...args])

test('an image is found by name, id, part of its id and digest, as skopeo finds it', () => {
  const id = host.podmanOk(['image', 'inspect', '--format', '{{.Id}}', image])
  const digest = host.podmanOk(['image', 'inspect', '--format', '{{.Digest}}', image])
  for (const name of [image, `@${id}`, id.slice(0, 12), `${image}@${id}`, `@${id.slice(0, 10)}`, `localhost/layers@${digest}`]) {
    const mine = expectOk(['inspect', name], ours(['inspect', '--raw', stored(name)]))
    assert.equal(mine, expectOk(['skopeo', name], theirs(['inspect', '--raw', stored(name)])), name)
  }
  for (const name of ['localhost/none:1', `@${'0'.repeat(64)}`, '', '@', 'UPPER', `${image}@xyz`]) {
    const mine = ours(['inspect', '--raw', stored(name)])
    assert.equal(mine.code, theirs(['inspect', '--raw', stored(name)]).code, name)
    assert.doesNotMatch(mine.stderr, /defect/)
  }
})

test('the same directory goes into a store as skopeo puts it, and out again', () => {
  copyOk(theirs, [stored(image), `dir:${layout('source')}`])
  copyOk(ours, [`dir:${layout('source')}`, stored('localhost/copy:1', 'a')])
  copyOk(theirs, [`dir:${layout('source')}`, stored('localhost/copy:1', 'b')])
  const records = (root: string): unknown => JSON.parse(readFileSync(join(layout(root), 'overlay-images/images.json'), 'utf8'))
  assert.deepEqual(records('a'), records('b'))
  copyOk(ours, [stored('localhost/copy:1', 'b'), `dir:${layout('back')}`])
  const files = (name: string): string[] => readdirSync(layout(name)).toSorted()
  assert.deepEqual(files('back'), files('source'))
  for (const file of files('back')) assert.ok(readFileSync(join(layout('back'), file)).equals(readFileSync(join(layout('source'), file))), file)
})

test('signatures stay with an image in the store, written and read by either', () => {
  const gpg = new GpgHome()
  try {
    const key = gpg.makeKey('storage')
    host.podmanOk(['push', '-q', '--tls-verify=false', image, `docker://${registry}/signed:1`])
    expectOk(['sign'], host.run('skopeo', [...policy, 'copy', '-q', '--src-tls-verify=false', '--sign-by', key, '--sign-identity', 'example.com/signed:1', `docker://${registry}/signed:1`, `dir:${layout('signed')}`], { env: gpg.env }))
    const signature = readFileSync(join(layout('signed'), 'signature-1'))
    for (const [writer, reader, root] of [[ours, theirs, 'sign-a'], [theirs, ours, 'sign-b']] as const) {
      copyOk(writer, [`dir:${layout('signed')}`, stored('example.com/signed:1', root)])
      const record = (JSON.parse(readFileSync(join(layout(root), 'overlay-images/images.json'), 'utf8')) as { metadata: string; digest: string }[])[0]!
      assert.deepEqual(JSON.parse(record.metadata), { 'signature-sizes': [signature.length], 'signatures-sizes': { [record.digest]: [signature.length] } })
      // The layers are kept unpacked, so the signed manifest cannot leave the store again: both say so.
      const out = reader(['copy', '-q', stored('example.com/signed:1', root), `dir:${layout(`${root}-out`)}`])
      assert.equal(out.code, 1, out.stderr)
      assert.match(out.stderr, /Copying this image would require changing layer representation, which we cannot do/)
      copyOk(reader, ['--remove-signatures', stored('example.com/signed:1', root), `dir:${layout(`${root}-out`)}`])
    }
  } finally {
    gpg.dispose()
  }
})

test('pull takes every transport, and podman has the same images then', () => {
  const short = layout('layout')
  for (const name of [`oci:${short}:x`, `oci-archive:${layout('o.tar')}:localhost/archived:2`, `docker-archive:${layout('d.tar')}:localhost/first:1`, `dir:${layout('plain')}`]) copyOk(theirs, [stored(image), name])
  host.podmanOk(['save', '-q', '-m', '-o', layout('many.tar'), image, 'localhost/layers-base:latest'])
  const sources = [`oci-archive:${layout('o.tar')}`, `docker-archive:${layout('d.tar')}`, `dir:${layout('plain')}`, stored(image)]
  for (const source of sources) {
    const [mine, other] = [tpodIn('pulled-a', ['pull', '-q', source]), podmanIn('pulled-b', ['pull', '-q', source])]
    assert.equal(mine.code, 0, mine.stderr)
    assert.deepEqual(mine.stdout.trim().split('\n').toSorted(), [...new Set(other.stdout.trim().split('\n'))].toSorted(), source)
  }
  const list = (tool: typeof tpodIn, root: string): string => tool(root, ['images', '-a', '--no-trunc', '--format', '{{.ID}} {{.Repository}}:{{.Tag}}']).stdout.split('\n').toSorted().join('\n')
  assert.equal(list(podmanIn, 'pulled-a'), list(podmanIn, 'pulled-b'))
  // podman refuses an archive of several images here; its load takes all, as our pull does.
  const many = tpodIn('many', ['pull', '-q', `docker-archive:${layout('many.tar')}`])
  assert.equal(many.stdout.trim().split('\n').length, 2, many.stderr)
  const all = tpodIn('pulled-a', ['pull', '-a', `dir:${layout('plain')}`])
  assert.deepEqual([all.code, /pulling all tags is not supported for dir transport/.test(all.stderr)], [125, true])
})

test('push: a registry and everything else; the layers that the registry has are not compressed again', () => {
  expectOk(['push'], host.tpod(['push', '-q', '--digestfile', layout('digest'), image, `${registry}/pushed:1`]))
  const digest = readFileSync(layout('digest'), 'utf8')
  assert.equal(expectOk(['digest'], theirs(['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${registry}/pushed:1`])), digest)
  const diffIds = (JSON.parse(expectOk(['config'], theirs(['inspect', '--config', '--tls-verify=false', `docker://${registry}/pushed:1`]))) as { rootfs: { diff_ids: string[] } }).rootfs.diff_ids
  assert.equal(registryLayers(host, `${registry}/pushed:1`).length, diffIds.length)
  for (const target of [`oci:${layout('p-oci')}:x`, `dir:${layout('p-dir')}`, `docker-archive:${layout('p.tar')}`, `oci-archive:${layout('p-oci.tar')}:x`]) {
    expectOk([target], host.tpod(['push', '-q', image, target]))
  }
  // podman reads each back as the same image.
  const id = host.podmanOk(['image', 'inspect', '--format', '{{.Id}}', image])
  for (const source of [`oci-archive:${layout('p-oci.tar')}`, `dir:${layout('p-dir')}`, `docker-archive:${layout('p.tar')}`, `docker://${registry}/pushed:1`]) {
    const result = podmanIn('read-back', ['pull', '-q', '--tls-verify=false', source])
    assert.equal(result.stdout.trim(), id, `${source} ${result.stderr}`)
  }
  // Pulled from a registry, pushed to it again: the very same manifest.
  tpodIn('again', ['pull', '-q', `${registry}/pushed:1`])
  expectOk(['push'], tpodIn('again', ['push', '-q', '--digestfile', layout('digest-2'), `${registry}/pushed:1`]))
  assert.equal(readFileSync(layout('digest-2'), 'utf8'), digest)
})

test('push: formats, compression, refusals', () => {
  const manifestOf = (name: string): { mediaType?: string; layers: { mediaType: string }[] } => JSON.parse(expectOk(['raw'], theirs(['inspect', '--raw', '--tls-verify=false', `docker://${registry}/${name}`]))) as ReturnType<typeof manifestOf>
  expectOk(['v2s2'], host.tpod(['push', '-q', '-f', 'v2s2', image, `${registry}/v2s2`]))
  assert.equal(manifestOf('v2s2').mediaType, 'application/vnd.docker.distribution.manifest.v2+json')
  expectOk(['zstd'], host.tpod(['push', '-q', '-f', 'oci', '--compression-format', 'zstd', '--force-compression', image, `${registry}/zstd`]))
  for (const { mediaType } of manifestOf('zstd').layers) assert.equal(mediaType, 'application/vnd.oci.image.layer.v1.tar+zstd')
  for (const [args, message] of [
    [['push', '--encryption-key', 'jwe:/k', image, `${registry}/x`], /cannot encrypt/],
    [['push', '-f', 'v3', image, `${registry}/x`], /unknown format "v3". Choose on of the supported formats: 'oci', 'v2s1', or 'v2s2'/],
    [['push', 'localhost/none', `${registry}/x`], /image not known/],
    [['push', image, `${registry}/x`, 'y'], /accepts between 1 and 2 arg\(s\), received 3/],
    [['pull', '--decryption-key', '/k', `${registry}/pushed:1`], /cannot decrypt/],
    [['pull', '-a', `${registry}/pushed:1`], /tag can't be used with --all-tags/],
  ] as const) {
    const result = host.tpod(args)
    assert.equal(result.code, 125)
    assert.match(result.stderr, message)
  }
})

test('pull --all-tags: each tag, one line per image', () => {
  for (const tag of ['a', 'b', 'c']) copyOk(theirs, ['--dest-tls-verify=false', stored(image), `docker://${registry}/tags:${tag}`])
  copyOk(theirs, ['--dest-tls-verify=false', stored('localhost/layers-base:latest'), `docker://${registry}/tags:base`])
  const result = tpodIn('tags', ['pull', '-q', '-a', `${registry}/tags`])
  assert.equal(result.code, 0, result.stderr)
  assert.equal(result.stdout.trim().split('\n').length, 2)
  const names = podmanIn('tags', ['images', '--format', '{{.Tag}}']).stdout.trim().split('\n').toSorted()
  assert.deepEqual(names, ['a', 'b', 'base', 'c'])
})

test('a layer that the store has is not read again', () => {
  const context = layout('twin')
  mkdirSync(context, { recursive: true })
  writeFileSync(join(context, 'data'), 'twin\n')
  host.run('tar', ['-C', context, '-cf', layout('twin.tar'), 'data'])
  host.podmanOk(['import', '-q', layout('twin.tar'), 'localhost/twin:1'])
  copyOk(theirs, [stored('localhost/twin:1'), `dir:${layout('twin-dir')}`])
  copyOk(ours, [`dir:${layout('twin-dir')}`, stored('localhost/twin:1', 'twins')])
  const manifest = JSON.parse(readFileSync(join(layout('twin-dir'), 'manifest.json'), 'utf8')) as { layers: { digest: string }[] }
  const file = join(layout('twin-dir'), manifest.layers[0]!.digest.slice(7))
  assert.ok(existsSync(file))
  host.run('rm', [file])
  // The layer is in the store, so its missing file is not missed.
  copyOk(ours, [`dir:${layout('twin-dir')}`, stored('localhost/twin:2', 'twins')])
})

test('push of a manifest list: with all its images', () => {
  expectOk(['manifest create'], host.tpod(['manifest', 'create', 'localhost/list:1', image]))
  expectOk(['push'], host.tpod(['push', '-q', '--tls-verify=false', 'localhost/list:1', `${registry}/list:1`]))
  const list = JSON.parse(expectOk(['raw'], theirs(['inspect', '--raw', '--tls-verify=false', `docker://${registry}/list:1`]))) as { manifests: { digest: string }[] }
  assert.equal(list.manifests.length, 1)
  expectOk(['image'], theirs(['inspect', '--tls-verify=false', `docker://${registry}/list@${list.manifests[0]!.digest}`]))
})

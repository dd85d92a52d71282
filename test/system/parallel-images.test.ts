// Several processes at the same images, layouts, archives and directories: each works or says why, and what is there is whole.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { expectOk, spawnTpodResult, TestHost } from '../support/host.ts'
import type { Result } from '../support/host.ts'
import { buildRandomImage } from '../support/images.ts'
import { assertLayersWhole, assertStoreHealthy } from '../support/invariants.ts'
import { killAfter } from '../support/kill.ts'

const host = new TestHost()
const work = join(host.directory, 'work')
let registry: string
let first: string
let second: string

before(async () => {
  registry = await host.startRegistry()
  ;[first, second] = [`${registry}/first:latest`, `${registry}/second:latest`]
  for (const name of [first, second]) {
    buildRandomImage(host, name, 3, 5 * 1024 * 1024)
    host.tpodOk(['push', '-q', name])
  }
})
after(() => host.dispose())
beforeEach(() => {
  host.tpodOk(['rmi', '-a', '-f'])
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work)
})

function tpods(...commands: readonly (readonly string[])[]): Promise<Result[]> {
  return Promise.all(commands.map((args) => spawnTpodResult(host, args)))
}

function podmanPull(name: string): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn('podman', [...host.storeFlags(), '--tmpdir', join(host.directory, 'podman-tmp'), 'pull', '-q', name], { env: host.env, stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (code) => resolve({ code: code ?? 128, stdout: '', stderr }))
  })
}

function assertAllOk(results: readonly Result[]): void {
  for (const { code, stderr } of results) assert.equal(code, 0, stderr)
}

function assertReadable(reference: string): void {
  const copy = join(host.directory, 'read')
  rmSync(copy, { recursive: true, force: true })
  expectOk(['skopeo copy'], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', '-q', '--src-tls-verify=false', reference, `dir:${copy}`]))
}

function temporaries(): string[] {
  return readdirSync(work, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.tmp-'))
}

test('four pulls of one image by tpod and podman, one killed: the others end well, every layer is whole', async () => {
  for (let round = 0; round < 2; round++) {
    const [, podman, ...ours] = await Promise.all([killAfter(host, ['pull', '-q', first], 100 + Math.random() * 400), podmanPull(first), ...[1, 2].map(() => spawnTpodResult(host, ['pull', '-q', first]))])
    assertAllOk(ours)
    // podman has failures of its own beside others: "layer not known".
    assert.ok(podman.code === 0 || /layer not known|already exists|error creating|storing/.test(podman.stderr), podman.stderr)
    assertStoreHealthy(host)
    await assertLayersWhole(host)
    host.tpodOk(['image', 'prune', '-f'])
    assert.deepEqual(readdirSync(join(host.graphRoot, 'tpod/new-layers')), [])
    host.tpodOk(['rmi', '-a', '-f'])
  }
})

test('tag, rmi and prune beside pulls, pushes and a run: all of ours work or say that the image is not there', async () => {
  host.tpodOk(['pull', '-q', first])
  const results = await tpods(
    ['pull', '-q', second], ['push', '-q', first, `${registry}/again:latest`], ['run', '--rm', '--network', 'none', first, 'true'],
    ['tag', first, 'localhost/tagged'], ['image', 'prune', '-a', '-f'], ['rmi', first], ['pull', '-q', first], ['rmi', second],
  )
  for (const { code, stderr } of results) assert.ok(code === 0 || /image not known|in use|no such image|not in the store|was deleted|deleted meanwhile|several names/.test(stderr), stderr)
  assertStoreHealthy(host)
  host.tpodOk(['pull', '-q', first])
  await assertLayersWhole(host)
})

test('two copies into one OCI layout: both images are in it, under two names or one', async () => {
  const copy = (from: string, name: string): string[] => ['image', 'copy', '-q', `docker://${from}`, `oci:${work}/layout:${name}`]
  assertAllOk(await tpods(copy(first, 'first'), copy(second, 'second'), copy(first, 'again')))
  for (const name of ['first', 'second', 'again']) assertReadable(`oci:${work}/layout:${name}`)
  assertAllOk(await tpods(copy(first, 'same'), copy(second, 'same')))
  assertReadable(`oci:${work}/layout:same`)
  assert.deepEqual(temporaries(), [])
})

test('two copies and two saves to one archive: one of them is there, whole', async () => {
  const copies = [first, second].map((from) => ['image', 'copy', '-q', `docker://${from}`, `oci-archive:${work}/archive`])
  assertAllOk(await tpods(...copies))
  assertReadable(`oci-archive:${work}/archive`)
  for (const name of [first, second]) host.tpodOk(['pull', '-q', name])
  for (const format of ['oci-archive', 'docker-archive']) {
    const results = await tpods(...[first, second].map((name) => ['save', '-q', '--format', format, '-o', `${work}/saved-${format}`, name]))
    assert.ok(results.some(({ code }) => code === 0))
    for (const { code, stderr } of results) assert.ok(code === 0 || /doesn't support modifying existing images/.test(stderr), stderr)
    assertReadable(`${format}:${work}/saved-${format}`)
  }
  assert.deepEqual(temporaries(), [])
})

test('two copies and two syncs into one directory: one writes, the other says that it does, the image is whole', async () => {
  for (let round = 0; round < 3; round++) {
    const copies = await tpods(...[first, second].map((from) => ['image', 'copy', '-q', `docker://${from}`, `dir:${work}/dir`]))
    assert.ok(copies.some(({ code }) => code === 0))
    for (const { code, stderr } of copies) assert.ok(code === 0 || /somebody else is writing an image there/.test(stderr), stderr)
    assertReadable(`dir:${work}/dir`)
  }
  writeFileSync(join(host.directory, 'sync.yml'), `${registry}:\n  tls-verify: false\n  images:\n    first: [latest]\n    second: [latest]\n`)
  const sync = ['image', 'sync', '--keep-going', '--src', 'yaml', '--dest', 'dir', join(host.directory, 'sync.yml'), `${work}/synced`]
  const syncs = await tpods(sync, sync)
  for (const { code, stderr } of syncs) assert.ok(code === 0 || /Refusing to overwrite|somebody else is writing/.test(stderr), stderr)
  for (const name of ['first', 'second']) assertReadable(`dir:${work}/synced/${name}:latest`)
  assert.deepEqual(temporaries(), [])
})

test('three pushes of one image to one repository and another: all work, and no upload is remembered', async () => {
  host.tpodOk(['pull', '-q', first])
  const push = (to: string): string[] => ['push', '-q', '--compression-format', 'zstd', '--force-compression', first, `${registry}/${to}`]
  assertAllOk(await tpods(push('pushed:1'), push('pushed:2'), push('other:1')))
  for (const name of ['pushed:1', 'pushed:2', 'other:1']) assertReadable(`docker://${registry}/${name}`)
  const uploads = join(host.graphRoot, 'tpod/uploads')
  assert.deepEqual(existsSync(uploads) ? readdirSync(uploads) : [], [])
})

test('two manifest adds and two logins at once: neither is lost', async () => {
  host.tpodOk(['manifest', 'create', 'list'])
  assertAllOk(await tpods(['manifest', 'add', 'list', `docker://${first}`], ['manifest', 'add', 'list', `docker://${second}`]))
  const { manifests } = JSON.parse(host.podmanOk(['manifest', 'inspect', 'list'])) as { manifests: object[] }
  assert.equal(manifests.length, 2)
  const secured = [await host.startRegistry({ user: 'me', password: 'a' }), await host.startRegistry({ user: 'me', password: 'b' })]
  const auth = join(host.directory, 'auth.json')
  assertAllOk(await tpods(...secured.map((name, index) => ['login', '-u', 'me', '-p', 'ab'[index]!, '--authfile', auth, name])))
  const { auths } = JSON.parse(readFileSync(auth, 'utf8')) as { auths: object }
  assert.deepEqual(Object.keys(auths).sort(), secured.toSorted())
})

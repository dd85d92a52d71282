// tpod and podman on one root: each sees, runs and removes the other's images, and the bytes stay the same.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { churn } from '../support/churn.ts'
import { expectOk, TestHost } from '../support/host.ts'
import { buildLayeredImage, pushToRegistry, registryLayers } from '../support/images.ts'
import { assertLayersWhole, assertStoreHealthy } from '../support/invariants.ts'

const host = new TestHost()
let registry = ''
let layers: string[] = []

before(async () => {
  registry = await host.startRegistry()
  buildLayeredImage(host)
  layers = pushToRegistry(host, 'localhost/layers:latest', registry, 'layers')
})

after(() => host.dispose())

const listing = 'cd / && find . -xdev -not -path "./proc*" -not -path "./sys*" -not -path "./dev*" -not -path "./etc/*" -not -path "./run/*" -exec stat -c "%n %F %a %u %g %s %h" {} + | sort'

test('tpod runs what podman built, file for file', () => {
  const theirs = host.podmanOk(['run', '--rm', '--network', 'none', 'localhost/layers', 'sh', '-c', listing])
  const ours = host.tpodOk(['run', '--rm', '--network', 'none', 'localhost/layers', 'sh', '-c', listing])
  const lines = (text: string): string[] => text.split('\n')
  assert.deepEqual(lines(ours).filter((line) => !lines(theirs).includes(line)), [])
  assert.deepEqual(lines(theirs).filter((line) => !lines(ours).includes(line)), [])
})

test('an image pulled by tpod is listed and run by podman and has identical layer digests when pushed by it', () => {
  host.podmanOk(['rmi', '-a', '-f'])
  const reference = `${registry}/layers:latest`
  host.tpodOk(['pull', '-q', '--tls-verify=false', reference])
  assert.match(host.podmanOk(['images', '--format', '{{.Repository}}:{{.Tag}}']), new RegExp(`^${reference}$`, 'm'))
  assert.equal(host.podmanOk(['run', '--rm', '--network', 'none', reference, 'cat', '/opt/tree/a']), 'a')
  host.podmanOk(['push', '-q', '--tls-verify=false', reference, `docker://${registry}/again:latest`])
  const directory = join(host.directory, 'out')
  mkdirSync(directory)
  // dir: keeps layers uncompressed as the store has them, so each digest is a DiffID to compare.
  expectOk(['skopeo'], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]${reference}`, `dir:${directory}`]))
  const config = JSON.parse(host.podmanOk(['image', 'inspect', reference])) as { RootFS: { Layers: string[] } }[]
  const stored = readdirSync(directory).filter((name) => /^[0-9a-f]{64}$/.test(name))
  for (const diffId of config[0]?.RootFS.Layers ?? []) assert.ok(stored.includes(diffId.replace('sha256:', '')), `${diffId} came out byte for byte`)
  assert.deepEqual(registryLayers(host, `${registry}/again:latest`), layers)
})

test('podman removes what tpod pulled, tpod removes what podman pulled', () => {
  const reference = `${registry}/layers:latest`
  host.tpodOk(['pull', '-q', '--tls-verify=false', reference])
  host.podmanOk(['rmi', reference])
  assert.equal(host.tpodOk(['images', '-q']), '')
  host.podmanOk(['pull', '-q', '--tls-verify=false', reference])
  host.tpodOk(['rmi', reference])
  assert.equal(host.podmanOk(['images', '-q']), '')
  assertStoreHealthy(host)
})

test('neither removes an image that a container of the other uses', () => {
  const reference = `${registry}/layers:latest`
  host.tpodOk(['pull', '-q', '--tls-verify=false', reference])
  host.podmanOk(['create', '--name', 'theirs', '--network', 'none', reference])
  const refused = host.tpod(['rmi', reference])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /theirs|in use/)
  host.podmanOk(['rm', 'theirs'])
  host.tpodOk(['create', '--name', 'ours', '--network', 'none', reference])
  assert.notEqual(host.podman(['rmi', reference]).code, 0)
  assert.match(host.podmanOk(['ps', '-a', '--external', '--format', '{{.Names}}']), /ours/)
  host.tpodOk(['rm', 'ours'])
  host.tpodOk(['rmi', reference])
})

test('both pulling, running and removing at once leave the store clean', { timeout: 900_000 }, async () => {
  const seconds = Number(process.env['TPOD_CHURN_SECONDS'] ?? 20)
  const references = ['one', 'two'].map((name) => `${registry}/${name}:latest`)
  buildLayeredImage(host, 'localhost/churn:latest')
  for (const name of ['one', 'two']) pushToRegistry(host, 'localhost/churn:latest', registry, name)
  host.podmanOk(['rmi', '-a', '-f'])
  const result = await churn(host, references, seconds * 1000)
  process.stdout.write(`# tpod ${result.commands.tpod} commands, ${result.tpodFailures.length} failed; podman ${result.commands.podman}, ${result.podmanFailures.length} failed\n`)
  assert.deepEqual(result.tpodFailures, [])
  host.tpod(['rm', '-a', '-f'])
  host.podman(['rm', '-a', '-f'])
  for (const reference of references) host.tpodOk(['pull', '-q', '--tls-verify=false', reference])
  assertStoreHealthy(host)
  await assertLayersWhole(host)
  assert.equal(host.podmanOk(['run', '--rm', '--network', 'none', references[0] as string, 'echo', 'fine']), 'fine')
  assert.ok(readFileSync(join(host.graphRoot, 'overlay-images/images.json'), 'utf8').startsWith('['))
})

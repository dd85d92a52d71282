/**
 * Every pair of transports: our copies are read by skopeo and skopeo's by us, digests stay where they can, and where one
 * tool must change a manifest the other must, too.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { copyImage } from '../../src/image/copy/copy-image.ts'
import { parseImageName } from '../../src/image/transports/image-name.ts'
import { openDestination } from '../../src/image/transports/open-destination.ts'
import { openSource } from '../../src/image/transports/open-source.ts'
import type { EndpointOptions, TransportContext } from '../../src/image/types.ts'
import { openTransportContext } from '../../src/libpod/transport-context.ts'
import { FakeDocker } from '../support/fake-docker.ts'
import { expectOk, type Result, TestHost } from '../support/host.ts'

/** Where an image may lie in between; `#` becomes a number, so that each copy has a place of its own. */
const middles = ['dir:W/m#', 'oci:W/m#:name', 'oci-archive:W/m#.tar:name', 'docker-archive:W/m#.tar:localhost/m:1', 'docker-daemon:m#:1', 'containers-storage:S localhost/m#:1', 'docker://R/m#:1']
const starts = ['docker-archive:W/start.tar:localhost/busybox:latest', 'oci:W/start-oci:name', 'dir:W/start-v2s2', 'oci-archive:W/start-zstd.tar:name']

let host: TestHost
let docker: FakeDocker
let registry: string
let context: TransportContext
let endpoint: EndpointOptions
let counter = 0

/** In one pass: the temporary directory's random name may end like one of the words. */
function place(pattern: string): string {
  const words: Record<string, () => string> = {
    '#': () => String(++counter),
    'W/': () => `${host.directory}/`,
    'R/': () => `${registry}/`,
    'S ': () => `[overlay@${host.graphRoot}+${host.runRoot}]`,
  }
  return pattern.replace(/#|\b[WR]\/|\bS /g, (word) => words[word]!())
}

/** Asynchronous: docker's stand-in answers from this process. */
function skopeo(args: readonly string[]): Promise<Result & { bytes: Buffer }> {
  return new Promise((resolve) => {
    const child = spawn('skopeo', ['--policy', join(host.directory, 'policy.json'), ...args], { env: host.env })
    const out: Buffer[] = []
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (code) => resolve({ code: code ?? 128, stdout: Buffer.concat(out).toString(), stderr, bytes: Buffer.concat(out) }))
  })
}

function skopeoCopy(from: string, to: string, flags: readonly string[] = []): Promise<Result> {
  return skopeo(['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', '--src-daemon-host', docker.host, '--dest-daemon-host', docker.host, ...flags, from, to])
}

async function copy(from: string, to: string, preserveDigests: boolean): Promise<string> {
  const source = await openSource(context, parseImageName(from), endpoint)
  try {
    const destination = await openDestination(context, parseImageName(to), endpoint)
    try {
      return (await copyImage(context, source, destination, { preserveDigests, policy: await context.policy() })).manifest.digest
    } finally {
      await destination.close()
    }
  } finally {
    await source.close()
  }
}

async function digestBySkopeo(name: string): Promise<string> {
  const result = await skopeo(['inspect', '--raw', '--tls-verify=false', '--daemon-host', docker.host, name])
  assert.equal(result.code, 0, result.stderr)
  return digest(result.bytes)
}

/** What a store gives is not compressed; skopeo 1.9 still calls it what it was. */
function manifestIn(name: string): string {
  return readFileSync(join(name.slice('dir:'.length), 'manifest.json'), 'utf8').replace(/\.tar[.+](?:gzip|zstd)"/g, '.tar"')
}

function digest(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Config and uncompressed layers: what no copy may change, whatever becomes of manifests. */
async function contentBySkopeo(name: string): Promise<string> {
  const result = await skopeo(['inspect', '--config', '--raw', '--tls-verify=false', '--daemon-host', docker.host, name])
  assert.equal(result.code, 0, result.stderr)
  const { rootfs, config } = JSON.parse(result.stdout) as { rootfs: object; config: object }
  return JSON.stringify({ rootfs, config })
}

describe('every pair of transports', () => {
  before(async () => {
    host = new TestHost()
    docker = await FakeDocker.start(join(host.directory, 'docker'))
    registry = await host.startRegistry()
    host.importBusybox()
    expectOk(['podman save'], host.podman(['save', '-q', '-o', join(host.directory, 'start.tar'), 'localhost/busybox:latest']))
    const archive = `docker-archive:${host.directory}/start.tar`
    for (const [to, flags] of [[`oci:${host.directory}/start-oci:name`, []], [`dir:${host.directory}/start-v2s2`, ['--dest-compress']], [`oci-archive:${host.directory}/start-zstd.tar:name`, ['--dest-compress-format', 'zstd']]] as const) {
      const made = await skopeoCopy(archive, to, flags)
      assert.equal(made.code, 0, made.stderr)
    }
    context = openTransportContext({ env: host.env, policyPath: join(host.directory, 'policy.json'), store: { graphRoot: host.graphRoot, runRoot: host.runRoot } })
    endpoint = { daemonHost: docker.host, tlsVerify: false }
  })
  after(() => {
    docker.close()
    host.dispose()
  })

  for (const start of starts) {
    for (const middle of middles) {
      test(`${start.replace('W/', '')} → ${middle.split(/[:#]/)[0]} → dir`, async () => {
        const from = place(start)
        const original = await digestBySkopeo(from)
        const [ours, theirs] = [place(middle), place(middle)]
        const preserved = await copy(from, ours, true).catch((error: unknown) => error as Error)
        const byThem = await skopeoCopy(from, theirs, ['--preserve-digests'])
        if (preserved instanceof Error) {
          assert.notEqual(byThem.code, 0, `skopeo preserves the digest, we don't: ${preserved.message}`)
        } else {
          assert.equal(preserved, original)
          if (/^docker-(?:archive|daemon)/.test(middle) && !start.startsWith('docker-archive')) return
          // skopeo writes docker's manifests into OCI layouts, too, but doesn't find them there.
          if (byThem.code === 0 && (await digestBySkopeo(theirs).catch(() => '')) === original) assert.equal(await digestBySkopeo(ours), original)
          if (byThem.code === 0 && !middle.startsWith('containers-storage')) assert.equal(await copy(theirs, place('dir:W/b#'), true), original)
          if (!middle.startsWith('containers-storage')) assert.equal(await copy(ours, place('dir:W/b#'), true), original)
        }
        const [changed, changedByThem] = [place(middle), place(middle)]
        await copy(from, changed, false)
        const copied = await skopeoCopy(from, changedByThem)
        if (copied.code !== 0) {
          // skopeo 1.9 fails to convert what we can.
          assert.match(copied.stderr, /zstd compression is not supported for docker images/)
          return
        }
        assert.equal(await contentBySkopeo(changed), await contentBySkopeo(changedByThem))
        const [back, backByThem] = [place('dir:W/b#'), place('dir:W/b#')]
        await copy(changedByThem, back, false)
        assert.equal((await skopeoCopy(changedByThem, backByThem)).code, 0)
        assert.equal(manifestIn(back), manifestIn(backByThem), 'skopeo and we read the same image')
      })
    }
  }

  test('tarball: is the same image for skopeo and for us', async () => {
    const from = `tarball:${host.busyboxTar()}`
    const [ours, theirs] = [place('dir:W/b#'), place('dir:W/b#')]
    await copy(from, ours, false)
    const copied = await skopeoCopy(from, theirs)
    assert.equal(copied.code, 0, copied.stderr)
    assert.deepEqual(readFileSync(join(ours.slice(4), 'manifest.json')), readFileSync(join(theirs.slice(4), 'manifest.json')))
  })
})

/** Docker's own registry, with skopeo beside us: what either pushes the other finds; interrupted pushes; logins. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { projectRoot, TestHost } from '../support/host.ts'
import type { Result } from '../support/host.ts'

const host = new TestHost()
const skopeoShim = join(projectRoot, 'bin/skopeo')
const tls = ['--src-tls-verify=false', '--dest-tls-verify=false']
const layerBytes = 12_000_000
let registry = ''
let layout = ''
const proxies: Server[] = []

before(async () => {
  registry = await host.startRegistry()
  // One layer that does not compress, so that bytes on the wire are bytes of the layer.
  layout = join(host.directory, 'layout')
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
  const put = (bytes: Buffer): { digest: string; size: number } => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(layout, 'blobs/sha256', hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  const layer = put(randomBytes(layerBytes))
  const config = put(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.digest] } })))
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = put(Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...layer }],
  })))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, ...manifest, annotations: { 'org.opencontainers.image.ref.name': '1' } }] }))
})

after(() => {
  for (const proxy of proxies) proxy.close()
  host.dispose()
})

function policy(): string[] {
  return ['--policy', join(host.directory, 'policy.json')]
}

function ours(args: readonly string[]): Result {
  return host.run(skopeoShim, [...policy(), ...args])
}

function uploads(): string[] {
  const directory = join(host.directory, 'home/.cache/tpod/uploads')
  return existsSync(directory) ? readdirSync(directory) : []
}

/** A slow line to the registry, which counts what goes up. */
async function slowLine(bytesPerSecond: number): Promise<{ address: string; sent: () => number; breakAfter: (bytes: number) => void }> {
  let sent = 0
  let limit = Infinity
  const server = createServer((client) => {
    const upstream = connect(Number(registry.split(':')[1]), '127.0.0.1')
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.on('data', (chunk) => {
      sent += chunk.length
      upstream.write(chunk)
      if (sent > limit) {
        limit = Infinity
        client.destroy()
        upstream.destroy()
      }
      client.pause()
      setTimeout(() => client.resume(), (chunk.length / bytesPerSecond) * 1000)
    })
    upstream.pipe(client)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  proxies.push(server)
  const { port } = server.address() as { port: number }
  host.registries(`[[registry]]\nlocation = "127.0.0.1:${port}"\ninsecure = true\n`)
  return { address: `127.0.0.1:${port}`, sent: () => sent, breakAfter: (bytes) => void (limit = sent + bytes) }
}

function start(args: readonly string[]): { done: Promise<Result>; kill: (signal: NodeJS.Signals) => void } {
  const child = spawn(skopeoShim, [...policy(), ...args], { env: host.env })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdout.resume()
  return { done: new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? 128, stdout: '', stderr }))), kill: (signal) => void child.kill(signal) }
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition() && waited < 20_000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(condition(), 'it did not come to that')
}

test('what we push skopeo reads with the same digest, and the reverse; mounted in another repository without bytes', () => {
  const copied = ours(['copy', ...tls, `oci:${layout}:1`, `docker://${registry}/a/b:1`])
  assert.equal(copied.code, 0, copied.stderr)
  const theirs = host.run('skopeo', ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${registry}/a/b:1`])
  const own = ours(['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${registry}/a/b:1`])
  assert.equal(own.stdout, theirs.stdout)
  const mounted = ours(['copy', ...tls, `docker://${registry}/a/b:1`, `docker://${registry}/c/d:2`])
  assert.equal(mounted.code, 0, mounted.stderr)
  assert.equal(host.run('skopeo', ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${registry}/c/d:2`]).stdout, theirs.stdout)
  const back = host.run('skopeo', [...policy(), 'copy', ...tls, `docker://${registry}/c/d:2`, `dir:${host.directory}/back`])
  assert.equal(back.code, 0, back.stderr)
})

test('a push that is interrupted ends in order and goes on in the next run', async () => {
  const line = await slowLine(6_000_000)
  const name = `docker://${line.address}/interrupted/x:1`
  const first = start(['copy', ...tls, `oci:${layout}:1`, name])
  await until(() => line.sent() > layerBytes * 0.7)
  first.kill('SIGINT')
  assert.notEqual((await first.done).code, 0)
  assert.equal(uploads().length, 1)
  const sentBefore = line.sent()
  assert.equal((await start(['copy', ...tls, `oci:${layout}:1`, name]).done).code, 0)
  assert.ok(line.sent() - sentBefore < layerBytes * 0.4, `${line.sent() - sentBefore} bytes again`)
  assert.deepEqual(uploads(), [])
})

test('a push that is killed is done again by the next run, though docker\'s registry has dropped what it had', async () => {
  const line = await slowLine(8_000_000)
  const name = `docker://${line.address}/killed/x:1`
  const first = start(['copy', ...tls, `oci:${layout}:1`, name])
  await until(() => line.sent() > layerBytes * 0.5)
  first.kill('SIGKILL')
  await first.done
  const second = await start(['copy', ...tls, `oci:${layout}:1`, name]).done
  assert.equal(second.code, 0, second.stderr)
  assert.deepEqual(uploads(), [])
  assert.equal(host.run('skopeo', [...policy(), 'copy', ...tls, `docker://${registry}/killed/x:1`, `dir:${host.directory}/killed`]).code, 0)
})

test('a line that breaks in the middle of a push costs time, not the push', async () => {
  const line = await slowLine(50_000_000)
  line.breakAfter(layerBytes / 2)
  const copied = await start(['copy', ...tls, `oci:${layout}:1`, `docker://${line.address}/broken/x:1`]).done
  assert.equal(copied.code, 0, copied.stderr)
  const read = host.run('skopeo', [...policy(), 'copy', ...tls, `docker://${registry}/broken/x:1`, `dir:${host.directory}/broken`])
  assert.equal(read.code, 0, read.stderr)
  rmSync(join(host.directory, 'broken'), { recursive: true })
})

test('a registry with a login: pushed, listed and deleted with it, refused without; the password is nowhere', async () => {
  const locked = await host.startRegistry({ user: 'me', password: 'pass:word' })
  const refused = ours(['copy', ...tls, `oci:${layout}:1`, `docker://${locked}/a/b:1`])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /wants a login \(401\)/)
  const wrong = ours(['copy', ...tls, '--dest-creds', 'me:wrong-secret', `oci:${layout}:1`, `docker://${locked}/a/b:1`])
  assert.equal(wrong.code, 1)
  assert.doesNotMatch(wrong.stderr, /wrong-secret/)
  for (const tag of ['1', '2']) assert.equal(ours(['copy', ...tls, '--dest-creds', 'me:pass:word', `oci:${layout}:1`, `docker://${locked}/a/b:${tag}`]).code, 0)
  const login = ['--tls-verify=false', '--creds', 'me:pass:word']
  assert.deepEqual((JSON.parse(ours(['list-tags', ...login, `docker://${locked}/a/b`]).stdout) as { Tags: string[] }).Tags.toSorted(), ['1', '2'])
  const deleted = host.run(join(projectRoot, 'bin/tpod'), ['image', 'delete', '--tag-only', ...login, `docker://${locked}/a/b:1`])
  assert.equal(deleted.code, 0, deleted.stderr)
  assert.deepEqual((JSON.parse(host.run('skopeo', ['list-tags', ...login, `docker://${locked}/a/b`]).stdout) as { Tags: string[] }).Tags, ['2'])
  assert.equal(ours(['delete', ...login, `docker://${locked}/a/b:2`]).code, 0)
  assert.notEqual(host.run('skopeo', ['inspect', ...login, `docker://${locked}/a/b:2`]).code, 0)
})

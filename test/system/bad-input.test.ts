// Bad input: one line that names the object and says why, the remedy where there is one, the right exit code, nothing left behind.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { createServer as createHttpServer, type Server } from 'node:http'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { spawnTpodResult, TestHost, type Result } from '../support/host.ts'
import { assertNoHalfLayers } from '../support/invariants.ts'

const host = new TestHost()
const image = 'localhost/busybox:latest'

before(() => host.importBusybox(image))
after(() => host.dispose())

function assertRefused(result: Result, code: number, pattern: RegExp): void {
  assert.equal(result.code, code, result.stderr)
  assert.match(result.stderr, pattern)
  assert.doesNotMatch(result.stderr, /\n\s+at |TypeError|undefined|\[object/)
  const errorLines = result.stderr.split('\n').filter((line) => line.startsWith('Error: '))
  assert.equal(errorLines.length, 1, result.stderr)
}

const run = ['run', '--rm', '--network', 'none']
const cases: [name: string, args: string[], code: number, pattern: RegExp][] = [
  ['unknown command', ['rnu'], 125, /unrecognized command `tpod rnu`/],
  ['unknown flag', ['run', '--nonsense', image], 125, /unknown flag: --nonsense/],
  ['unknown image', [...run, '--pull', 'never', 'localhost/nope', 'true'], 125, /localhost\/nope/],
  ['unknown network', ['run', '--rm', '--network', 'nowhere', image, 'true'], 125, /nowhere/],
  ['bad reference', [...run, 'UPPER/Case', 'true'], 125, /UPPER\/Case/],
  ['bad port', ['run', '--rm', '-p', '99999:80', image, 'true'], 125, /99999/],
  ['bad port range', ['run', '--rm', '-p', '80-70:80-70', image, 'true'], 125, /80-70/],
  ['bad volume', [...run, '-v', '/a:/b:/c:/d:/e', image, 'true'], 125, /\/a:\/b/],
  ['missing volume source', [...run, '-v', '/does/not/exist:/x', image, 'true'], 125, /\/does\/not\/exist/],
  ['relative destination', [...run, '-v', '/tmp:relative', image, 'true'], 125, /relative/],
  ['bad env', [...run, '-e', '=x', image, 'true'], 125, /=x/],
  ['bad memory', [...run, '--memory', 'lots', image, 'true'], 125, /lots/],
  ['bad ulimit', [...run, '--ulimit', 'nofile', image, 'true'], 125, /nofile/],
  ['bad user', [...run, '--user', 'nobodyhere', image, 'true'], 126, /nobodyhere/],
  ['unknown capability', [...run, '--cap-add', 'CAP_NONSENSE', image, 'true'], 125, /NONSENSE/i],
  ['command not found', [...run, image, 'no-such-command'], 127, /no-such-command/],
  ['command not executable', [...run, image, '/etc/passwd'], 126, /etc\/passwd/],
  ['unknown runtime', ['--runtime', '/no/such/runtime', ...run, image, 'true'], 125, /no\/such\/runtime/],
  ['missing conmon', ['--conmon', '/no/such/conmon', ...run, image, 'true'], 125, /no\/such\/conmon/],
  ['unknown container', ['inspect', 'nobody'], 125, /nobody/],
  ['exec in unknown container', ['exec', 'nobody', 'true'], 125, /nobody/],
  ['rm unknown container', ['rm', 'nobody'], 1, /nobody/],
  ['rmi unknown image', ['rmi', 'localhost/nobody'], 1, /localhost\/nobody/],
  ['bad format', ['ps', '--format', '{{.Nonsense'], 125, /template|unclosed|Nonsense/],
  ['unknown field', ['images', '--format', '{{.Nonsense}}'], 125, /Nonsense/],
  ['bad filter', ['ps', '--filter', 'nonsense=1'], 125, /nonsense/],
  ['registry down', ['pull', '--retry', '0', '--tls-verify=false', '127.0.0.1:1/x/y'], 125, /127\.0\.0\.1:1/],
]
/** Whose remedy is more than what the message says already. */
const withRemedy = new Set(['unknown image', 'unknown network', 'missing volume source', 'bad user', 'command not found', 'command not executable', 'unknown runtime', 'missing conmon', 'unknown container', 'exec in unknown container', 'rm unknown container', 'rmi unknown image', 'registry down'])

for (const [name, args, code, pattern] of cases) {
  test(`${name}: exit ${code}`, () => {
    const result = host.tpod(args)
    assertRefused(result, code, pattern)
    if (withRemedy.has(name)) assert.match(result.stderr, /^Hint: ./m)
    assert.equal(host.tpodOk(['ps', '-aq']), '')
  })
}

test('a name in use is refused, naming its owner', () => {
  const id = host.tpodOk(['create', '--name', 'taken', '--network', 'none', image])
  assertRefused(host.tpod(['create', '--name', 'taken', image]), 125, new RegExp(`taken.*${id.slice(0, 12)}`, 's'))
  assertRefused(host.tpod(['exec', 'taken', 'true']), 255, /taken.*state improper/)
  host.tpodOk(['rm', 'taken'])
})

test('a port in use is refused, naming it', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  assertRefused(host.tpod(['run', '--rm', '-p', `${port}:80`, image, 'true']), 126, new RegExp(String(port)))
  server.close()
  assert.equal(host.tpodOk(['ps', '-aq']), '')
})

test('a corrupt layers.json is named, not taken for an empty store', () => {
  const path = join(host.graphRoot, 'overlay-layers/layers.json')
  const whole = readFileSync(path)
  writeFileSync(path, whole.subarray(0, whole.length / 2))
  try {
    const result = host.tpod(['images'])
    const resultRun = host.tpod([...run, image, 'true'])
    assertRefused(resultRun, 125, /layers\.json/)
    if (result.code !== 0) assertRefused(result, 125, /layers\.json/)
    assert.equal(readFileSync(path).length, Math.floor(whole.length / 2), 'the damaged file was left as it was')
  } finally {
    writeFileSync(path, whole)
  }
  host.tpodOk([...run, image, 'true'])
})

interface FakeImage {
  manifest: Buffer
  config: Buffer
  layer: Buffer
}

const sha256 = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`

function fakeImage(): FakeImage {
  // One block longer than the store's busybox layer: a layer that is there already would not be fetched.
  const tar = Buffer.concat([readFileSync(host.busyboxTar()), Buffer.alloc(512)])
  const layer = gzipSync(tar, { level: 1 })
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Cmd: ['sh'] }, rootfs: { type: 'layers', diff_ids: [sha256(tar)] } }))
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(config), size: config.length },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: sha256(layer), size: layer.length }],
    }),
  )
  return { manifest, config, layer }
}

/** A registry that lies in one way: what it does to the layer's bytes, or a status for everything. */
async function faultyRegistry(fault: { layer?: (data: Buffer) => Buffer; status?: number }): Promise<{ address: string; server: Server }> {
  const { manifest, config, layer } = fakeImage()
  const server = createHttpServer((request, response) => {
    if (fault.status !== undefined) {
      response.writeHead(fault.status, { 'content-type': 'application/json', ...(fault.status === 401 ? { 'www-authenticate': 'Basic realm="x"' } : {}) }).end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')
    } else if (request.url === '/v2/') response.writeHead(200).end('{}')
    else if (request.url?.includes('/manifests/')) response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json', 'docker-content-digest': sha256(manifest) }).end(manifest)
    else if (request.url?.endsWith(sha256(config))) response.writeHead(200).end(config)
    else if (request.url?.endsWith(sha256(layer))) {
      const body = fault.layer?.(layer) ?? layer
      response.writeHead(200, { 'content-length': body.length }).end(body)
    } else response.writeHead(404).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { server, address: `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}` }
}

const faults: [name: string, fault: Parameters<typeof faultyRegistry>[0], pattern: RegExp][] = [
  ['a wrong layer digest', { layer: (data) => Buffer.concat([data.subarray(0, 1000), Buffer.from('X'), data.subarray(1001)]) }, /digest|sha256|corrupt|invalid/i],
  ['a truncated layer', { layer: (data) => data.subarray(0, data.length >> 1) }, /sent \d+ of \d+ bytes/],
  ['401', { status: 401 }, /unauthorized|authenti|login/i],
]
for (const [name, fault, pattern] of faults) {
  test(`pull from a registry that serves ${name} fails and leaves nothing`, async () => {
    const { server, address } = await faultyRegistry(fault)
    try {
      const result = await spawnTpodResult(host, ['pull', '--retry', '1', '--tls-verify=false', `${address}/x/y:latest`])
      assertRefused(result, 125, pattern)
      assert.match(result.stderr, new RegExp(address))
      assert.doesNotMatch(host.tpodOk(['images']), /x\/y/)
      assertNoHalfLayers(host)
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
}

test('a full disk during pull is said, and nothing half-made stays', async () => {
  const small = join(host.directory, 'small')
  mkdirSync(small)
  host.run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
  const { server, address } = await faultyRegistry({})
  try {
    const result = await spawnTpodResult(host, ['--root', join(small, 'root'), 'pull', '--retry', '0', '--tls-verify=false', `${address}/x/y:latest`])
    assertRefused(result, 125, /no space|disk.*full|ENOSPC/i)
    assert.equal(host.tpodOk(['--root', join(small, 'root'), 'images', '-q']), '')
  } finally {
    server.close()
    server.closeAllConnections()
    host.run('umount', ['-l', small])
  }
})

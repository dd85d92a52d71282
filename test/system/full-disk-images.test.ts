// Full disks, as graph root and as destination: each command says which disk, leaves nothing there, and removals still work.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { TarOutput } from '../../src/image/transports/tar-output.ts'
import { GpgHome } from '../support/gpg-home.ts'
import { TestHost, tpodPath } from '../support/host.ts'
import type { Result } from '../support/host.ts'
import { buildRandomImage } from '../support/images.ts'

const layerBytes = 8 * 1024 * 1024
const host = new TestHost()
const disk = join(host.directory, 'disk')
const archive = join(host.directory, 'big.tar')
const big = 'localhost/big:latest'
let pushed: string

before(async () => {
  buildRandomImage(host, big, 3, layerBytes)
  pushed = `${await host.startRegistry()}/big:latest`
  host.tpodOk(['push', '-q', big, pushed])
  host.tpodOk(['save', '-q', '-o', archive, big])
  mkdirSync(disk)
})
after(() => host.dispose())
beforeEach(() => mount(20))
afterEach(unmount)

function mount(sizeMb: number): void {
  host.run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', disk])
}

function unmount(): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '')
  for (const path of mounts.reverse()) if (path === disk || path.startsWith(`${disk}/`)) host.run('umount', ['-l', path])
}

function inStore(args: readonly string[]): Result {
  return host.run(tpodPath, ['--root', join(disk, 'root'), '--runroot', join(host.directory, 'run-disk'), ...args])
}

function usedBytes(): number {
  const { blocks, bfree, bsize } = statfsSync(disk)
  return (blocks - bfree) * bsize
}

function fill(): void {
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(join(disk, 'fill'), Buffer.alloc(bavail * bsize))
  assert.equal(statfsSync(disk).bavail, 0)
}

function assertFull({ code, stderr }: Result): void {
  assert.equal(code, 125, stderr)
  assert.match(stderr, /no space left/)
  assert.ok(stderr.includes(disk), `the disk is named: ${stderr}`)
  assert.doesNotMatch(stderr, /^ +at /m)
}

for (const [name, args] of [['pull', () => ['pull', '-q', pushed]], ['load', () => ['load', '-q', '-i', archive]], ['copy', () => ['image', 'copy', '-q', `docker://${pushed}`, 'containers-storage:copied']]] as const) {
  test(`${name} into a store whose disk gets full: no layer stays, and what fits then comes`, () => {
    assertFull(inStore(args()))
    assert.ok(usedBytes() < layerBytes / 4, `${usedBytes()} bytes stay`)
    assert.equal(inStore(['images', '-aq']).stdout, '')
    assert.equal(inStore(['import', '-q', host.busyboxTar(), 'small']).code, 0)
  })
}

test('rmi and prune work without a free byte, and the space can be had', () => {
  for (const name of ['one', 'two']) assert.equal(inStore(['import', '-q', '-c', `LABEL name=${name}`, host.busyboxTar(), name]).code, 0)
  assert.equal(inStore(['import', '-q', '-c', 'LABEL name=dangling', host.busyboxTar()]).code, 0)
  fill()
  assert.equal(inStore(['rmi', 'one']).code, 0)
  assert.match(inStore(['images', '--format', '{{.Names}}']).stdout, /two/)
  const pruned = inStore(['image', 'prune', '-f'])
  assert.equal(pruned.code, 0, pruned.stderr)
  const all = inStore(['rmi', '-a'])
  assert.equal(all.code, 0, all.stderr)
  assert.equal(inStore(['images', '-aq']).stdout, '')
  assert.ok(statfsSync(disk).bavail > 0)
})

test('a pull of what fits beside nothing else does not fail for the bytes it would keep', () => {
  unmount()
  mount(29)
  const pulled = inStore(['pull', '-q', pushed])
  assert.equal(pulled.code, 0, pulled.stderr)
})

for (const [kind, target] of [['oci', 'oci:DISK/layout:x'], ['dir', 'dir:DISK/dir'], ['oci-archive', 'oci-archive:DISK/archive.tar'], ['docker-archive', 'docker-archive:DISK/archive.tar:x:1']] as const) {
  test(`a copy to ${kind} on a full disk leaves no temporary file, and no image`, () => {
    assertFull(host.tpod(['image', 'copy', '-q', `docker://${pushed}`, target.replace('DISK', disk)]))
    const files = readdirSync(disk, { recursive: true, encoding: 'utf8' })
    assert.deepEqual(files.filter((name) => /tmp|archive|index\.json|manifest\.json/.test(name)), [])
  })
}

for (const format of ['docker-archive', 'oci-archive', 'docker-dir', 'oci-dir']) {
  test(`save --format ${format} to a full disk leaves what was there`, () => {
    const target = join(disk, 'target')
    // A docker-archive that is there is not replaced, as podman has it.
    const former = format === 'oci-archive' ? ['target'] : []
    for (const _ of former) writeFileSync(target, 'former')
    assertFull(host.tpod(['save', '-q', '--format', format, '-o', target, big]))
    if (format.endsWith('dir')) assert.ok(!existsSync(join(target, 'manifest.json')) && !existsSync(join(target, 'index.json')))
    else assert.deepEqual(readdirSync(disk), former)
    for (const _ of former) assert.equal(readFileSync(target, 'utf8'), 'former')
  })
}

test('an archive whose last piece finds the disk full says so as the others do', async () => {
  unmount()
  mount(1)
  const output = TarOutput.open(join(disk, 'archive.tar'))
  async function* content(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(1_500_000)
  }
  await assert.rejects(output.addUnsized(content(), () => 'member'), { code: 'NO_SPACE', message: new RegExp(`${disk}/archive.tar: no space left`) })
  await output.close()
  assert.deepEqual(readdirSync(disk), [])
})

test('what must be on disk for a while goes to TMPDIR: full, it is named', () => {
  const env = { TMPDIR: disk }
  // Bun's executable keeps its addon there.
  const left = (): string[] => readdirSync(disk).filter((name) => !name.startsWith('.bun-'))
  const compressed = join(host.directory, 'big.tar.gz')
  host.run('sh', ['-c', `gzip -1 -c ${archive} > ${compressed}`])
  assertFull(host.tpod(['load', '-q', '-i', compressed], { env }))
  assert.deepEqual(left(), [])
  assertFull(host.run('sh', ['-c', `cat ${archive} | ${[tpodPath, ...host.storeFlags()].join(' ')} load -q`], { env }))
  assert.deepEqual(left(), [])
  host.tpodOk(['manifest', 'create', 'list', big])
  assertFull(host.tpod(['manifest', 'push', '--add-compression', 'zstd', 'list', `docker://${pushed}-list`], { env }))
  assert.deepEqual(left(), [])
})

test('signatures cannot be made or verified where gpg finds no space: that is said, not that keys are missing', () => {
  const gpg = new GpgHome()
  try {
    const key = gpg.makeKey('signer')
    const env = { GNUPGHOME: gpg.directory }
    const signed = join(host.directory, 'signed')
    const sign = ['image', 'copy', '-q', '--sign-by', key, '--sign-identity', 'localhost/x:latest', `docker://${pushed}`, `dir:${signed}`]
    host.tpodOk(sign, { env })
    const policy = host.writeFile('signed.json', JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: gpg.exportKey(key, 'key.asc'), signedIdentity: { type: 'exactRepository', dockerRepository: 'localhost/x' } }] }))
    fill()
    assertFull(host.tpod(['image', 'copy', '-q', '--tmpdir', disk, '--policy', policy, `dir:${signed}`, `dir:${signed}-verified`]))
    assertFull(host.tpod([...sign.slice(0, 3), '--tmpdir', disk, ...sign.slice(3)], { env }))
    assert.deepEqual(readdirSync(disk), ['fill'])
  } finally {
    gpg.dispose()
  }
})

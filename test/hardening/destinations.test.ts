/** Who may write where an image is written to, as anybody may below /tmp, does not get files of root's written, or read, or removed. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, fstatSync, lstatSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { storeCredentials } from '../../src/config/auth-write.ts'
import { writeFileAtomic } from '../../src/host/fs/write-file-atomic.ts'
import { openDirectoryDestination } from '../../src/image/transports/directory.ts'
import { openOciLayoutDestination } from '../../src/image/transports/oci-layout-destination.ts'
import { TarOutput } from '../../src/image/transports/tar-output.ts'
import type { ImageDestination } from '../../src/image/types.ts'

const directory = mkdtempSync('/var/tmp/tpod-planted-')
after(() => rmSync(directory, { recursive: true, force: true }))
let counter = 0
const fresh = (): string => join(directory, `x${++counter}`)

/** What an attacker wants changed. */
function precious(): string {
  const path = fresh()
  mkdirSync(join(path, 'deep'), { recursive: true })
  writeFileSync(join(path, 'file'), 'precious')
  writeFileSync(join(path, 'empty'), '')
  writeFileSync(join(path, 'deep/file'), 'precious')
  return path
}

function assertUntouched(path: string): void {
  assert.deepEqual(readdirSync(path, { recursive: true }).toSorted(), ['deep', 'deep/file', 'empty', 'file'])
  assert.deepEqual([readFileSync(join(path, 'file'), 'utf8'), readFileSync(join(path, 'empty'), 'utf8')], ['precious', ''])
}

const config = Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]}}')
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length }, layers: [] }))

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function writeImage(destination: ImageDestination): Promise<void> {
  const blob = { kind: 'config' as const, digest: digestOf(config), sizeBytes: config.length, mediaType: '' }
  try {
    if ((await destination.reuseBlob(blob)) === undefined) await destination.putBlob(once(config), blob)
    await destination.putManifest({ bytes: manifest, digest: digestOf(manifest), mediaType: 'application/vnd.oci.image.manifest.v1+json' }, { isInstance: false })
    await destination.commit()
  } finally {
    await destination.close()
  }
}

const planted: readonly [what: string, plant: (layout: string, target: string) => void][] = [
  ['blobs is a link', (layout, target) => symlinkSync(target, join(layout, 'blobs'))],
  ['blobs/sha256 is a link', (layout, target) => (mkdirSync(join(layout, 'blobs')), symlinkSync(target, join(layout, 'blobs/sha256')))],
  ['oci-layout is a link to an empty file', (layout, target) => symlinkSync(join(target, 'empty'), join(layout, 'oci-layout'))],
  ['oci-layout is a link to a file that is not there', (layout, target) => symlinkSync(join(target, 'nologin'), join(layout, 'oci-layout'))],
  ['index.json is a link', (layout, target) => symlinkSync(join(target, 'file'), join(layout, 'index.json'))],
  ['index.json is a FIFO', (layout) => void execFileSync('mkfifo', [join(layout, 'index.json')])],
  ['oci-layout is a FIFO', (layout) => void execFileSync('mkfifo', [join(layout, 'oci-layout')])],
]
for (const [what, plant] of planted) {
  test(`oci: ${what}: refused, and nothing is written elsewhere`, { timeout: 20_000 }, async () => {
    const target = precious()
    const layout = fresh()
    mkdirSync(layout)
    plant(layout, target)
    await assert.rejects(async () => writeImage(await openOciLayoutDestination(`${layout}:x`)), (error: Error & { code?: string }) => /^(?:OUTSIDE_LAYOUT|NOT_REGULAR)$/.test(error.code ?? '') && error.message.includes(layout))
    assertUntouched(target)
  })
}

test('oci: a blob that is a link is replaced, not taken for one that is there', async () => {
  const layout = fresh()
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
  const outside = fresh()
  writeFileSync(outside, Buffer.alloc(config.length, 'x'))
  const blob = join(layout, 'blobs/sha256', digestOf(config).slice(7))
  symlinkSync(outside, blob)
  await writeImage(await openOciLayoutDestination(`${layout}:x`))
  assert.deepEqual(readFileSync(blob), config)
  assert.equal(readFileSync(outside, 'utf8')[0], 'x')
})

test('oci:, dir: the directory is exchanged for a link while the image is written: what the link leads to stays as it is', async () => {
  for (const open of [(path: string) => openDirectoryDestination(path), (path: string) => openOciLayoutDestination(path)]) {
    const target = precious()
    const path = fresh()
    const destination = await open(path)
    renameSync(path, `${path}-moved`)
    symlinkSync(target, path)
    await writeImage(destination)
    assertUntouched(target)
    assert.ok(existsSync(join(`${path}-moved`, 'manifest.json')) || existsSync(join(`${path}-moved`, 'index.json')))
  }
})

test('dir: what no image has is not cleared away: no directory, no link is followed', async () => {
  const target = precious()
  const path = fresh()
  await writeImage(await openDirectoryDestination(path))
  mkdirSync(join(path, 'mine'))
  writeFileSync(join(path, 'mine/file'), '')
  symlinkSync(target, join(path, 'link'))
  await writeImage(await openDirectoryDestination(path))
  assertUntouched(target)
  assert.deepEqual(readdirSync(path).toSorted(), [digestOf(config).slice(7), 'manifest.json', 'mine', 'version'])
})

test('a temporary file that somebody has put there beforehand does not get the content', async () => {
  const path = fresh()
  const trap = join(directory, `.tmp-${path.slice(path.lastIndexOf('/') + 1)}`)
  writeFileSync(trap, '')
  const attacker = openSync(trap, 'r')
  await writeFileAtomic(path, 'secret', { isLocked: true })
  assert.equal(readFileSync(path, 'utf8'), 'secret')
  assert.deepEqual([fstatSync(attacker).size, fstatSync(attacker).ino === statSync(path).ino], [0, false])
  closeSync(attacker)
})

test("login --authfile: another user's link is not followed; one's own is", async () => {
  const credentials = { username: 'u', password: 'p' }
  const target = fresh()
  writeFileSync(target, '{"daemon":"configuration"}')
  const link = fresh()
  symlinkSync(target, link)
  if (process.getuid?.() === 0) {
    execFileSync('chown', ['-h', '65534', link])
    await assert.rejects(storeCredentials({ paths: { authFile: link } }, 'registry.example', credentials), { code: 'FOREIGN_LINK' })
    assert.equal(readFileSync(target, 'utf8'), '{"daemon":"configuration"}')
    execFileSync('chown', ['-h', '0', link])
  }
  await storeCredentials({ paths: { authFile: link } }, 'registry.example', credentials)
  assert.match(readFileSync(target, 'utf8'), /registry\.example/)
  assert.equal(statSync(target).mode & 0o777, 0o600)
})

test("save and archives: another user's link is not followed; one's own stays a link", async () => {
  const save = async (path: string): Promise<void> => {
    const output = TarOutput.open(path)
    await output.addBytes('a', Buffer.from('content'))
    await output.finish()
  }
  const target = fresh()
  writeFileSync(target, 'precious')
  const link = fresh()
  symlinkSync(target, link)
  if (process.getuid?.() === 0) {
    execFileSync('chown', ['-h', '65534', link])
    await assert.rejects(save(link), { code: 'FOREIGN_LINK' })
    assert.equal(readFileSync(target, 'utf8'), 'precious')
    execFileSync('chown', ['-h', '0', link])
  }
  await save(link)
  assert.ok(lstatSync(link).isSymbolicLink())
  assert.equal(statSync(target).size, 2048)
})

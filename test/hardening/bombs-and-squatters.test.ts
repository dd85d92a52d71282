/** Small things that become large in memory, and places that others can take before us. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { formatMemberHeader, writeTar } from '../../src/archive/tar-write.ts'
import { userRuntimeDirectory } from '../../src/config/paths.ts'
import { isPrivateHost } from '../../src/image/registry/challenge.ts'
import { openArchiveFiles } from '../../src/image/transports/archive-files.ts'
import { openDirectorySource } from '../../src/image/transports/directory.ts'
import { openDockerArchiveSource } from '../../src/image/transports/docker-archive-source.ts'
import { readLookaside } from '../../src/image/trust/lookaside.ts'
import { readSigstoreAttachments } from '../../src/image/trust/sigstore-attachments.ts'
import type { AttachmentRepository } from '../../src/image/trust/sigstore-attachments.ts'
import { scpImage } from '../../src/libpod/images/scp.ts'
import { scpCommand } from '../../src/libpod/images/scp-end.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseNormalizedReference } from '../../src/oci/reference.ts'

const directory = mkdtempSync('/var/tmp/tpod-bombs-')
after(() => rmSync(directory, { recursive: true, force: true }))
/** As large as a signature may be, and not yet a hundred of them half a gigabyte. */
const large = Buffer.alloc(4 * 1024 * 1024, 0x80)
const digest = digestOf('{}')

test('many large signatures: a server that sends all that each limit permits is left after 16 MB', async () => {
  let served = 0
  const fetchUrl = async (): Promise<Uint8Array> => (served++, large)
  await assert.rejects(readLookaside('https://signatures.example', parseNormalizedReference('a.b/c:1'), digest, { fetchUrl }), { code: 'SIGNATURE_INVALID' })
  assert.ok(served <= 5)
})

test('many large attachments', async () => {
  let served = 0
  const layer = { mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json', digest: digestOf(large), size: large.length }
  const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { mediaType: '', digest, size: 2 }, layers: Array.from({ length: 100 }, () => layer) }
  const repository = {
    name: 'a.b/c',
    getManifest: async () => ({ bytes: Buffer.from(JSON.stringify(manifest)), mediaType: manifest.mediaType }),
    getBlob: async () => (served++, large),
  } as unknown as AttachmentRepository
  await assert.rejects(readSigstoreAttachments(repository, digest), { code: 'SIGNATURE_INVALID' })
  assert.ok(served <= 5)
})

test('dir: many large signatures', async () => {
  const image = join(directory, 'image')
  mkdirSync(image)
  writeFileSync(join(image, 'manifest.json'), '{}')
  for (let number = 1; number <= 6; number++) writeFileSync(join(image, `signature-${number}`), large)
  const source = await openDirectorySource(image)
  await assert.rejects(async () => source.getSignatures?.(digest), { code: 'SIGNATURE_INVALID' })
  await source.close()
})

test('an archive of nothing but long names, which compress to a thousandth, is left before they fill the memory', async () => {
  const path = join(directory, 'names.tar.gz')
  const folder = 'd'.repeat(3_900)
  const members = Array.from({ length: 1_000 }, (_, number) => Buffer.from(formatMemberHeader({ kind: 'file', name: `${folder}/${number}`, mode: 0o644 }, 0)))
  // Gzip members are joined by writing one after the other.
  const piece = gzipSync(Buffer.concat(members), { level: 1 })
  writeFileSync(path, Buffer.concat(Array.from({ length: 20 }, () => piece)))
  assert.ok(statSync(path).size < 2_000_000)
  await assert.rejects(openArchiveFiles(path, { temporaryDirectory: directory }), { code: 'ARCHIVE_LIMIT' })
})

test('the runtime directory below /tmp is made for its user alone, and not taken from others', () => {
  const uid = process.geteuid?.() ?? 0
  // A user without /run/user/UID; root's number is used so that the test can make what is needed.
  const place = (name: string): { env: Record<string, string>; uid: number } => ({ env: { TMPDIR: join(directory, name) }, uid })
  const fallback = (name: string): string => join(directory, name, `storage-run-${uid}`)
  const isUsual = statSync(`/run/user/${uid}`, { throwIfNoEntry: false })?.uid === uid
  if (isUsual) return
  for (const name of ['fresh', 'wide', 'linked', 'foreign']) mkdirSync(join(directory, name))
  assert.equal(userRuntimeDirectory(place('fresh')), fallback('fresh'))
  assert.equal(statSync(fallback('fresh')).mode & 0o777, 0o700)
  assert.equal(userRuntimeDirectory(place('fresh')), fallback('fresh'))
  mkdirSync(fallback('wide'))
  chmodSync(fallback('wide'), 0o777)
  symlinkSync(fallback('fresh'), fallback('linked'))
  const taken = ['wide', 'linked']
  if (uid === 0) {
    mkdirSync(fallback('foreign'), { mode: 0o755 })
    chownSync(fallback('foreign'), 65534, 65534)
    taken.push('foreign')
  }
  for (const name of taken) assert.throws(() => userRuntimeDirectory(place(name)), { code: 'RUNTIME_DIRECTORY' }, name)
})

test('with --log-level=debug, too, errors have no control characters of an image', () => {
  const program = `
    import { reportError } from ${JSON.stringify(new URL('../../src/cli/errors.ts', import.meta.url).href)}
    reportError(new Error('executable \\x1b]0;title\\x07 \\u009b31m'), { commandLine: 'tpod run', debug: true })`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.match(stderr, /title.*\n.* at /s)
  assert.doesNotMatch(stderr, /[^\P{Cc}\n]/u)
})

test('image scp to a user: what runs there is in a session of its own, so that it cannot type into our terminal', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
  const engine = { options: { hostEnv: {}, selfCommand: ['tpod'] } } as unknown as Parameters<typeof scpCommand>[0]
  const ofOther = (await scpCommand(engine, { kind: 'user', user: 'nobody', image: '' }))(['load', '-q'])
  assert.equal(ofOther.hasOwnSession, true)
  // What is ours stays on our terminal.
  for (const user of ['root']) assert.equal((await scpCommand(engine, { kind: 'user', user, image: '' }))([]).hasOwnSession, undefined)
})

test('addresses of this machine by other spellings', () => {
  for (const host of ['localhost.', 'LOCALHOST.', 'a.localhost.', '[::7f00:1]', '[64:ff9b::7f00:1]', '[::ffff:a9fe:a9fe]']) assert.ok(isPrivateHost(host), host)
  for (const host of ['registry.example.', 'localhost.example', '[2001:db8::1]', '8.8.8.8']) assert.ok(!isPrivateHost(host), host)
})

test('a docker archive with more layers than an image may have is refused before any is read', async () => {
  const path = join(directory, 'layers.tar')
  const diffIds = Array.from({ length: 1001 }, (_, number) => digestOf(String(number)))
  const chunks: Uint8Array[] = []
  const documents = { 'c.json': { rootfs: { type: 'layers', diff_ids: diffIds } }, 'manifest.json': [{ Config: 'c.json', RepoTags: ['x:1'], Layers: diffIds.map(() => 'l') }] }
  for await (const chunk of writeTar(Object.entries(documents).map(([name, json]) => ({ kind: 'file' as const, name, mode: 0o644, content: Buffer.from(JSON.stringify(json)) })))) chunks.push(Uint8Array.from(chunk))
  writeFileSync(path, Buffer.concat(chunks))
  await assert.rejects(openDockerArchiveSource({ temporaryDirectory: directory }, path), { code: 'ARCHIVE_LIMIT' })
})

test('image scp: what the far side says neither drives the terminal nor fills the memory', { timeout: 30_000 }, async () => {
  const far = async (says: string): Promise<string[]> => {
    const bin = mkdtempSync(join(directory, 'bin-'))
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\ncat >/dev/null\n${says}\n`, { mode: 0o755 })
    const engine = { options: { hostEnv: { PATH: `${bin}:/usr/bin:/bin`, HOME: bin }, selfCommand: ['sh', '-c', 'echo archive', 'sh'] }, config: { engine: { serviceDestinations: {} } } } as unknown as Parameters<typeof scpImage>[0]
    return scpImage(engine, 'x:1', 'far.example::')
  }
  assert.deepEqual(await far("printf 'Loaded image: \\033]0;title\\007x\\n'"), ['Loaded image: ?]0;title?x'])
  await assert.rejects(far('yes'), { code: 'SCP_FAILED' })
})

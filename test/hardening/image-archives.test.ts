/** Layouts, directories and archives of images made to mislead: nothing outside them is read or written, nothing hangs, and each says what is wrong. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { formatMemberHeader, writeTar } from '../../src/archive/tar-write.ts'
import type { TarMember } from '../../src/archive/tar-write.ts'
import { errorCode } from '../../src/errors/tpod-error.ts'
import { copyImage } from '../../src/image/copy/copy-image.ts'
import { openDirectoryDestination, openDirectorySource } from '../../src/image/transports/directory.ts'
import { listDockerArchiveImages, openDockerArchiveSource } from '../../src/image/transports/docker-archive-source.ts'
import { openOciArchiveSource } from '../../src/image/transports/oci-archive.ts'
import { openOciLayoutDestination } from '../../src/image/transports/oci-layout-destination.ts'
import { openOciLayoutSource } from '../../src/image/transports/oci-layout-source.ts'
import type { ImageSource } from '../../src/image/types.ts'

const directory = mkdtempSync('/var/tmp/tpod-hostile-')
const context = { platform: { os: 'linux', architecture: 'amd64' }, temporaryDirectory: directory }
let counter = 0
after(() => rmSync(directory, { recursive: true, force: true }))

const fresh = (): string => join(directory, `x${++counter}`)
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')
const file = (name: string, content: string | Uint8Array): TarMember => ({ kind: 'file', name, mode: 0o644, content: typeof content === 'string' ? Buffer.from(content) : content })

async function tar(members: readonly TarMember[]): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of writeTar(members)) chunks.push(Uint8Array.from(chunk))
  return Buffer.concat(chunks)
}

async function archive(members: readonly TarMember[]): Promise<string> {
  const path = fresh()
  writeFileSync(path, await tar(members))
  return path
}

const layer = await tar([file('a', 'hello')])
const diffId = `sha256:${sha256(layer)}`
const config = JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [diffId] } })
const manifestOf = (layerDigest = diffId, configDigest = `sha256:${sha256(config)}`): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: configDigest, size: config.length }, layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layerDigest, size: layer.length }] })
const indexOf = (digest: string, size: number): string => JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size }] })
const dockerManifestOf = (over: object = {}): string => JSON.stringify([{ Config: 'config.json', RepoTags: ['x:1'], Layers: ['layer.tar'], ...over }])
const dockerMembers = (): TarMember[] => [file('config.json', config), file('layer.tar', layer), file('manifest.json', dockerManifestOf())]

function layout(): string {
  const path = fresh()
  mkdirSync(join(path, 'blobs/sha256'), { recursive: true })
  for (const bytes of [config, manifestOf(), layer]) writeFileSync(join(path, 'blobs/sha256', sha256(bytes)), bytes)
  writeFileSync(join(path, 'index.json'), indexOf(`sha256:${sha256(manifestOf())}`, manifestOf().length))
  writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return path
}

function directoryImage(): string {
  const path = fresh()
  mkdirSync(path)
  for (const bytes of [config, layer]) writeFileSync(join(path, sha256(bytes)), bytes)
  writeFileSync(join(path, 'manifest.json'), manifestOf())
  writeFileSync(join(path, 'version'), 'Directory Transport Version: 1.1\n')
  return path
}

/** Copies to a new directory and returns it; sources are closed whatever happens. */
async function copyOut(opening: Promise<ImageSource>): Promise<string> {
  const source = await opening
  const target = fresh()
  const destination = await openDirectoryDestination(target)
  try {
    await copyImage(context, source, destination)
    return target
  } finally {
    await source.close()
    await destination.close()
  }
}

async function refuses(opening: Promise<ImageSource>, code: RegExp, words?: RegExp): Promise<void> {
  await assert.rejects(copyOut(opening), (error) => {
    assert.match(errorCode(error) ?? String(error), code, String(error))
    if (words !== undefined) assert.match(String(error), words)
    assert.doesNotMatch(String(error), /root:/, 'the content of a foreign file is shown')
    return true
  })
}

const secret = join(directory, 'secret')
writeFileSync(secret, 'root:secret')

describe('what is sound is copied', () => {
  test('layout, directory, archives', async () => {
    for (const opening of [openOciLayoutSource(layout()), openDirectorySource(directoryImage()), openDockerArchiveSource(context, await archive(dockerMembers()))]) {
      assert.ok(existsSync(join(await copyOut(opening), 'manifest.json')))
    }
  })

  test('links within an archive are followed, as docker writes them', async () => {
    const path = await archive([file('config.json', config), file('deep/one.tar', layer), { kind: 'symlink', name: 'two/layer.tar', linkName: '../deep/one.tar', mode: 0o777 }, file('manifest.json', dockerManifestOf({ Layers: ['two/layer.tar'] }))])
    assert.ok(existsSync(join(await copyOut(openDockerArchiveSource(context, path)), sha256(layer))))
  })
})

describe('layouts and directories', () => {
  for (const [what, name] of [['index.json', 'index.json'], ['a layer', `blobs/sha256/${sha256(layer)}`], ['the manifest', `blobs/sha256/${sha256(manifestOf())}`], ['oci-layout', 'oci-layout']] as const) {
    test(`oci: ${what} is a link to a file of this machine`, async () => {
      for (const target of [secret, '/etc/passwd', '../../../secret', '/proc/self/environ', '/proc/self/fd/0']) {
        const path = layout()
        rmSync(join(path, name))
        symlinkSync(target, join(path, name))
        await refuses(openOciLayoutSource(path), /OUTSIDE_LAYOUT/)
      }
    })

    test(`oci: ${what} is a FIFO, a device, a directory: nobody waits`, async () => {
      for (const make of [(at: string) => execFileSync('mkfifo', [at]), (at: string) => execFileSync('mknod', [at, 'c', '1', '5']), (at: string) => mkdirSync(at)]) {
        const path = layout()
        rmSync(join(path, name))
        make(join(path, name))
        await refuses(openOciLayoutSource(path), /NOT_REGULAR/)
      }
    })
  }

  test('oci: the blobs directory is a link out', async () => {
    const path = layout()
    rmSync(join(path, 'blobs'), { recursive: true })
    symlinkSync(join(layout(), 'blobs'), join(path, 'blobs'))
    await refuses(openOciLayoutSource(path), /OUTSIDE_LAYOUT/)
  })

  test('dir: blobs and manifest that are links or FIFOs', async () => {
    for (const name of ['manifest.json', sha256(layer), sha256(config)]) {
      const linked = directoryImage()
      rmSync(join(linked, name))
      symlinkSync(secret, join(linked, name))
      await refuses(openDirectorySource(linked), /OUTSIDE_LAYOUT/)
      const piped = directoryImage()
      rmSync(join(piped, name))
      execFileSync('mkfifo', [join(piped, name)])
      await refuses(openDirectorySource(piped), /NOT_REGULAR/)
    }
  })

  test('digests that are paths (CVE-2024-3727)', async () => {
    for (const digest of ['sha256:../../../../secret', 'sha256:', `sha256:${'a'.repeat(63)}/`, '../secret', `sha512:${'a'.repeat(128)}`, `sha256:${'A'.repeat(64)}`, 17, null]) {
      const path = layout()
      writeFileSync(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 }] }))
      await refuses(openOciLayoutSource(path), /BAD_DIGEST|BAD_MANIFEST/)
      const image = directoryImage()
      writeFileSync(join(image, 'manifest.json'), manifestOf(digest as string))
      await refuses(openDirectorySource(image), /BAD_DIGEST/)
      const source = await openDirectorySource(directoryImage())
      await assert.rejects(async () => source.getManifest(digest as string), /invalid digest|not a string/)
      await source.close()
    }
  })

  test('content that is not what its digest says', async () => {
    for (const bytes of [layer, config, manifestOf()]) {
      const path = layout()
      const blob = join(path, 'blobs/sha256', sha256(bytes))
      const changed = Buffer.from(readFileSync(blob))
      changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1
      writeFileSync(blob, changed)
      await refuses(openOciLayoutSource(path), /DIGEST_MISMATCH/)
      writeFileSync(blob, bytes.slice(0, -1))
      await refuses(openOciLayoutSource(path), /DIGEST_MISMATCH/)
    }
  })

  test('documents of any size and any JSON', async () => {
    for (const text of ['', '{', 'null', '[]', '7', '"x"', '{"schemaVersion":2}', '{"schemaVersion":2,"manifests":7}', '{"schemaVersion":2,"manifests":[null]}', '{"schemaVersion":2,"manifests":[{"digest":"sha256:","size":1}]}', '\xff\xfe', '['.repeat(100_000)]) {
      const path = layout()
      writeFileSync(join(path, 'index.json'), Buffer.from(text, 'latin1'))
      await refuses(openOciLayoutSource(path), /BAD_MANIFEST|BAD_DIGEST|IMAGE_NOT_IN_LAYOUT/)
      const image = directoryImage()
      writeFileSync(join(image, 'manifest.json'), Buffer.from(text, 'latin1'))
      await refuses(openDirectorySource(image), /BAD_MANIFEST|BAD_DIGEST|NO_MATCHING_PLATFORM|UNSUPPORTED_MANIFEST/)
      await assert.rejects(listDockerArchiveImages(await archive([file('manifest.json', Buffer.from(text, 'latin1'))])).then((images) => assert.ok(images.length > 0)))
    }
    const path = layout()
    truncateSync(join(path, 'index.json'), 2 ** 40)
    await refuses(openOciLayoutSource(path), /TOO_LARGE/)
    const image = directoryImage()
    truncateSync(join(image, 'manifest.json'), 2 ** 40)
    await refuses(openDirectorySource(image), /TOO_LARGE/)
  })

  test('a directory that is no image is not written over', async () => {
    const home = fresh()
    mkdirSync(home)
    writeFileSync(join(home, 'thesis.txt'), 'years of work')
    await assert.rejects(openDirectoryDestination(home), /not a containers image directory, don't want to overwrite important data/)
    writeFileSync(join(home, 'version'), 'Directory Transport Version: 7\n')
    await assert.rejects(openDirectoryDestination(home), /not a containers image directory/)
    assert.equal(readFileSync(join(home, 'thesis.txt'), 'utf8'), 'years of work')
  })

  test('a layout whose index is broken is not written to', async () => {
    const path = layout()
    writeFileSync(join(path, 'index.json'), '{')
    await assert.rejects(openOciLayoutDestination(`${path}:x`), /not valid JSON/)
    assert.equal(readFileSync(join(path, 'index.json'), 'utf8'), '{')
  })
})

describe('archives', () => {
  const links: readonly (readonly [string, TarMember])[] = [
    ['a symlink out', { kind: 'symlink', name: 'N', linkName: secret, mode: 0o777 }],
    ['a relative symlink out', { kind: 'symlink', name: 'N', linkName: '../../../../../..' + secret, mode: 0o777 }],
    ['a hard link out', { kind: 'hardlink', name: 'N', linkName: `../..${secret}`, mode: 0o644 }],
    ['a link to itself', { kind: 'symlink', name: 'N', linkName: 'N', mode: 0o777 }],
    ['a FIFO', { kind: 'fifo', name: 'N', mode: 0o644 }],
    ['a device', { kind: 'character', name: 'N', mode: 0o644, deviceMajor: 1, deviceMinor: 5 }],
    ['a directory', { kind: 'directory', name: 'N', mode: 0o755 }],
  ]
  for (const [what, member] of links) {
    test(`${what} in the place of manifest.json, config or layer`, async () => {
      for (const name of ['manifest.json', 'config.json', 'layer.tar']) {
        const base = name.split('/').at(-1) as string
        const members = [...dockerMembers().filter((other) => other.name !== name), { ...member, name, ...(member.linkName === 'N' ? { linkName: base } : {}) }]
        await refuses(openDockerArchiveSource(context, await archive(members)), /OUTSIDE_LAYOUT|ARCHIVE_INVALID|NOT_REGULAR|NOT_AN_ARCHIVE/)
      }
    })
  }

  test('names that lead out are not found, and nothing is unpacked', async () => {
    const before = readdirSync(directory).length
    for (const name of ['../../layer.tar', '/../../etc/passwd', '..']) {
      await refuses(openDockerArchiveSource(context, await archive([file('config.json', config), file(name, layer), file('manifest.json', dockerManifestOf({ Layers: [secret] }))])), /ARCHIVE_INVALID/, /missing/)
    }
    const path = await archive([file('../escaped', 'x'), file('/var/tmp/tpod-escaped', 'x'), ...dockerMembers()])
    await copyOut(openDockerArchiveSource(context, path))
    assert.ok(!existsSync('/var/tmp/tpod-escaped'))
    assert.ok(!existsSync(join(directory, '../escaped')))
    assert.ok(readdirSync(directory).length <= before + 20)
  })

  test('two manifests: no choice is made', async () => {
    await refuses(openDockerArchiveSource(context, await archive([...dockerMembers(), file('./manifest.json', dockerManifestOf({ Layers: [] }))])), /ARCHIVE_AMBIGUOUS/)
    const manifest = manifestOf()
    const index = indexOf(`sha256:${sha256(manifest)}`, manifest.length)
    await refuses(openOciArchiveSource(context, await archive([file('index.json', index), file('index.json', index)])), /ARCHIVE_AMBIGUOUS/)
  })

  test('a config that says other layers', async () => {
    const other = JSON.stringify({ ...(JSON.parse(config) as object), rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] } })
    await refuses(openDockerArchiveSource(context, await archive([file('config.json', other), ...dockerMembers().slice(1)])), /DIGEST_MISMATCH/)
    await refuses(openDockerArchiveSource(context, await archive([...dockerMembers().slice(0, 2), file('manifest.json', dockerManifestOf({ Layers: [] }))])), /ARCHIVE_INVALID/, /Inconsistent layer count/)
    const twice = JSON.stringify({ ...(JSON.parse(config) as object), rootfs: { type: 'layers', diff_ids: [diffId, `sha256:${'1'.repeat(64)}`] } })
    await refuses(openDockerArchiveSource(context, await archive([file('config.json', twice), ...dockerMembers().slice(1, 2), file('manifest.json', dockerManifestOf({ Layers: ['layer.tar', './layer.tar'] }))])), /ARCHIVE_INVALID/, /two different/)
  })

  test('huge documents are refused by their size alone', async () => {
    const path = fresh()
    writeFileSync(path, formatMemberHeader({ kind: 'file', name: 'manifest.json', mode: 0o644 }, 2 ** 32))
    truncateSync(path, 2 ** 32 + 2048)
    await refuses(openDockerArchiveSource(context, path), /TOO_LARGE/)
  })

  test('a member that claims more than the archive has', async () => {
    const path = fresh()
    writeFileSync(path, formatMemberHeader({ kind: 'file', name: 'manifest.json', mode: 0o644 }, 2 ** 40))
    await refuses(openDockerArchiveSource(context, path), /ARCHIVE_TRUNCATED/)
  })

  test('a sparse manifest or layer', async () => {
    const path = fresh()
    const holes = join(directory, 'manifest.json')
    writeFileSync(holes, '')
    truncateSync(holes, 2 ** 33)
    execFileSync('tar', ['--sparse', '-C', directory, '-cf', path, 'manifest.json'])
    rmSync(holes)
    await refuses(openDockerArchiveSource(context, path), /ARCHIVE_UNSUPPORTED/)
  })

  test('a compression bomb is stopped', async () => {
    const path = fresh()
    writeFileSync(path, formatMemberHeader({ kind: 'file', name: 'x', mode: 0o644 }, 2 ** 29))
    truncateSync(path, 2 ** 29 + 2048)
    execFileSync('zstd', ['-q', '-1', '--rm', path, '-o', `${path}.zst`])
    await assert.rejects(listDockerArchiveImages(`${path}.zst`), /became more than/)
  })

  test('what is no archive', async () => {
    for (const bytes of ['', 'x', 'x'.repeat(10_000), '\x1f\x8b\x08garbage', '(\xb5/\xfdgarbage', 'BZh9garbage', '\xfd7zXZ\0garbage', '\0'.repeat(511)]) {
      const path = fresh()
      writeFileSync(path, Buffer.from(bytes, 'latin1'))
      await assert.rejects(listDockerArchiveImages(path), (error) => /^(?:ARCHIVE_|NOT_AN_ARCHIVE|DECOMPRESSOR)/.test(errorCode(error) ?? ''), JSON.stringify(bytes.slice(0, 20)))
    }
    await assert.rejects(listDockerArchiveImages(directory), /is a directory/)
    await assert.rejects(listDockerArchiveImages('/dev/zero'), /it is a device/)
  })

  test('every prefix and many damages of a sound archive: an error or the same image', async () => {
    const sound = await tar(dockerMembers())
    const path = fresh()
    for (let length = 0; length < sound.length; length += 211) {
      writeFileSync(path, sound.subarray(0, length))
      await copyOut(openDockerArchiveSource(context, path)).catch((error: unknown) => assert.ok(errorCode(error) !== undefined, String(error)))
    }
    for (let at = 0; at < sound.length; at += 97) {
      const damaged = Buffer.from(sound)
      damaged[at] = (damaged[at] ?? 0) ^ 0x15
      writeFileSync(path, damaged)
      const target = await copyOut(openDockerArchiveSource(context, path)).catch((error: unknown) => void assert.ok(errorCode(error) !== undefined, String(error)))
      if (target !== undefined) assert.ok(existsSync(join(target, 'manifest.json')))
    }
  })
})

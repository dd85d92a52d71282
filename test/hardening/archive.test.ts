/** Hostile and odd layers against the real worker. Root is needed, for chroot and device nodes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, linkSync, lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { stageLayer } from '../../src/archive/stage-layer.ts'
import type { TarMember } from '../../src/archive/tar-write.ts'
import { native } from '../../src/host/native/native.ts'
import { TpodError } from '../../src/errors/tpod-error.ts'
import { endOfArchive, forgedHeader, inPieces, listTree, rebuiltDigest, sha256, tarOf, withStaged } from '../support/stage.ts'

const skip = process.getuid?.() === 0 ? false : 'needs root'
const hasCode = (code: string) => (error: unknown) => error instanceof TpodError && error.code === code
const text = (content: string) => Buffer.from(content)
const file = (name: string, content = 'x'): TarMember => ({ kind: 'file', name, mode: 0o644, content: text(content) })
const symlink = (name: string, linkName: string): TarMember => ({ kind: 'symlink', name, linkName, mode: 0o777 })
const hardlink = (name: string, linkName: string): TarMember => ({ kind: 'hardlink', name, linkName, mode: 0o644 })
const directory = (name: string, mode = 0o755): TarMember => ({ kind: 'directory', name, mode })

/** A file outside the layer that an escape would change. */
function withCanary<T>(use: (path: string) => Promise<T>): Promise<T> {
  const base = mkdtempSync('/var/tmp/tpod-test-canary-')
  const path = `${base}/canary`
  writeFileSync(path, 'untouched')
  return use(path).finally(() => {
    assert.equal(readFileSync(path, 'utf8'), 'untouched')
    assert.deepEqual(readdirSync(base), ['canary'])
    assert.equal(statSync(path).nlink, 1)
    rmSync(base, { recursive: true })
  })
}

test('names that climb out are refused; absolute ones stay inside', { skip }, async () => {
  await withCanary(async (canary) => {
    for (const name of [`../../../../../../..${canary}`, 'a/../../x', '..', './../x']) {
      await assert.rejects(withStaged(await tarOf(file(name, 'gotcha')), () => undefined), hasCode('ARCHIVE_ESCAPE'), name)
    }
    const tar = await tarOf(file(canary, 'gotcha'), file('/../up'))
    await withStaged(tar, ({ directory: root }) => assert.equal(readFileSync(root + canary, 'utf8'), 'gotcha'))
  })
})

test('a symlink out of the layer is followed inside it', { skip }, async () => {
  await withCanary(async (canary) => {
    const outside = canary.slice(0, canary.lastIndexOf('/'))
    const up = '../'.repeat(20) + outside.slice(1)
    for (const target of [outside, up]) {
      const tar = await tarOf(directory(outside.slice(1)), symlink('link', target), file('link/canary', 'gotcha'), file('link/new'))
      await withStaged(tar, ({ directory: root }) => assert.equal(readFileSync(`${root}${outside}/canary`, 'utf8'), 'gotcha'))
    }
  })
})

test('symlink then file of the same name: two members of one path are refused, and the target is not written', { skip }, async () => {
  await withCanary(async (canary) => {
    await assert.rejects(withStaged(await tarOf(symlink('x', canary), file('x', 'gotcha')), () => undefined), hasCode('ARCHIVE_DUPLICATE'))
    await assert.rejects(withStaged(await tarOf(file('a'), file('./a')), () => undefined), hasCode('ARCHIVE_DUPLICATE'))
    await assert.rejects(withStaged(await tarOf(file('.wh.a'), file('.wh.a')), () => undefined), hasCode('ARCHIVE_DUPLICATE'))
  })
})

test('a file written through two symlinked names replaces the link, not its target', { skip }, async () => {
  const tar = await tarOf(directory('real'), symlink('alias', 'real'), symlink('real/x', '/victim'), file('victim', 'safe'), file('alias/x', 'new'))
  await withStaged(tar, ({ directory: root }) => {
    assert.equal(readFileSync(`${root}/victim`, 'utf8'), 'safe')
    assert.equal(readFileSync(`${root}/real/x`, 'utf8'), 'new')
  })
})

test('hard links reach only into the layer, also through symlink chains', { skip }, async () => {
  await withCanary(async (canary) => {
    await assert.rejects(withStaged(await tarOf(hardlink('h', `../../../../..${canary}`)), () => undefined), hasCode('ARCHIVE_ESCAPE'))
    await assert.rejects(withStaged(await tarOf(hardlink('h', canary)), () => undefined), hasCode('UNPACK_FAILED'))
    await assert.rejects(withStaged(await tarOf(symlink('s', canary.slice(0, canary.lastIndexOf('/'))), hardlink('h', 's/canary')), () => undefined), hasCode('UNPACK_FAILED'))
    // A hard link to a symlink is another name of the link; its owner and mode must not reach the link's target.
    const tar = await tarOf(file('target', 't'), symlink('s', '/target'), { ...hardlink('h', 's'), uid: 9, mode: 0o777 })
    await withStaged(tar, ({ directory: root }) => {
      assert.ok(lstatSync(`${root}/h`).isSymbolicLink())
      assert.deepEqual([statSync(`${root}/target`).uid, statSync(`${root}/target`).mode & 0o777], [0, 0o644])
    })
  })
})

test('FIFOs never block: written over, linked to, or as parents', { skip, timeout: 20_000 }, async () => {
  const fifo: TarMember = { kind: 'fifo', name: 'd/p', mode: 0o600 }
  await withStaged(await tarOf(directory('d'), fifo, symlink('alias', 'd'), file('alias/p', 'over')), ({ directory: root }) => {
    assert.equal(readFileSync(`${root}/d/p`, 'utf8'), 'over')
  })
  await withStaged(await tarOf(directory('d'), fifo, hardlink('h', 'd/p')), ({ directory: root }) => assert.ok(lstatSync(`${root}/h`).isFIFO()))
  await assert.rejects(withStaged(await tarOf(directory('d'), fifo, file('d/p/child')), () => undefined), hasCode('UNPACK_FAILED'))
})

test('whiteouts: devices, opaque directories, odd names', { skip }, async () => {
  const tar = await tarOf(
    directory('etc'), { ...file('etc/.wh.gone', ''), uid: 4, gid: 5 }, directory('var'), file('var/.wh..wh..opq', ''), file('var/kept'),
    file('.wh.a', ''), file('new/parents/.wh.b', ''), file('.wh..wh.plnk', ''),
  )
  await withStaged(tar, async (staged) => {
    assert.deepEqual(listTree(staged.directory), [
      'a char 0 0 0:0', 'etc/ 755 0:0', 'etc/gone char 0 0 4:5', 'new/ 755 0:0', 'new/parents/ 755 0:0', 'new/parents/b char 0 0 0:0',
      'var/ 755 0:0', 'var/kept 644 0:0 1',
    ])
    assert.equal(native.getxattr(`${staged.directory}/var`, 'trusted.overlay.opaque')?.toString(), 'y')
    assert.equal(native.getxattr(`${staged.directory}/etc`, 'trusted.overlay.opaque'), null)
    // Owners of whiteouts do not count.
    assert.deepEqual([staged.content.uids, staged.content.gids], [[0], [0]])
    assert.equal(await rebuiltDigest(staged), staged.content.diffId)
  })
  await withStaged(tar, ({ directory: root }) => assert.equal(native.getxattr(`${root}/var`, 'user.overlay.opaque')?.toString(), 'y'), { whiteouts: 'overlay-user' })
  await withStaged(tar, ({ directory: root }) => assert.ok(existsSync(`${root}/var/.wh..wh..opq`) && existsSync(`${root}/etc/.wh.gone`)), { whiteouts: 'aufs' })
  for (const name of ['.wh.', 'd/.wh.', 'd/.wh..', 'd/.wh...']) {
    await assert.rejects(withStaged(await tarOf(directory('d'), file(name, '')), () => undefined), hasCode('ARCHIVE_INVALID'), name)
  }
})

test('whiteouts hide lower layers only, whatever the order in the layer', { skip }, async () => {
  const opaque = 'trusted.overlay.opaque'
  for (const members of [[file('.wh.d', ''), directory('d'), file('d/x')], [directory('d'), file('d/x'), file('.wh.d', '')]]) {
    await withStaged(await tarOf(...members), ({ directory: root }) => {
      assert.deepEqual(listTree(root), ['d/ 755 0:0', 'd/x 644 0:0 1'])
      assert.equal(native.getxattr(`${root}/d`, opaque)?.toString(), 'y')
    })
  }
  await withStaged(await tarOf(file('.wh.a', ''), file('a/.wh.b', '')), ({ directory: root }) => assert.deepEqual(listTree(root), ['a char 0 0 0:0']))
})

test('a whiteout through a symlink marks a name inside the layer', { skip }, async () => {
  await withCanary(async (canary) => {
    const outside = canary.slice(0, canary.lastIndexOf('/'))
    const tar = await tarOf(directory(outside.slice(1)), symlink('s', outside), file('s/.wh.canary', ''), file('s/.wh..wh..opq', ''))
    await withStaged(tar, ({ directory: root }) => assert.ok(lstatSync(root + canary).isCharacterDevice()))
    assert.equal(native.getxattr(outside, 'trusted.overlay.opaque'), null)
  })
})

test('overlay attributes and SELinux labels from an archive are left out; capabilities and others are kept', { skip }, async () => {
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
  const xattrs = new Map([
    ['trusted.overlay.redirect', text('/../../etc')], ['trusted.overlay.metacopy', text('')], ['user.overlay.opaque', text('y')],
    ['security.selinux', text('evil')], ['security.capability', capability], ['user.note', Buffer.from([0, 0xff, 10])],
  ])
  const tar = await tarOf({ ...file('ping'), mode: 0o4755, uid: 7, xattrs }, { ...directory('d'), xattrs })
  await withStaged(tar, ({ directory: root }) => {
    assert.deepEqual(native.listxattr(`${root}/ping`).toSorted(), ['security.capability', 'user.note'])
    assert.deepEqual(native.getxattr(`${root}/ping`, 'security.capability'), capability)
    assert.deepEqual(native.getxattr(`${root}/ping`, 'user.note'), Buffer.from([0, 0xff, 10]))
    assert.equal(lstatSync(`${root}/ping`).mode & 0o7777, 0o4755)
    assert.ok(!native.listxattr(`${root}/d`).some((name) => name.includes('overlay')))
  })
})

test('devices, owners, times and names that are not text', { skip }, async () => {
  const odd = Buffer.from([0x66, 0xff, 0x2f, 0xe9]).toString('latin1')
  const tar = await tarOf(
    { kind: 'character', name: 'null', mode: 0o666, deviceMajor: 1, deviceMinor: 3 }, { kind: 'block', name: 'b', mode: 0o600, deviceMajor: 300, deviceMinor: 70_000 },
    { ...file(odd), xattrs: new Map([['user.a', text('b')]]) }, { ...symlink('l', 'nowhere'), uid: 5, mtimeSec: 99, mtimeNsec: 1 },
    { ...directory('old'), mtimeSec: 1000, mtimeNsec: 123456789 }, { ...file('old/f'), uid: 4_000_000, gid: 3, mtimeSec: -5, mtimeNsec: 500_000_000 },
  )
  await withStaged(tar, async (staged) => {
    const root = staged.directory
    assert.equal(native.getxattr(Buffer.from(`${root}/${odd}`, 'latin1') as unknown as string, 'user.a')?.toString(), 'b')
    const stat = (name: string) => lstatSync(`${root}/${name}`, { bigint: true })
    assert.deepEqual([stat('null').rdev, stat('l').uid, stat('l').mtimeNs, stat('old').mtimeNs], [0x103n, 5n, 99_000_000_001n, 1000_123456789n])
    assert.deepEqual([stat('old/f').uid, stat('old/f').mtimeNs], [4_000_000n, -4_500_000_000n])
    assert.equal(execFileSync('stat', ['-c', '%t:%T', `${root}/b`], { encoding: 'utf8' }), '12c:11170\n')
    assert.deepEqual(staged.content.uids, [0, 5, 4_000_000])
    assert.equal(await rebuiltDigest(staged), staged.content.diffId)
  })
})

test('an invalid owner, a NUL in a name, a root that is no directory', { skip }, async () => {
  const owner = forgedHeader({ kind: 'fifo', name: 'f', mode: 0 }, { 108: '\x80\0\0\0\xff\xff\xff\xff' })
  await assert.rejects(withStaged(Buffer.concat([owner, endOfArchive]), () => undefined), hasCode('ARCHIVE_INVALID'))
  await assert.rejects(withStaged(await tarOf(symlink('./', '/etc')), () => undefined), hasCode('ARCHIVE_INVALID'))
  const records = '14 path=a\0bcd\n'
  const pax = forgedHeader({ kind: 'file', name: 'p', mode: 0 }, { 156: 'x' }, records.length)
  await assert.rejects(withStaged(Buffer.concat([pax, text(records.padEnd(512, '\0')), await tarOf(file('f'))]), () => undefined), hasCode('ARCHIVE_INVALID'))
})

test('pax says another path and size than the header: pax wins, everywhere the same', { skip }, async () => {
  const records = '11 path=bb\n10 size=4\n'
  const pax = forgedHeader({ kind: 'file', name: 'p', mode: 0 }, { 156: 'x' }, records.length)
  const header = forgedHeader({ kind: 'file', name: 'aa', mode: 0o644 }, {}, 2)
  const tar = Buffer.concat([pax, text(records.padEnd(512, '\0')), header, text('four'.padEnd(512, '\0')), endOfArchive])
  await withStaged(tar, async (staged) => {
    assert.deepEqual(listTree(staged.directory), ['bb 644 0:0 4'])
    assert.equal(await rebuiltDigest(staged), sha256(tar))
  })
})

test('bombs: a gigabyte of nothing from zstd, and a window larger than memory should give', { skip }, async () => {
  const header = forgedHeader({ kind: 'file', name: 'zeros', mode: 0o644 }, { 124: '07777777777' })
  const frame = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024))
  const bomb = Buffer.concat([zstdCompressSync(header), frame, frame, frame, frame, frame])
  await assert.rejects(withStaged(bomb, () => undefined), hasCode('ARCHIVE_LIMIT'))
  // Frame header: window descriptor 0xb0 asks for 2^32 bytes.
  const wide = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xb0]), Buffer.alloc(64)])
  await assert.rejects(withStaged(wide, () => undefined), (error) => error instanceof TpodError && error.code.startsWith('ARCHIVE_'))
})

for (const [name, compress] of [
  ['gzip', gzipSync], ['gzip', (tar: Buffer) => Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))])],
  ['zstd', zstdCompressSync], ['zstd', (tar: Buffer) => Buffer.concat([Buffer.from('502a4d1804000000abcdefab', 'hex'), zstdCompressSync(tar.subarray(0, 9)), zstdCompressSync(tar.subarray(9))])],
  ['bzip2', (tar: Buffer) => execFileSync('bzip2', { input: tar })], ['xz', (tar: Buffer) => execFileSync('xz', { input: tar })], ['none', (tar: Buffer) => tar],
] as const) {
  test(`${name} by its magic number, digests of both sides; cut short or damaged it fails`, { skip }, async () => {
    const tar = await tarOf(file('a', 'A'.repeat(5000)), directory('d'), file('d/b'))
    const blob = Buffer.from(compress(tar))
    await withStaged(blob, async (staged) => {
      assert.deepEqual(staged.content, {
        diffId: sha256(tar), diffSizeBytes: tar.length, blobDigest: sha256(blob), blobSizeBytes: blob.length, compression: name, uids: [0], gids: [0],
      })
      assert.equal(await rebuiltDigest(staged), sha256(tar))
    })
    const cut = blob.subarray(0, name === 'none' ? 3000 : blob.length - 12)
    await assert.rejects(withStaged(cut, () => undefined), (error) => error instanceof TpodError && error.code.startsWith('ARCHIVE_'))
  })
}

test('a sparse file has holes on disk and is rebuilt byte for byte', { skip }, async () => {
  const base = mkdtempSync('/var/tmp/tpod-test-sparse-')
  try {
    execFileSync('sh', ['-c', `cd ${base} && printf start > f && truncate -s 50M f && printf end >> f && printf plain > g`])
    for (const format of ['--format=gnu', '--format=pax']) {
      const tar = execFileSync('tar', ['-C', base, format, '--sparse', '-cf', '-', 'f', 'g'])
      await withStaged(tar, async (staged) => {
        const stats = statSync(`${staged.directory}/f`)
        assert.equal(stats.size, 50 * 1024 * 1024 + 3)
        assert.ok(stats.blocks * 512 < 1024 * 1024, 'holes take no space')
        execFileSync('cmp', [`${base}/f`, `${staged.directory}/f`])
        assert.equal(await rebuiltDigest(staged), sha256(tar))
      })
    }
  } finally {
    rmSync(base, { recursive: true })
  }
})

test('ids are mapped; one without a place fails; a failing source or signal ends the worker', { skip }, async () => {
  const maps = [{ containerId: 0, hostId: 100_000, size: 10 }]
  const options = { idMaps: { uid: maps, gid: maps } }
  await withStaged(await tarOf({ ...file('d/f'), uid: 3 }), ({ directory: root, content }) => {
    assert.deepEqual(listTree(root), ['d/ 755 100000:100000', 'd/f 644 100003:100000 1'])
    assert.deepEqual(content.uids, [3])
  }, options)
  await assert.rejects(withStaged(await tarOf({ ...file('f'), uid: 30 }), () => undefined, options), hasCode('ID_NOT_MAPPED'))
  async function* failing() {
    yield* inPieces(await tarOf(file('f')), 100)
    throw new Error('connection lost')
  }
  await assert.rejects(withStaged(failing(), () => undefined), /connection lost/)
  const before = readdirSync('/proc/self/fd').length
  await assert.rejects(withStaged(endless(), () => undefined, { signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' })
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.concat([forgedHeader({ kind: 'file', name: 'f', mode: 0 }, { 124: '77777777777' }), Buffer.alloc(100_000)])
}

async function* stalled(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(1000)
  await new Promise<void>((resolve) => setTimeout(resolve, 3_000).unref())
}

test('an abort does not wait for a source that stalls', { skip }, async () => {
  const started = performance.now()
  await assert.rejects(withStaged(stalled(), () => undefined, { signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' })
  assert.ok(performance.now() - started < 2_500)
})

test('while layers are unpacked, and after, the process sees the host and not a layer', { skip }, async () => {
  const { stat } = await import('node:fs/promises')
  const tar = gzipSync(await tarOf(...Array.from({ length: 500 }, (_, index) => file(`f${index}`, 'y'.repeat(2000)))))
  const look = () => Promise.all(Array.from({ length: 64 }, () => stat('/proc/self/status')))
  const staging = Promise.all(Array.from({ length: 4 }, () => withStaged(tar, () => undefined)))
  for (let round = 0; round < 5; round++) await look()
  await staging
  await look()
})

test('the worker never writes outside: nothing but the directory and the tar-split file changed', { skip }, async () => {
  const base = mkdtempSync('/var/tmp/tpod-test-confined-')
  try {
    linkSync(new URL(import.meta.url).pathname, `${base}/own`)
  } catch {
    // Another file system: the check below needs no link.
  }
  execFileSync('mkdir', [`${base}/diff`])
  await stageLayer(inPieces(await tarOf(file('a')), 99), { directory: `${base}/diff`, tarSplitPath: `${base}/ts`, whiteouts: 'overlay-trusted' })
  assert.deepEqual(readdirSync(base).filter((name) => name !== 'own').toSorted(), ['diff', 'ts'])
  // This thread's root is still the host's.
  assert.ok(existsSync('/proc/self/status'))
  rmSync(base, { recursive: true })
})

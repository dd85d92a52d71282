import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync, truncateSync, openSync, writeSync, closeSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { TarReader } from '../../../src/archive/tar-reader.ts'
import type { TarEntry } from '../../../src/archive/tar-entry.ts'
import { TpodError } from '../../../src/errors/tpod-error.ts'
import { endOfArchive, forgedHeader, tarOf } from '../../support/stage.ts'

interface Member {
  entry: TarEntry
  content: Buffer
}

/** Parses in pieces; checks that raw bytes and contents together are the archive. */
function parse(archive: Buffer, pieceBytes = archive.length || 1): Member[] {
  const members: Member[] = []
  const all: Buffer[] = []
  const reader = new TarReader({
    raw: (bytes) => void all.push(Buffer.from(bytes)),
    entry: (entry) => void members.push({ entry, content: Buffer.alloc(0) }),
    content: (bytes) => {
      const member = members.at(-1)
      assert.ok(member)
      member.content = Buffer.concat([member.content, bytes])
      all.push(Buffer.from(bytes))
    },
    entryEnd: () => undefined,
  })
  for (let at = 0; at < archive.length; at += pieceBytes) reader.push(archive.subarray(at, at + pieceBytes))
  reader.finish()
  assert.ok(Buffer.concat(all).equals(archive), 'every byte is reported once, in order')
  return members
}

function gnuTar(format: string, build: (directory: string) => string[], ...options: string[]): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'tpod-tar-'))
  try {
    const names = build(directory)
    return execFileSync('tar', ['-C', directory, `--format=${format}`, ...options, '-cf', '-', ...names], { maxBuffer: 1 << 26 })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const hasCode = (code: string) => (error: unknown) => error instanceof TpodError && error.code === code

for (const format of ['ustar', 'gnu', 'pax', 'v7']) {
  test(`${format}: names, contents and owners of a GNU tar archive, however the stream is cut`, () => {
    const archive = gnuTar(format, (directory) => {
      writeFileSync(join(directory, 'a'), 'hello')
      writeFileSync(join(directory, 'empty'), '')
      writeFileSync(join(directory, 'block'), Buffer.alloc(512, 7))
      return ['a', 'empty', 'block']
    }, '--owner=5', '--group=6', '--mtime=@1700000000')
    for (const pieceBytes of [1, 7, 511, 512, 513, archive.length]) {
      const members = parse(archive, pieceBytes)
      assert.deepEqual(members.map(({ entry }) => entry.name), ['a', 'empty', 'block'])
      assert.equal(members[0]?.content.toString(), 'hello')
      assert.equal(members[2]?.content.length, 512)
      assert.deepEqual([members[0]?.entry.uid, members[0]?.entry.gid, members[0]?.entry.mtimeSec], [5, 6, 1700000000])
    }
  })
}

for (const format of ['gnu', 'pax']) {
  test(`${format}: names and link targets beyond 100 bytes, and bytes that are not UTF-8`, () => {
    const long = `${'d'.repeat(90)}-${'e'.repeat(120)}`
    const archive = gnuTar(format, (directory) => {
      writeFileSync(join(directory, long), 'x')
      execFileSync('ln', ['-s', 't'.repeat(200), join(directory, 'link')])
      writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0x66, 0xff])]), 'y')
      return ['.']
    })
    const members = parse(archive, 300)
    assert.ok(members.some(({ entry }) => entry.name === `./${long}`))
    assert.ok(members.some(({ entry }) => entry.linkName === 't'.repeat(200)))
    assert.ok(members.some(({ entry }) => entry.name === './f\xff'))
  })
}

for (const [label, options] of [
  ['old GNU', ['gnu']], ['pax 0.0', ['pax', '--sparse-version=0.0']], ['pax 0.1', ['pax', '--sparse-version=0.1']], ['pax 1.0', ['pax', '--sparse-version=1.0']],
] as const) {
  test(`sparse file, ${label}: the pieces and their places`, () => {
    const [format, ...rest] = options
    const pieces = 30
    const archive = gnuTar(format, (directory) => {
      const path = join(directory, 'holes')
      const fd = openSync(path, 'w')
      for (let piece = 0; piece < pieces; piece++) writeSync(fd, Buffer.alloc(4096, piece + 1), 0, 4096, piece * 65536)
      closeSync(fd)
      truncateSync(path, 10_000_000)
      return ['holes']
    }, '--sparse', ...rest)
    const [member] = parse(archive, 777)
    assert.equal(member?.entry.name, 'holes')
    assert.equal(member.entry.sizeBytes, 10_000_000)
    const runs = member.entry.sparse ?? []
    assert.deepEqual(runs.filter((run) => run.length > 0).map((run) => run.offset), Array.from({ length: pieces }, (_, piece) => piece * 65536))
    assert.equal(member.content[4096], 2)
  })
}

test('numbers in base 256: owners and sizes beyond octal', () => {
  const header = forgedHeader({ kind: 'fifo', name: 'f', mode: 0o644 }, { 108: '\x80\0\0\0\x7f\xff\xff\xff' })
  assert.equal(parse(Buffer.concat([header, endOfArchive]))[0]?.entry.uid, 0x7fffffff)
  const negative = forgedHeader({ kind: 'fifo', name: 'f', mode: 0o644 }, { 136: '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe' })
  assert.equal(parse(Buffer.concat([negative, endOfArchive]))[0]?.entry.mtimeSec, -2)
  const huge = forgedHeader({ kind: 'file', name: 'f', mode: 0o644 }, { 124: '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' })
  assert.throws(() => parse(huge), hasCode('ARCHIVE_INVALID'))
})

test('pax times keep nanoseconds, before 1970 too', async () => {
  const members = parse(await tarOf(
    { kind: 'file', name: 'a', mode: 0o644, mtimeSec: 1700000000, mtimeNsec: 123456789 },
    { kind: 'file', name: 'b', mode: 0o644, mtimeSec: -2, mtimeNsec: 750000000 },
  ))
  assert.deepEqual(members.map(({ entry }) => [entry.mtimeSec, entry.mtimeNsec]), [[1700000000, 123456789], [-2, 750000000]])
})

test('a global pax header is passed over', () => {
  const record = '14 uid=123456\n'
  const global = forgedHeader({ kind: 'file', name: 'pax_global_header', mode: 0 }, { 156: 'g' }, record.length)
  const file = forgedHeader({ kind: 'fifo', name: 'f', mode: 0o600, uid: 3 }, {})
  const [member] = parse(Buffer.concat([global, Buffer.from(record.padEnd(512, '\0')), file, endOfArchive]))
  assert.equal(member?.entry.uid, 3)
})

test('an archive may end without a trailer or final padding, and have bytes after the trailer', () => {
  const header = forgedHeader({ kind: 'file', name: 'f', mode: 0o644 }, {}, 3)
  assert.equal(parse(Buffer.concat([header, Buffer.from('abc')]))[0]?.content.toString(), 'abc')
  assert.equal(parse(Buffer.concat([header, Buffer.from('abc'.padEnd(512, '\0')), endOfArchive, Buffer.alloc(9000, 1)])).length, 1)
  assert.deepEqual(parse(Buffer.alloc(0)), [])
})

test('a cut archive is ARCHIVE_TRUNCATED', async () => {
  const archive = await tarOf({ kind: 'file', name: 'f'.repeat(150), mode: 0o644, content: Buffer.alloc(600) })
  for (const length of [1, 511, 512, 600, 1024, 1500, 1700, 2100]) {
    assert.throws(() => parse(archive.subarray(0, length)), hasCode('ARCHIVE_TRUNCATED'), `cut at ${length}`)
  }
})

test('damage is found: checksum, pax lengths, unknown types, too large extensions', async () => {
  const archive = await tarOf({ kind: 'file', name: 'f', mode: 0o644, content: Buffer.from('x') })
  const flipped = Buffer.from(archive)
  flipped[0] = 0x67
  assert.throws(() => parse(flipped), hasCode('ARCHIVE_INVALID'))
  const fifo = { kind: 'fifo', name: 'f', mode: 0 } as const
  assert.throws(() => parse(forgedHeader(fifo, { 156: 'Z' })), hasCode('ARCHIVE_UNSUPPORTED'))
  assert.throws(() => parse(forgedHeader(fifo, { 156: 'x', 124: '00077777777' })), hasCode('ARCHIVE_LIMIT'))
  for (const record of ['99 a=b\n', '3 a\n', 'x a=b\n', '6 a=bc', '-6 a=b\n']) {
    const header = forgedHeader({ kind: 'file', name: 'f', mode: 0 }, { 156: 'x' }, record.length)
    assert.throws(() => parse(Buffer.concat([header, Buffer.from(record.padEnd(512, '\0'))])), hasCode('ARCHIVE_INVALID'), record)
  }
})

test('a chain of extension records ends at a limit', () => {
  const record = '6 a=b\n'
  const one = Buffer.concat([forgedHeader({ kind: 'file', name: 'f', mode: 0 }, { 156: 'x' }, record.length), Buffer.from(record.padEnd(512, '\0'))])
  assert.throws(() => parse(Buffer.concat(Array.from({ length: 9000 }, () => one))), hasCode('ARCHIVE_LIMIT'))
})

test('sparse maps that overlap, exceed their file or claim other lengths are refused', () => {
  const sparse = (map: string, size: number) => {
    const records = ['GNU.sparse.major=0', 'GNU.sparse.minor=1', `GNU.sparse.numblocks=${map.split(',').length / 2}`, `GNU.sparse.map=${map}`, `GNU.sparse.size=${size}`]
      .map((record) => { const length = record.length + 4; return `${String(length).padStart(2, '0')} ${record}\n` }).join('')
    const pax = forgedHeader({ kind: 'file', name: 'p', mode: 0 }, { 156: 'x' }, records.length)
    const file = forgedHeader({ kind: 'file', name: 'f', mode: 0 }, {}, 512)
    return Buffer.concat([pax, Buffer.from(records.padEnd(512, '\0')), file, Buffer.alloc(512), endOfArchive])
  }
  assert.equal(parse(sparse('0,512', 1024)).length, 1)
  for (const [map, size] of [['0,300,100,212', 1024], ['600,512', 1024], ['0,511', 1024]] as const) {
    assert.throws(() => parse(sparse(map, size)), hasCode('ARCHIVE_INVALID'), map)
  }
})

test('any bytes give members or a TpodError, never another failure', async () => {
  const seed = await tarOf(
    { kind: 'file', name: 'n'.repeat(130), mode: 0o644, content: Buffer.alloc(700, 1), xattrs: new Map([['user.a', Buffer.from('b')]]) },
    { kind: 'symlink', name: 'l', linkName: 'x', mode: 0o777 },
  )
  const edits = fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 6 })
  fc.assert(fc.property(edits, fc.boolean(), fc.nat(seed.length), (changes, fixChecksums, cut) => {
    const archive = Buffer.from(seed)
    for (const [at, byte] of changes) archive[at] = byte
    if (fixChecksums) repairChecksums(archive)
    try {
      parse(archive.subarray(0, archive.length - (cut % 600)), 333)
    } catch (error) {
      assert.ok(error instanceof TpodError, String(error))
    }
  }), { numRuns: 2000 })
})

/** So that changes get past the checksum. */
function repairChecksums(archive: Buffer): void {
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    const block = archive.subarray(at, at + 512)
    if (block.toString('latin1', 257, 262) !== 'ustar') continue
    block.fill(0x20, 148, 156)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  }
}

test('GNU tar lists what the writer wrote', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'tpod-tar-')), 'a.tar')
  writeFileSync(file, await tarOf(
    { kind: 'directory', name: 'd', mode: 0o1777 },
    { kind: 'file', name: `d/${'x'.repeat(150)}`, mode: 0o4755, uid: 3_000_000, gid: 7, mtimeSec: 1700000000, content: Buffer.from('hi') },
    { kind: 'hardlink', name: 'h', linkName: `d/${'x'.repeat(150)}`, mode: 0o4755 },
  ))
  const listing = execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', file], { encoding: 'utf8' })
  assert.match(listing, /^drwxrwxrwt 0\/0 +0 1970-01-01 00:00 d\/\n-rwsr-xr-x 3000000\/7 +2 2023-11-14 22:13 d\/x{150}\nhrwsr-xr-x 0\/0 .* h link to d\/x{150}\n$/)
  assert.equal(readFileSync(file).length % 512, 0)
  rmSync(join(file, '..'), { recursive: true })
})

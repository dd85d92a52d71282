import assert from 'node:assert/strict'
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { At, Open, Rename, Resolve } from '../../../../src/host/native/constants.ts'
import { LockType, native } from '../../../../src/host/native/native.ts'

const directory = mkdtempSync('/var/tmp/tpod-native-')
const dirfd = openSync(directory, 'r')
after(() => {
  closeSync(dirfd)
  rmSync(directory, { recursive: true, force: true })
})

function crc(...parts: Uint8Array[]): string {
  const state = new Uint8Array(8)
  for (const part of parts) native.crc64Iso(state, part)
  return Buffer.from(state).toString('hex')
}

/** Bit by bit, from the definition. */
function slowCrc(data: Uint8Array): string {
  let value = 0xffffffffffffffffn
  for (const byte of data) {
    value ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (value & 1n ? 0xd800000000000000n : 0n)
  }
  return (value ^ 0xffffffffffffffffn).toString(16).padStart(16, '0')
}

test('crc64Iso gives the published check value, and the same however the data is cut', () => {
  assert.equal(crc(Buffer.from('123456789')), 'b90956c775a41001')
  assert.equal(crc(), '0000000000000000')
  for (const size of [1, 7, 8, 63, 64, 65, 127, 128, 129, 1000, 4099]) {
    const data = Uint8Array.from({ length: size }, (_, index) => (index * 7919 + index * index) & 255)
    const expected = slowCrc(data)
    assert.equal(crc(data), expected, `${size} bytes`)
    assert.equal(crc(data.subarray(0, size >> 1), data.subarray(size >> 1)), expected, `${size} bytes in halves`)
    assert.equal(crc(data.subarray(0, 3), data.subarray(3)), expected, `${size} bytes, unaligned`)
  }
})

test('a failing call throws the name, the number, the call and the object', () => {
  assert.throws(
    () => native.mkdirat(dirfd, 'missing/deep', 0o755),
    { code: 'ENOENT', errno: 2, syscall: 'mkdirat', message: 'mkdirat missing/deep: ENOENT, No such file or directory' },
  )
  assert.throws(() => native.openat2(At.AT_FDCWD, 'a'.repeat(5000), 0, 0, 0), { code: 'ENAMETOOLONG' })
  assert.throws(() => native.mkdirat(dirfd, 'etc\0passwd', 0o755), { code: 'EINVAL' })
  assert.throws(() => native.mkdirat(dirfd, 5 as unknown as string, 0o755), TypeError)
})

test('openat2 keeps absolute links and .. inside the root', () => {
  mkdirSync(`${directory}/root/etc`, { recursive: true })
  writeFileSync(`${directory}/root/etc/hostname`, 'inside')
  symlinkSync('/etc/hostname', `${directory}/root/absolute`)
  symlinkSync('../../../../../etc/hostname', `${directory}/root/climbing`)
  const root = openSync(`${directory}/root`, 'r')
  for (const name of ['absolute', 'climbing', '/etc/hostname']) {
    const fd = native.openat2(root, name, Open.O_RDONLY, 0, Resolve.RESOLVE_IN_ROOT)
    assert.equal(readFileSync(fd, 'utf8'), 'inside', name)
    closeSync(fd)
  }
  assert.throws(() => native.openat2(root, 'absolute', Open.O_RDONLY, 0, Resolve.RESOLVE_BENEATH), { code: 'EXDEV' })
  closeSync(root)
})

test('names that are no UTF-8 stay as they are', () => {
  const name = Buffer.from([0x66, 0xe9, 0x21])
  native.mkdirat(dirfd, name, 0o700)
  assert.ok(statSync(Buffer.concat([Buffer.from(`${directory}/`), name])).isDirectory())
  native.unlinkat(dirfd, name, At.AT_REMOVEDIR)
})

test('links, renames, modes and times of a file', () => {
  writeFileSync(`${directory}/file`, 'x')
  native.linkat(dirfd, 'file', dirfd, 'hard', 0)
  native.symlinkat('file', dirfd, 'soft')
  assert.equal(native.readlinkat(dirfd, 'soft'), 'file')
  native.fchmodat(dirfd, 'file', 0o640, 0)
  native.utimensat(dirfd, 'file', null, 0, 1_000_000_000, 123_456_789, 0)
  const stat = statSync(`${directory}/hard`, { bigint: true })
  assert.equal(stat.mode & 0o777n, 0o640n)
  assert.equal(stat.mtimeNs, 1_000_000_000_123_456_789n)
  assert.ok(stat.atimeNs > stat.mtimeNs, 'the access time was left alone')
  native.utimensat(dirfd, 'soft', -5, 0, -5, 7, At.AT_SYMLINK_NOFOLLOW)
  assert.equal(statSync(`${directory}/file`, { bigint: true }).mtimeNs, stat.mtimeNs)
  assert.throws(() => native.renameat2(dirfd, 'hard', dirfd, 'file', Rename.RENAME_NOREPLACE), { code: 'EEXIST' })
  native.renameat2(dirfd, 'soft', dirfd, 'file', Rename.RENAME_EXCHANGE)
  assert.equal(readlinkSync(`${directory}/file`), 'file')
})

test('device nodes and owners, as root', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  native.mknodat(dirfd, 'whiteout', constants.S_IFCHR | 0o600, 0, 0)
  native.mknodat(dirfd, 'null', constants.S_IFCHR | 0o666, 1, 3)
  assert.equal(statSync(`${directory}/null`).rdev, (1 << 8) | 3)
  native.fchownat(dirfd, 'null', 4_294_967_294, 12, 0)
  assert.equal(statSync(`${directory}/null`).uid, 4_294_967_294)
})

test('extended attributes: absent is null, values may be large and binary, links are not followed', () => {
  const path = `${directory}/attributes`
  writeFileSync(path, '')
  assert.equal(native.getxattr(path, 'user.none'), null)
  const value = Buffer.alloc(3000, 0xfe)
  native.setxattr(path, 'user.big', value)
  native.setxattr(path, 'user.empty', Buffer.alloc(0))
  assert.deepEqual(native.getxattr(path, 'user.big'), value)
  assert.equal(native.getxattr(path, 'user.empty')?.length, 0)
  assert.deepEqual(native.listxattr(path).filter((name) => name.startsWith('user.')).toSorted(), ['user.big', 'user.empty'])
  native.removexattr(path, 'user.empty')
  symlinkSync(path, `${path}-link`)
  assert.deepEqual(native.listxattr(`${path}-link`).filter((name) => name.startsWith('user.')), [])
  assert.ok(native.listxattr(`${path}-link`, true).includes('user.big'))
})

test('two descriptors of one process exclude each other, and a waiting lock outlives its descriptor', async () => {
  const path = `${directory}/lock`
  writeFileSync(path, '')
  const [first, second] = [openSync(path, 'r+'), openSync(path, 'r+')]
  assert.equal(native.tryOfdLock(first, LockType.write), true)
  assert.equal(native.tryOfdLock(second, LockType.read), false)
  assert.deepEqual(native.getOfdLock(second, LockType.read), { type: LockType.write, pid: -1 })
  const waiting = native.waitOfdLock(second, LockType.read)
  native.tryOfdLock(first, LockType.unlock)
  await waiting
  assert.equal(native.tryOfdLock(first, LockType.read), true)
  assert.equal(native.tryOfdLock(first, LockType.write), false)
  closeSync(first)
  closeSync(second)
  await assert.rejects(async () => native.waitOfdLock(second, LockType.read), { code: 'EBADF' })
})

test('syncfs works on a thread of its own and on ours', async () => {
  native.syncfsSync(dirfd)
  await native.syncfs(dirfd)
})

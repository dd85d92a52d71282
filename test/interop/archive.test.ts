/** The same layers unpacked by podman: trees, attributes and tar-split must agree. Needs root and podman. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, createReadStream, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { readTarSplit } from '../support/read-tar-split.ts'
import { tarDirectory } from '../../src/archive/tar-directory.ts'
import { rebuiltDigest, withStaged } from '../support/stage.ts'

const hasPodman = spawnSync('podman', ['--version']).status === 0
const skip = process.getuid?.() !== 0 ? 'needs root' : hasPodman ? false : 'needs podman'

/** Everything visible of a tree but directory sizes, change times and the times of whiteouts, which are made now. */
function describeTree(directory: string): string {
  const find = `cd "$1" && find . -mindepth 1 -printf '%P|%y|%m|%U|%G|%T@|%n|%l|' -type d -printf '\\n' -o -mindepth 1 -printf '%s\\n' | LC_ALL=C sort`
  const files = execFileSync('sh', ['-c', find, 'sh', directory], { encoding: 'latin1', maxBuffer: 1 << 28 })
  const xattrs = execFileSync('sh', ['-c', 'cd "$1" && find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - -e hex 2>/dev/null || true', 'sh', directory], { encoding: 'latin1', maxBuffer: 1 << 28 })
  return `${files.replaceAll(/(\|c\|0\|\d+\|\d+\|)[\d.]+/g, '$1')}\n${xattrs}`
}

/** Loads a tar as an image with podman into a store of its own; gives its only layer. */
async function withPodmanLayer(tar: string, use: (layer: { diff: string; tarSplit: string; podman: (...args: string[]) => string }) => Promise<void>): Promise<void> {
  const base = mkdtempSync('/var/tmp/tpod-test-podman-')
  const podman = (...args: string[]) => execFileSync('podman', ['--root', `${base}/root`, '--runroot', `${base}/run`, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    podman('import', '-q', tar, 'localhost/layer:1')
    const [id] = readdirSync(`${base}/root/overlay`).filter((name) => name.length === 64)
    assert.ok(id)
    await use({ diff: `${base}/root/overlay/${id}/diff`, tarSplit: `${base}/root/overlay-layers/${id}.tar-split.gz`, podman })
  } finally {
    spawnSync('umount', [`${base}/root/overlay`])
    rmSync(base, { recursive: true, force: true })
  }
}

async function rawBytesOf(path: string): Promise<{ raw: string; files: string[] }> {
  let raw = ''
  const files: string[] = []
  for (const entry of readTarSplit(path)) {
    if (entry.kind === 'raw') raw += entry.bytes.toString('latin1')
    else files.push(`${entry.name} ${entry.sizeBytes} ${entry.crc64?.toString('hex') ?? ''}`)
  }
  return { raw, files }
}

async function compareWithPodman(tar: string): Promise<void> {
  await withPodmanLayer(tar, async (theirs) => {
    await withStaged(createReadStream(tar), async (ours) => {
      assert.equal(describeTree(ours.directory), describeTree(theirs.diff))
      const [mine, other] = [await rawBytesOf(ours.tarSplitPath), await rawBytesOf(theirs.tarSplit)]
      assert.deepEqual(mine.files, other.files)
      assert.ok(mine.raw === other.raw, 'the same raw bytes')
      assert.equal(await rebuiltDigest(ours), ours.content.diffId)
      // podman rebuilds the layer from our tar-split file: its own export must give the tar's digest.
      copyFileSync(ours.tarSplitPath, theirs.tarSplit)
      const out = `${theirs.diff}-saved`
      theirs.podman('save', '-q', '--format', 'oci-dir', '-o', out, 'localhost/layer:1')
      const blobs = readdirSync(`${out}/blobs/sha256`).map((name) => readFileSync(`${out}/blobs/sha256/${name}`))
      const layers = blobs.map((blob) => (blob[0] === 0x1f ? gunzipSync(blob) : blob))
      assert.ok(layers.some((layer) => layer.equals(readFileSync(tar))))
      rmSync(out, { recursive: true })
    })
  })
}

test('a tree of every kind of file, as GNU and pax archives', { skip }, async () => {
  const base = mkdtempSync('/var/tmp/tpod-test-tree-')
  try {
    const tree = `${base}/tree`
    mkdirSync(tree)
    execFileSync('sh', ['-ec', `
      cd "$1"; umask 022
      mkdir -p usr/bin etc/deep/er var/spool sticky setgid; chmod 1777 sticky; chmod 2775 setgid; chown 0:50 setgid
      printf hello > usr/bin/tool; chmod 4755 usr/bin/tool; ln usr/bin/tool usr/bin/tool2; ln -s tool usr/bin/tool3; ln -s /nowhere/at/all dangling
      head -c 300000 /dev/urandom > etc/random; : > etc/empty; mkfifo var/fifo; mknod var/null c 1 3; mknod var/disk b 8 1
      printf x > "etc/with space"; printf x > "etc/ünïcode"; printf y > "$(printf 'etc/bad\\377name')"
      chown 1000:1001 etc/random; chown -h 7:8 dangling; : > etc/.wh.deleted; : > var/spool/.wh..wh..opq; printf z > var/spool/kept
      printf n > ${'n'.repeat(150)}; setfattr -n user.note -v value etc/random; setcap cap_net_raw+ep usr/bin/tool 2>/dev/null || true
      touch -d '2001-02-03 04:05:06.123456789' etc/empty; touch -h -d '1999-01-01' dangling; touch -d '2010-10-10' etc/deep var
    `, 'sh', tree])
    for (const format of ['gnu', 'pax']) {
      const tar = `${base}/${format}.tar`
      execFileSync('tar', ['-C', tree, `--format=${format}`, '--xattrs', '--xattrs-include=*', '--numeric-owner', '-cf', tar, '.'])
      await compareWithPodman(tar)
    }
    const ours = `${base}/ours.tar`
    const chunks: Uint8Array[] = []
    for await (const chunk of tarDirectory(tree, { whiteouts: 'keep' })) chunks.push(Buffer.from(chunk))
    writeFileSync(ours, Buffer.concat(chunks))
    await compareWithPodman(ours)
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
})

test('real software: 3,000 files of the host', { skip }, async () => {
  const base = mkdtempSync('/var/tmp/tpod-test-tree-')
  try {
    const tar = `${base}/usr.tar`
    execFileSync('sh', ['-c', `cd / && (printf 'usr\\0usr/share\\0'; find usr/include usr/share/perl usr/share/doc -print0 2>/dev/null) | head -z -n 3000 | tar --no-recursion --null -T - -cf ${tar}`])
    await compareWithPodman(tar)
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
})

test('a directory is written the same twice, whiteouts back in their OCI spelling', { skip }, async () => {
  const base = mkdtempSync('/var/tmp/tpod-test-tree-')
  try {
    execFileSync('sh', ['-ec', 'cd "$1"; mkdir d; printf a > d/f; ln d/f g; mknod gone c 0 0; setfattr -n trusted.overlay.opaque -v y d', 'sh', base])
    const write = async () => {
      const chunks: Uint8Array[] = []
      for await (const chunk of tarDirectory(base, { whiteouts: 'translate', mtimeSec: 0 })) chunks.push(Buffer.from(chunk))
      return Buffer.concat(chunks)
    }
    const tar = await write()
    assert.ok(tar.equals(await write()))
    const listing = execFileSync('tar', ['-tvf', '-'], { input: tar, encoding: 'utf8' })
    assert.deepEqual(listing.trim().split('\n').map((line) => line.split(/\s+/).slice(5).join(' ')), ['d/', 'd/.wh..wh..opq', 'd/f', 'g link to d/f', '.wh.gone'])
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
})

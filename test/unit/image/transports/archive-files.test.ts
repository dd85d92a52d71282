import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openArchiveFiles } from '../../../../src/image/transports/archive-files.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-files-'))
const tree = join(directory, 'tree')
const longName = `blobs/${'x'.repeat(90)}/${'y'.repeat(120)}`
/** Around the block, the window in which headers are read, and what follows them. */
const contents = new Map<string, Buffer>(
  [0, 1, 511, 512, 513, 1024, 63 * 1024, 64 * 1024 - 512, 64 * 1024 - 511, 64 * 1024, 64 * 1024 + 1, 700_000].map((size, index) => [`blobs/${index}-${size}`, Buffer.alloc(size, index + 1)]),
).set(longName, Buffer.from('long')).set('index.json', Buffer.from('{}'))

before(() => {
  mkdirSync(join(tree, longName, '..'), { recursive: true })
  for (const [name, content] of contents) writeFileSync(join(tree, name), content)
})
after(() => rmSync(directory, { recursive: true }))

function archive(name: string, ...options: string[]): string {
  execFileSync('tar', ['-C', tree, '-cf', join(directory, name), ...options, '.'])
  return join(directory, name)
}

async function checkAll(path: string): Promise<void> {
  const files = await openArchiveFiles(path, { temporaryDirectory: directory })
  try {
    assert.deepEqual((await files.names()).toSorted(), [...contents.keys()].toSorted())
    for (const [name, content] of contents) {
      assert.equal(await files.sizeOf(name), content.length)
      assert.ok((await files.read(name, 1_000_000))?.equals(content), `${name} has other bytes`)
      const parts: Uint8Array[] = []
      for await (const part of (await files.open(name, { offset: Math.min(7, content.length) }))!.bytes) parts.push(part)
      assert.ok(Buffer.concat(parts).equals(content.subarray(7)), `${name} has other bytes from its eighth on`)
    }
  } finally {
    await files.close()
  }
}

describe('openArchiveFiles', () => {
  for (const format of ['gnu', 'pax', 'posix --pax-option=globexthdr.name=g,comment=all --sort=name', 'oldgnu -b 1']) {
    test(`${format}: each member's own bytes are read, as it is and compressed`, async () => {
      const path = archive('a.tar', ...`--format=${format}`.split(' '))
      await checkAll(path)
      execFileSync('gzip', ['-kf', path])
      await checkAll(`${path}.gz`)
    })
  }

  test('an archive that ends within a member says so; one that ends without a mark is whole', async () => {
    const path = archive('cut.tar', '--format=gnu', '--sort=name', '-b', '1')
    const whole = readFileSync(path)
    truncateSync(path, whole.length - 1024)
    await checkAll(path)
    truncateSync(path, whole.length - 1536)
    await assert.rejects(openArchiveFiles(path), { code: 'ARCHIVE_TRUNCATED' })
  })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { TarOutput } from '../../../../src/image/transports/tar-output.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-output-'))

after(() => rmSync(directory, { recursive: true }))

async function* filled(size: number, value: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; left -= 333_333) yield Buffer.alloc(Math.min(left, 333_333), value)
}

function contentOf(archive: string, member: string): Buffer {
  return execFileSync('tar', ['-xOf', archive, member], { maxBuffer: 1e8 })
}

describe('TarOutput', () => {
  test('members whose size or name is known late, taken back or moved, among others', async () => {
    const path = join(directory, 'a.tar')
    const long = `d/${'n'.repeat(200)}`
    const output = TarOutput.open(path, directory)
    assert.deepEqual(await output.addUnsized(filled(1_500_000, 1), () => 'a'), { sizeBytes: 1_500_000, isKept: true })
    assert.deepEqual(await output.addUnsized(filled(2_500_000, 2), () => undefined), { sizeBytes: 2_500_000, isKept: false })
    await output.addStream('b', 3, filled(3, 3))
    assert.deepEqual(await output.addUnsized(filled(1_200_000, 4), () => long), { sizeBytes: 1_200_000, isKept: true })
    await output.addUnsized(filled(0, 5), () => 'empty')
    await output.addBytes('c', Buffer.from('end'))
    await output.finish()
    assert.deepEqual(execFileSync('tar', ['-tf', path]).toString().trim().split('\n'), ['a', 'b', long, 'empty', 'c'])
    for (const [name, size, value] of [['a', 1_500_000, 1], ['b', 3, 3], [long, 1_200_000, 4], ['empty', 0, 5]] as const) {
      assert.ok(contentOf(path, name).equals(Buffer.alloc(size, value)), `${name} has other bytes`)
    }
    assert.deepEqual(readdirSync(directory), ['a.tar'])
  })

  test('what is not finished leaves the file that was there, and nothing else', async () => {
    const path = join(directory, 'old.tar')
    writeFileSync(path, 'old')
    const output = TarOutput.open(path, directory)
    await output.addStream('a', 2_000_000, filled(2_000_000, 1))
    await assert.rejects(output.addStream('b', 10, filled(11, 1)), { code: 'DIGEST_MISMATCH' })
    await output.close()
    assert.equal(readFileSync(path, 'utf8'), 'old')
    assert.deepEqual(readdirSync(directory).toSorted(), ['a.tar', 'old.tar'])
  })

  test('a symbolic link stays one, and what it leads to is replaced, as skopeo does', async () => {
    mkdirSync(join(directory, 'elsewhere'))
    writeFileSync(join(directory, 'elsewhere/real.tar'), 'old')
    symlinkSync('elsewhere/real.tar', join(directory, 'link.tar'))
    const output = TarOutput.open(join(directory, 'link.tar'), directory)
    await output.addBytes('a', Buffer.from('new'))
    await output.finish()
    assert.ok(lstatSync(join(directory, 'link.tar')).isSymbolicLink())
    assert.equal(contentOf(join(directory, 'elsewhere/real.tar'), 'a').toString(), 'new')
  })
})

import assert from 'node:assert/strict'
import { closeSync, fstatSync, mkdtempSync, readdirSync, readSync, rmSync } from 'node:fs'
import { after, test } from 'node:test'
import { openTemporaryFile, spoolToFile } from '../../../../src/image/transports/spool-file.ts'

const directories = ['/var/tmp', '/dev/shm'].map((parent) => mkdtempSync(`${parent}/spool-`))
after(() => directories.forEach((directory) => rmSync(directory, { recursive: true })))

for (const directory of directories) {
  test(`a temporary file in ${directory.slice(0, 8)} has no name and is the owner's alone`, async () => {
    const { fd, sizeBytes } = await spoolToFile((async function* () { yield Buffer.from('some '); yield Buffer.from('bytes') })(), directory)
    assert.deepEqual(readdirSync(directory), [])
    const { nlink, mode } = fstatSync(fd)
    assert.deepEqual([nlink, mode & 0o777], [0, 0o600])
    const bytes = Buffer.alloc(20)
    assert.equal(bytes.toString('utf8', 0, readSync(fd, bytes, 0, 20, 0)), 'some bytes')
    assert.equal(sizeBytes, 10)
    closeSync(fd)
  })
}

test('a directory that is not there is named', () => {
  assert.throws(() => openTemporaryFile('/var/tmp/none/such'), { code: 'TEMPORARY_FILE', message: /\/var\/tmp\/none\/such: ENOENT/ })
})

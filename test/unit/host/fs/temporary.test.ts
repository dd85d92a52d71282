import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { createTemporaryDirectory, createTemporaryFile, sweepTemporaryDirectories, sweepTemporaryFiles } from '../../../../src/host/fs/temporary.ts'

const source = join(import.meta.dirname, '../../../../src/host/fs/temporary.ts')
let directory: string

beforeEach(() => {
  directory = mkdtempSync('/var/tmp/temporary-')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Runs the lines in a process of its own that says `ready` and is killed. */
async function killed(lines: string, meanwhile: () => Promise<void> | void = () => undefined): Promise<void> {
  const script = `import { createTemporaryDirectory, createTemporaryFile } from ${JSON.stringify(source)}\nimport { writeFileSync } from 'node:fs'\n${lines}\nconsole.log('ready')\nsetInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await meanwhile()
  child.kill('SIGKILL')
  await once(child, 'close')
}

test('a file of a living process stays, of a killed one it goes with the next sweep', async () => {
  await killed(`createTemporaryFile(${JSON.stringify(directory)}, 'archive', 0o600)`, () => {
    sweepTemporaryFiles(directory)
    assert.equal(readdirSync(directory).length, 1)
  })
  assert.equal(readdirSync(directory).length, 1)
  sweepTemporaryFiles(directory)
  assert.deepEqual(readdirSync(directory), [])
})

test('a directory of a living process stays, of a killed one it goes when the next is made', async () => {
  await killed(`const { path } = await createTemporaryDirectory(${JSON.stringify(directory)}, 'compressed')\nwriteFileSync(path + '/layer', 'bytes')`, async () => {
    await sweepTemporaryDirectories(directory)
    assert.equal(readdirSync(directory).length, 2)
  })
  const { path, remove } = await createTemporaryDirectory(directory, 'gpg')
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.equal(readdirSync(directory).length, 2, 'its own and its lock')
  await remove()
  await remove()
  assert.deepEqual(readdirSync(directory), [])
})

test('the mode holds whatever the umask, and what was renamed is nobody\'s to sweep', () => {
  const former = process.umask(0o077)
  try {
    const { fd, path } = createTemporaryFile(directory, 'blob', 0o644)
    assert.equal(statSync(path).mode & 0o777, 0o644)
    closeSync(fd)
  } finally {
    process.umask(former)
  }
})

test('what is not of this scheme is left alone: other names, links, directories in the place of files', async () => {
  const hex = '0123456789abcdef'
  writeFileSync(join(directory, 'mine'), 'mine')
  symlinkSync(join(directory, 'mine'), join(directory, `.tmp-blob-${hex}`))
  mkdirSync(join(directory, `.tmp-archive-${hex}`))
  linkSync(join(directory, 'mine'), join(directory, `.tmp-signature-${hex}`))
  writeFileSync(join(directory, '.tmp-archive-of-mine'), '')
  mkdirSync(join(directory, `tpod-gpg-${hex}`))
  const before = readdirSync(directory)
  sweepTemporaryFiles(directory)
  await sweepTemporaryDirectories(directory)
  sweepTemporaryFiles(join(directory, 'missing'))
  assert.deepEqual(readdirSync(directory), before)
})

test('a link in the place of an abandoned directory is not followed', async () => {
  const name = 'tpod-sign-0123456789abcdef'
  mkdirSync(join(directory, 'precious'))
  writeFileSync(join(directory, 'precious/file'), '')
  symlinkSync(join(directory, 'precious'), join(directory, name))
  writeFileSync(join(directory, `${name}.lock`), '')
  await sweepTemporaryDirectories(directory)
  assert.ok(existsSync(join(directory, 'precious/file')))
})

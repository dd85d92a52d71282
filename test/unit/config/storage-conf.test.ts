import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadStorageOptions } from '../../../src/config/storage-conf.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-storage-conf-'))
after(() => rmSync(directory, { recursive: true, force: true }))

function conf(text: string): { CONTAINERS_STORAGE_CONF: string } {
  const path = join(directory, `storage-${Math.random()}.conf`)
  writeFileSync(path, text)
  return { CONTAINERS_STORAGE_CONF: path }
}
const root = { isRoot: true, uid: 0, home: '/root' }
const user = { isRoot: false, uid: 1234, home: '/home/u' }

test('without a file the defaults of containers/storage hold', async () => {
  const options = await loadStorageOptions({ ...root, env: conf('') })
  assert.equal(options.driver, 'overlay')
  assert.match(options.graphRoot, /\/var\/lib\/containers\/storage$/)
  assert.deepEqual(options.driverOptions, {})
})

test('a file sets roots, mount options and additional stores; overlay2 means overlay', async () => {
  const env = conf(`[storage]\ndriver = "overlay2"\ngraphroot = "/x/root"\nrunroot = "/x/run"
[storage.options]\nadditionalimagestores = ["/ro/one"]\n[storage.options.overlay]\nmountopt = "nodev,metacopy=on"\n`)
  const options = await loadStorageOptions({ ...root, env })
  assert.equal(options.graphRoot, '/x/root')
  assert.equal(options.runRoot, '/x/run')
  assert.equal(options.driverOptions['mountopt'], 'nodev,metacopy=on')
  assert.deepEqual(options.additionalImageStores, ['/ro/one'])
})

test('--root keeps the run root of the file and drops its driver options', async () => {
  const env = conf('[storage]\ngraphroot = "/x/root"\nrunroot = "/x/run"\n[storage.options.overlay]\nmountopt = "nodev"\n')
  const options = await loadStorageOptions({ ...root, env, root: '/y//root/' })
  assert.equal(options.graphRoot, '/y/root')
  assert.equal(options.runRoot, '/x/run')
  assert.deepEqual(options.driverOptions, {})
})

test('--storage-opt replaces the options of the file', async () => {
  const env = conf('[storage.options.overlay]\nmountopt = "nodev"\nmount_program = "/usr/bin/x"\n')
  const options = await loadStorageOptions({ ...root, env, storageOpts: ['overlay.mountopt=nosuid', 'overlay.imagestore=/ro'] })
  assert.deepEqual(options.driverOptions, { mountopt: 'nosuid' })
  assert.deepEqual(options.additionalImageStores, ['/ro'])
})

test('a user gets a store at home, variables in rootless_storage_path are expanded', async () => {
  const runtime = join(directory, 'runtime')
  mkdirSync(runtime, { recursive: true })
  const env = { ...conf('[storage]\nrootless_storage_path = "/data/$UID/$USER"\n'), XDG_RUNTIME_DIR: runtime, USER: 'u' }
  const options = await loadStorageOptions({ ...user, env })
  assert.equal(options.graphRoot, '/data/1234/u')
  assert.equal(options.runRoot, `${runtime}/containers`)
  assert.equal(options.userXattr, true)
})

for (const [text, code] of [
  ['[storage]\ndriver = "btrfs"\n', 'UNSUPPORTED_DRIVER'],
  ['[storage]\nimagestore = "/x"\n', 'UNSUPPORTED_STORAGE_OPTION'],
  ['[storage.options.overlay]\nuse_composefs = "true"\n', 'UNSUPPORTED_STORAGE_OPTION'],
  ['[storage.options]\nadditionallayerstores = ["/var/lib/stargz-store/store:ref"]\n', 'UNSUPPORTED_STORAGE_OPTION'],
  ['[storage\n', 'BAD_CONFIG'],
] as const) {
  test(`${JSON.stringify(text)} is refused with ${code} and a remedy`, async () => {
    await assert.rejects(loadStorageOptions({ ...root, env: conf(text) }), (error: { code: string; message: string; remedy: string }) => {
      assert.equal(error.code, code)
      assert.ok(error.remedy)
      assert.ok(!error.message.includes('\n'))
      return true
    })
  })
}

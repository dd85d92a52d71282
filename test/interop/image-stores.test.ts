/** additionalimagestores: a store on a read-only mount that this host uses as if its images were local, and never writes to. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'

const shared = new TestHost()
const host = new TestHost()
const place = `${host.directory}/shared`
let untouched = ''
let sharedId = ''
let steps = 0

/** Names, modes, owners, sizes, all times but ctime, contents. */
const fingerprint = (): string => host.run('sh', ['-ec', 'cd "$1"; find . -printf "%p %m %U %G %s %T@ %A@ %l\\n" | sort | sha256sum; find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum', 'sh', place]).stdout
const option = ['--storage-opt', `overlay.imagestore=${place}`]
const podman = (...args: string[]): string => host.podmanOk([...option, ...args])

before(() => {
  shared.importBusybox('localhost/shared:latest')
  shared.podmanOk(['build', '-q', '--network', 'none', '-t', 'localhost/upper', '-f', shared.writeFile('f', 'FROM localhost/shared\nRUN echo upper > /upper; rm /etc/group\nCMD ["cat", "/upper"]\n'), shared.directory])
  shared.podmanOk(['tag', 'localhost/shared', 'localhost/both:latest'])
  sharedId = shared.podmanOk(['image', 'inspect', '--format', '{{.Id}}', 'localhost/shared'])
  steps = shared.podmanOk(['history', '-q', 'localhost/upper']).split('\n').length
  host.importBusybox('localhost/both:latest', ['CMD ["echo", "local"]'])
  mkdirSync(place)
  assert.equal(host.run('mount', ['--bind', '-o', 'ro', shared.graphRoot, place]).code, 0)
  host.writeFile('storage.conf', `[storage]\ndriver = "overlay"\ngraphroot = "${host.graphRoot}"\nrunroot = "${host.runRoot}"\n[storage.options]\nadditionalimagestores = ["${place}"]\n`)
  untouched = fingerprint()
})

after(() => {
  host.run('umount', ['-l', place])
  host.dispose()
  shared.dispose()
})

/** Without --root and --runroot: these would drop the options of storage.conf. */
function tpod(...args: string[]): string {
  const { code, stdout, stderr } = host.run(`${import.meta.dirname}/../../bin/tpod`, args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}
function failing(...args: string[]): { code: number; stderr: string } {
  return host.run(`${import.meta.dirname}/../../bin/tpod`, args)
}

test('its images are listed read-only, and names mean the first store that has them', () => {
  const rows = tpod('images', '--format', '{{.Repository}} {{.ID}} {{.ReadOnly}}').split('\n').toSorted()
  const own = tpod('image', 'inspect', '--format', '{{.Id}}', 'both').slice(0, 12)
  const upper = tpod('image', 'inspect', '--format', '{{.Id}}', 'upper').slice(0, 12)
  assert.deepEqual(rows, [`localhost/both ${own} false`, `localhost/shared ${sharedId.slice(0, 12)} true`, `localhost/upper ${upper} true`])
  for (const name of ['upper', 'shared']) assert.match(podman('images', '--format', '{{.Repository}} {{.ID}} {{.ReadOnly}}'), new RegExp(`localhost/${name} [0-9a-f]{12} true`))
  assert.equal(tpod('images', '-q', '--filter', 'readonly=true').split('\n').length, 2)
  assert.equal(host.tpodOk(['--storage-opt', `additionalimagestore=${place}`, 'images', '-q']).split('\n').length, 3, 'as a flag, too')
})

test('they are run, by tpod and podman, on layers of both stores', () => {
  assert.equal(tpod('run', '--rm', '--network', 'none', 'upper'), 'upper')
  assert.equal(tpod('run', '--rm', '--network', 'none', 'both'), 'local')
  assert.equal(podman('run', '--rm', '--network', 'none', 'upper'), 'upper')
  tpod('create', '--name', 'kept', 'upper', 'sh', '-c', 'echo own > /upper; ls /etc/group')
  assert.equal(failing('start', '-a', 'kept').code, 1, 'the image deletes that file')
  assert.deepEqual(tpod('diff', 'kept').split('\n').toSorted(), ['C /etc', 'C /upper'])
  tpod('rm', 'kept')
})

test('they are inspected, compared, mounted, saved and built upon as if local', () => {
  const data = JSON.parse(tpod('image', 'inspect', '--format', '{{json .GraphDriver.Data}}', 'upper')) as { UpperDir: string }
  assert.ok(data.UpperDir.startsWith(`${place}/overlay/`))
  assert.deepEqual(tpod('image', 'diff', 'upper').split('\n').toSorted(), ['A /upper', 'C /etc', 'D /etc/group'])
  assert.equal(tpod('history', '-q', 'upper').split('\n').length, steps)
  const path = tpod('image', 'mount', 'upper')
  assert.equal(readFileSync(`${path}/upper`, 'utf8'), 'upper\n')
  assert.throws(() => mkdirSync(`${path}/written`), { code: 'EROFS' })
  assert.match(tpod('image', 'mount'), /upper/)
  assert.equal(tpod('image', 'unmount', 'upper').length, 64)
  assert.equal(tpod('image', 'mount'), '')
  tpod('save', '-o', `${host.directory}/upper.tar`, 'upper')
  assert.equal(host.run('tar', ['-tf', `${host.directory}/upper.tar`]).code, 0)
})

test('a pull and a load take the layers that are there', () => {
  tpod('load', '-q', '-i', `${host.directory}/upper.tar`)
  const own = JSON.parse(readFileSync(`${host.graphRoot}/overlay-layers/layers.json`, 'utf8')) as { id: string }[]
  const theirs = JSON.parse(readFileSync(`${place}/overlay-layers/layers.json`, 'utf8')) as { id: string }[]
  assert.deepEqual(own.filter(({ id }) => theirs.some((layer) => layer.id === id)), [])
  tpod('rmi', 'upper')
  assert.match(tpod('images', '--format', '{{.Repository}} {{.ReadOnly}}'), /localhost\/upper true/, 'the read-only one is seen again')
})

test('nothing takes them away', () => {
  assert.equal(host.podman([...option, 'rmi', 'upper']).stderr.trim(), failing('rmi', 'upper').stderr.split('\n', 1)[0])
  for (const args of [['rmi', 'upper'], ['rmi', '-f', 'upper'], ['rmi', sharedId]]) {
    const { code, stderr } = failing(...args)
    assert.match(stderr, /^Error: cannot remove read-only image "[0-9a-f]{64}"/)
    assert.equal(code, 125)
  }
  assert.match(failing('untag', 'upper').stderr, /cannot untag read-only image/)
  assert.equal(tpod('image', 'prune', '-a', '-f', '--filter', 'label=nosuch'), '')
  assert.doesNotMatch(tpod('image', 'prune', '-a', '--dry-run'), /upper|shared/)
  assert.equal(tpod('rmi', '--all').split('\n').filter((line) => line.startsWith('Deleted')).length, 1)
  assert.equal(tpod('images', '--format', '{{.Repository}}').split('\n').toSorted().join(' '), 'localhost/both localhost/shared localhost/upper', 'both is now the shared one')
})

test('a name given here is a copy of the record, which goes with it', () => {
  tpod('tag', 'upper', 'mine')
  assert.equal(tpod('run', '--rm', '--network', 'none', 'mine'), 'upper')
  assert.match(tpod('images', '--format', '{{.Repository}} {{.ReadOnly}}'), /localhost\/mine false/)
  assert.match(failing('rmi', 'localhost/upper:latest').stderr, /read-only image/)
  assert.equal(tpod('rmi', 'mine'), 'Untagged: localhost/mine:latest')
  assert.deepEqual(JSON.parse(readFileSync(`${host.graphRoot}/overlay-images/images.json`, 'utf8')), [])
})

// No command but the first ones may work on `shared` itself.
test('nothing was written to it, no time changed', () => {
  assert.equal(fingerprint(), untouched)
})

test('a store that is away is named, and does not keep local images from running', () => {
  host.importBusybox('localhost/own:latest', ['CMD ["echo", "runs"]'])
  host.run('umount', [place])
  host.run('rmdir', [place])
  const { code, stdout, stderr } = host.run(`${import.meta.dirname}/../../bin/tpod`, ['images', '--format', '{{.Repository}}'])
  assert.deepEqual([code, stdout.split('\n').includes('localhost/own')], [0, true])
  assert.equal(stderr, `Warning: open additional image store ${place}: ENOENT: no such file or directory, access '${place}'; its images are missing\n`)
  assert.equal(tpod('run', '--rm', '--network', 'none', 'own'), 'runs')
  assert.equal(tpod('ps', '-q'), '')
})

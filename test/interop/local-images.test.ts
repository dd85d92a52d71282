/** What images consist of: our commands beside podman's, on the same store. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'
import { buildLayeredImage } from '../support/images.ts'

const host = new TestHost()
/** Ages differ by what lies between the two commands, and with them the column's width. */
const sorted = (text: string): string[] => text.replace(/(?:Less than a|\d+|About a) (?:second|minute)s? ago/g, 'AGO').replace(/ {2,}/g, '  ').split('\n').toSorted()

before(() => {
  buildLayeredImage(host)
  host.podmanOk(['create', '--name', 'changed', 'localhost/layers', 'true'])
  const root = host.podmanOk(['mount', 'changed'])
  host.run('sh', ['-ec', 'cd "$1"; echo a > new; rm etc/group; rm -rf usr/share; mkdir -p var/log/x/y; echo z > var/log/x/y/z; rm -rf home/user; mkdir home/user; touch home/user/q; ln -s /etc link; chmod 700 tmp; echo x > "$(printf "odd\\033[31m\\377")"', 'sh', root])
  host.podmanOk(['umount', 'changed'])
})
after(() => host.dispose())

function assertSame(args: readonly string[]): void {
  const [theirs, ours] = [host.podman(args), host.tpod(args)]
  assert.deepEqual({ code: ours.code, out: sorted(ours.stdout) }, { code: theirs.code, out: sorted(theirs.stdout) }, args.join(' '))
}

test('history', () => {
  for (const args of [[], ['--no-trunc'], ['-q'], ['--quiet', '--no-trunc'], ['--human=false'], ['--format', 'json'], ['--format', '{{json .}}'], ['--format', '{{.ID}}|{{.CreatedAt}}|{{.Size}}|{{.Tags}}|{{.Comment}}']]) {
    assertSame(['history', ...args, 'localhost/layers'])
  }
  assertSame(['image', 'history', 'localhost/nosuch'])
})

test('image tree draws what podman draws, branches too', () => {
  host.podmanOk(['build', '-q', '--network', 'none', '-t', 'localhost/second', '-f', host.writeFile('second', 'FROM localhost/layers-base\nCOPY second /second\n'), host.directory], { timeoutMs: 240_000 })
  for (const args of [['localhost/layers'], ['--whatrequires', 'localhost/layers-base'], ['localhost/layers-base']]) assertSame(['image', 'tree', ...args])
})

test('diff of an image, two images, a layer, a container', () => {
  const layer = readdirSync(`${host.graphRoot}/overlay-layers`).find((name) => name.endsWith('.tar-split.gz'))!.slice(0, 64)
  for (const args of [['localhost/layers'], ['localhost/layers', 'localhost/layers-base'], ['localhost/layers-base', 'localhost/layers'], ['localhost/layers-base'], [layer.slice(0, 20)], ['--format', 'json', 'localhost/layers']]) {
    const theirs = host.podmanOk(['diff', ...args])
    assert.deepEqual(sorted(host.tpodOk(['diff', ...args])), sorted(theirs), args.join(' '))
  }
  // podman writes the control characters that an image's names have to the terminal.
  const theirs = host.podmanOk(['diff', 'changed']).replaceAll('\u001b', '?')
  assert.deepEqual(sorted(host.tpodOk(['diff', 'changed'])), sorted(theirs))
  assert.match(theirs, /^D \/home\/user$/m)
  assert.deepEqual(sorted(host.tpodOk(['container', 'diff', 'changed', 'changed'])), [''])
})

test('diff says what it does not find in podman\'s words', () => {
  for (const args of [['diff', 'nosuch'], ['image', 'diff', 'changed'], ['container', 'diff', 'localhost/layers'], ['diff', '--format', 'xml', 'changed'], ['diff', '-l', 'changed']]) {
    const [theirs, ours] = [host.podman(args), host.tpod(args)]
    assert.equal(ours.code, theirs.code)
    assert.equal(ours.stderr.split('\n', 1)[0], theirs.stderr.split('\n', 1)[0], args.join(' '))
  }
})

test('image mounts are counted together with podman\'s', () => {
  const path = host.tpodOk(['image', 'mount', 'localhost/layers'])
  assert.ok(existsSync(`${path}/opt/gone/new`))
  assertSame(['image', 'mount'])
  assertSame(['image', 'mount', '--format', 'json'])
  assert.equal(host.podmanOk(['image', 'mount', 'localhost/layers']), path)
  host.tpodOk(['image', 'unmount', 'localhost/layers'])
  assert.ok(existsSync(`${path}/opt/gone/new`), "podman's mount is still there")
  host.podmanOk(['image', 'unmount', 'localhost/layers'])
  assert.equal(existsSync(`${path}/opt`), false)
  assert.equal(host.tpodOk(['image', 'mount']), '')
  // podman removes the mount's directory with the last one.
  host.tpodOk(['image', 'mount', 'localhost/layers', 'localhost/layers-base'])
  host.tpodOk(['image', 'mount', 'localhost/layers'])
  assert.equal(host.tpodOk(['image', 'unmount', '--force', 'localhost/layers']).length, 64)
  assert.equal(host.tpodOk(['image', 'umount', '--all']).length, 64)
  assert.equal(host.tpodOk(['image', 'mount']), '')
  for (const args of [['image', 'mount', 'nosuch'], ['image', 'unmount', 'nosuch'], ['image', 'unmount'], ['image', 'mount', '-a', 'x'], ['image', 'mount', '--format', 'x']]) {
    const [theirs, ours] = [host.podman(args), host.tpod(args)]
    assert.deepEqual([ours.code, ours.stderr.split('\n', 1)[0]], [theirs.code, theirs.stderr.split('\n', 1)[0]])
  }
})

test('rmi of an image that podman\'s container uses', () => {
  const [theirs, ours] = [host.podman(['rmi', 'localhost/layers', 'localhost/nosuch']), host.tpod(['rmi', 'localhost/layers', 'localhost/nosuch'])]
  assert.equal(ours.code, theirs.code)
  assert.equal(ours.code, 2)
  const why = /image used by [0-9a-f]{64}: image is in use by a container: consider listing external containers and force-removing image/
  assert.match(theirs.stderr, why)
  assert.match(ours.stderr, why)
  assert.match(ours.stderr, /\(changed\)/, 'the remedy names it')
})

test('prune asks, tells beforehand what goes, and removes that', () => {
  host.podmanOk(['rm', 'changed'])
  host.podmanOk(['untag', 'localhost/layers'])
  const before = host.podmanOk(['images', '-aq'])
  const asked = host.tpod(['image', 'prune'], { input: 'n\n' })
  assert.equal(asked.stdout.split('\n')[0], 'WARNING! This command removes all dangling images.')
  assert.equal(host.podmanOk(['images', '-aq']), before)
  const plan = host.tpodOk(['image', 'prune', '--dry-run'])
  assert.equal(host.podmanOk(['images', '-aq']), before)
  const ids = host.tpodOk(['image', 'prune', '--force']).split('\n')
  assert.deepEqual(ids.map((id) => id.slice(0, 12)), plan.split('\n').slice(1, -1).map((line) => line.split(' ', 1)[0]))
  assert.match(plan, /Total space that would be reclaimed: 3\.\d+ MB$/, 'the three megabytes of a layer, not the base image that others use')
  assert.equal(host.podmanOk(['images', '-q', '--filter', 'dangling=true']), '')
  assert.notEqual(host.podmanOk(['images', '-q', 'localhost/layers-base']), '')
  assert.equal(host.tpodOk(['image', 'prune', '--all', '--force', '--filter', 'until=1h']), '', 'younger than an hour')
  assert.equal(host.tpodOk(['image', 'prune', '--all', '--force', '--filter', 'label!=nosuch']).split('\n').length, 2)
  assert.equal(host.podmanOk(['images', '-aq']), '')
  const layers = JSON.parse(readFileSync(`${host.graphRoot}/overlay-layers/layers.json`, 'utf8')) as unknown[] | null
  assert.equal(layers?.length ?? 0, 0)
})

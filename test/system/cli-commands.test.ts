// The command line on a real store: spellings, outputs and exit codes as podman has them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'

const host = new TestHost()
const image = 'localhost/busybox:latest'

before(() => host.importBusybox(image))
after(() => host.dispose())

test('both spellings list the same', () => {
  host.tpodOk(['create', '--name', 'one', '--network', 'none', '--label', 'a=b', image, 'true'])
  for (const words of [['ps', '-aq'], ['container', 'ls', '-aq'], ['container', 'list', '-aq'], ['container', 'ps', '-aq']]) {
    assert.equal(host.tpodOk(words), host.tpodOk(['ps', '-aq']))
  }
  assert.equal(host.tpodOk(['image', 'ls', '-q']), host.tpodOk(['images', '-q']))
})

test('ps: columns, quiet, json and templates', () => {
  const [header, row] = host.tpodOk(['ps', '-a']).split('\n')
  assert.match(header ?? '', /^CONTAINER ID {2}IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$/)
  assert.match(row ?? '', /^[0-9a-f]{12} {2}localhost\/busybox:latest +true +.* ago +Created +one$/)
  const [json] = JSON.parse(host.tpodOk(['ps', '-a', '--format', 'json'])) as { Id: string; Names: string[]; State: string; Labels: object }[]
  assert.deepEqual([json?.Names, json?.State, json?.Labels], [['one'], 'created', { a: 'b' }])
  assert.equal(host.tpodOk(['ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Label "a"}}']), `${json?.Id} b`)
  assert.equal(host.tpodOk(['ps', '-a', '--format', 'table {{.Names}} {{.State}}', '--noheading']).replace(/ +/, ' '), 'one created')
  assert.equal(host.tpodOk(['ps', '-a', '--filter', 'label=a=c', '-q']), '')
})

test('inspect finds the type by itself, and prints what it found beside an error', () => {
  assert.equal(host.tpodOk(['inspect', '--format', '{{.Name}}', 'one']), 'one')
  assert.match(host.tpodOk(['inspect', '--format', '{{.Id}}', image]), /^[0-9a-f]{64}$/)
  const mixed = host.tpod(['inspect', 'one', 'nobody'])
  assert.equal(mixed.code, 125)
  assert.equal((JSON.parse(mixed.stdout) as object[]).length, 1)
  assert.match(mixed.stderr, /^Error: .*nobody/)
})

test('exists answers by exit code alone', () => {
  assert.deepEqual([['container', 'exists', 'one'], ['container', 'exists', 'two'], ['image', 'exists', image], ['image', 'exists', 'nope'], ['volume', 'exists', 'nope']]
    .map((words) => { const { code, stdout } = host.tpod(words); return [code, stdout] }), [[0, ''], [1, ''], [0, ''], [1, ''], [1, '']])
})

test('volumes: create, list, inspect, filter, remove', () => {
  assert.equal(host.tpodOk(['volume', 'create', '--label', 'x=y', 'v1']), 'v1')
  assert.match(host.tpodOk(['volume', 'create']), /^[0-9a-f]{64}$/)
  assert.equal(host.tpodOk(['volume', 'ls', '-q', '--filter', 'label=x=y']), 'v1')
  assert.match(host.tpodOk(['volume', 'inspect', '--format', '{{.Mountpoint}}', 'v1']), /\/volumes\/v1\/_data$/)
  assert.equal(host.tpodOk(['volume', 'rm', 'v1']), 'v1')
  assert.equal(host.tpod(['volume', 'rm', 'v1']).code, 1)
  assert.match(host.tpodOk(['volume', 'prune', '--force']), /^[0-9a-f]{64}$/)
})

test('tag, untag, rmi', () => {
  host.tpodOk(['tag', image, 'other:1', 'other:2'])
  assert.match(host.tpodOk(['images', '--format', '{{.Repository}}:{{.Tag}}']), /^localhost\/other:1$/m)
  host.tpodOk(['untag', image, 'other:1'])
  assert.equal(host.tpodOk(['rmi', 'other:2']), 'Untagged: localhost/other:2')
  const inUse = host.tpod(['rmi', image])
  assert.equal(inUse.code, 2)
  assert.match(inUse.stderr, /one/)
})

test('rm prints what was typed, and goes on after an error', () => {
  const result = host.tpod(['rm', 'nobody', 'one'])
  assert.deepEqual([result.code, result.stdout.trim()], [1, 'one'])
  assert.equal(host.tpod(['rm', '--ignore', 'nobody']).code, 0)
})

test('completion knows commands, flags, values and objects by their state', () => {
  host.tpodOk(['create', '--name', 'idle', '--network', 'none', image])
  const roots = ['--root', host.graphRoot, '--runroot', host.runRoot]
  const complete = (...words: string[]): string[] => host.tpodOk(['__complete', ...roots, ...words]).split('\n').filter(Boolean).map((line) => line.split('\t')[0] as string)
  assert.deepEqual(complete('vol'), ['volume'])
  assert.ok(complete('run', '--net').includes('--network'))
  assert.deepEqual(complete('run', '--pull', 'ne'), ['never', 'newer'])
  assert.deepEqual(complete('start', ''), ['idle'])
  assert.deepEqual(complete('stop', ''), [])
  assert.ok(complete('rmi', '').includes(image))
  assert.deepEqual(complete('run', image, ''), [':files'])
  host.tpodOk(['rm', 'idle'])
})

test('networks: list and inspect, by podman\'s field names', () => {
  assert.match(host.tpodOk(['network', 'ls']), /^NETWORK ID +NAME +DRIVER\n[0-9a-f]{12} +podman +bridge$/)
  assert.equal(host.tpodOk(['network', 'inspect', '--format', '{{.Name}} {{.Driver}}', 'podman']), 'podman bridge')
  assert.equal((JSON.parse(host.tpodOk(['inspect', '--type', 'network', 'podman'])) as { name: string }[])[0]?.name, 'podman')
})

test('help is on standard output with exit 0; a bare group is an error', () => {
  for (const words of [['--help'], ['run', '--help'], ['container', '--help'], ['help', 'volume', 'ls'], ['ps', '-h']]) {
    const { code, stdout } = host.tpod(words)
    assert.equal(code, 0)
    assert.match(stdout, /Usage:\n {2}tpod/)
  }
  const bare = host.tpod(['volume'])
  assert.equal(bare.code, 125)
  assert.match(bare.stderr, /missing command 'tpod volume COMMAND'/)
})

test('info and version, as text, json and template', () => {
  const info = JSON.parse(host.tpodOk(['info', '--format', 'json'])) as { store: { graphRoot: string }; host: { ociRuntime: { name: string } } }
  assert.equal(info.store.graphRoot, host.graphRoot)
  assert.equal(host.tpodOk(['info', '--format', '{{.Host.OCIRuntime.Name}} {{.store.graphRoot}}']), `${info.host.ociRuntime.name} ${host.graphRoot}`)
  assert.match(host.tpodOk(['info']), /^host:\n {2}arch: /)
  assert.match(host.tpodOk(['--version']), /^tpod version \d/)
  assert.equal(host.tpodOk(['version', '--format', '{{.Client.Version}}']), host.tpodOk(['--version']).replace('tpod version ', ''))
})

test('a reader that closes early is no error message', () => {
  const { stderr } = host.tpod(['ps', '-a', '--format', '{{range .}}{{end}}'])
  assert.equal(stderr, '')
})

/** What scripts written for podman rely on in image commands: its words and exit statuses for the usual mistakes. */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Result, TestHost, tpodPath } from '../support/host.ts'

const host = new TestHost()
const podman = join(host.directory, 'podman')
const docker = join(host.directory, 'docker')
const asPodman = (args: readonly string[]): Result => host.run(podman, [...host.storeFlags(), ...args])

before(() => {
  for (const name of [podman, docker]) symlinkSync(tpodPath, name)
  host.importBusybox()
  host.tpodOk(['tag', 'busybox', 'quay.io/team/other:v2'])
})
after(() => host.dispose())

test('wrong numbers of arguments are counted in podman\'s words', () => {
  const cases: [string, RegExp][] = [
    ['history', /^Error: accepts 1 arg\(s\), received 0$/m], ['history a b', /^Error: accepts 1 arg\(s\), received 2$/m],
    ['image diff', /accepts between 1 and 2 arg\(s\), received 0/], ['image diff a b c', /accepts between 1 and 2 arg\(s\), received 3/],
    ['images a b', /accepts at most 1 arg\(s\), received 2/], ['tag busybox', /requires at least 2 arg\(s\), only received 1/],
    ['image copy', /accepts 2 arg\(s\), received 0/], ['image list-tags', /accepts 1 arg\(s\), received 0/],
    ['push', /accepts between 1 and 2 arg\(s\), received 0/], ['push a b c', /accepts between 1 and 2 arg\(s\), received 3/],
    ['manifest annotate', /accepts (?:2|between 1 and 2) arg\(s\), received 0/], ['load x', /takes no arguments/],
  ]
  for (const [words, message] of cases) {
    const refused = asPodman(words.split(' '))
    assert.equal(refused.code, 125, words)
    assert.match(refused.stderr, message, words)
  }
})

test('an object that is not there, for inspect', () => {
  for (const [words, message] of [
    ['image inspect nosuch', 'inspecting object: nosuch: image not known'], ['inspect nosuch', 'inspecting object: no such object: "nosuch"'],
    ['inspect --type image nosuch', 'inspecting object: nosuch: image not known'], ['volume inspect nosuch', 'inspecting object: no volume with name "nosuch" found: no such volume'],
  ] as const) {
    const refused = asPodman(words.split(' '))
    assert.deepEqual([refused.code, refused.stdout, refused.stderr], [125, '[]\n', `Error: ${message}\n`], words)
  }
  const some = asPodman(['image', 'inspect', '--format', '{{.Os}}', 'nosuch', 'busybox'])
  assert.deepEqual([some.code, some.stdout], [125, 'linux\n'])
})

test('an id with several names is not removed without force, with podman\'s status', () => {
  const id = host.tpodOk(['images', '-q', '--no-trunc', 'busybox']).replace('sha256:', '')
  const refused = asPodman(['rmi', id.slice(0, 12)])
  assert.equal(refused.code, 125)
  assert.equal(refused.stderr, `Error: unable to delete image "${id}" by ID with more than one tag ([localhost/busybox:latest quay.io/team/other:v2]): please force removal\n`)
})

test('bad names and short names that resolve to nothing', () => {
  assert.match(asPodman(['tag', 'busybox', 'BAD']).stderr, /invalid reference format: repository name must be lowercase/)
  assert.match(asPodman(['pull', 'a:b:c']).stderr, /invalid reference format/)
  assert.match(asPodman(['pull', 'nosuchshort']).stderr, /^Error: short-name "nosuchshort" did not resolve to an alias and no unqualified-search registries are defined in "/)
})

test('a registry without TLS: the words that people search for', async () => {
  const address = await host.startRegistry()
  const env = { CONTAINERS_REGISTRIES_CONF: host.writeFile('no-registries.conf', '') }
  for (const args of [['pull', `${address}/x`], ['push', 'busybox', `${address}/x`], ['login', '-u', 'u', '-p', 'p', address], ['search', `${address}/x`], ['image', 'copy', 'containers-storage:localhost/busybox', `docker://${address}/x`]]) {
    const refused = host.run(podman, [...host.storeFlags(), ...args], { env })
    assert.equal(refused.code, 125)
    assert.match(refused.stderr, /http: server gave HTTP response to HTTPS client/, args.join(' '))
  }
})

test('push of a short name that is local only goes to docker.io, not to a registry on this host', () => {
  const refused = asPodman(['push', 'busybox'])
  assert.equal(refused.code, 125)
  assert.match(refused.stderr, /docker\.io\/library\/busybox:latest: connect to registry-1\.docker\.io/)
  assert.match(asPodman(['push', 'localhost/busybox']).stderr, /push localhost\/busybox:latest: connect to localhost/)
})

test('an unknown command under podman\'s name', () => {
  const refused = asPodman(['image', 'bogus'])
  assert.deepEqual([refused.code, refused.stderr], [125, 'Error: unrecognized command `podman image bogus`\nTry \'podman image --help\' for more information\n'])
  assert.equal(asPodman(['bogus']).stderr, 'Error: unrecognized command `podman bogus`\nTry \'podman --help\' for more information\n')
})

test('called as docker a name without a registry means docker.io, whatever registries.conf says', () => {
  const env = { CONTAINERS_REGISTRIES_CONF: host.writeFile('aliases.conf', 'unqualified-search-registries = ["127.0.0.1:1", "127.0.0.1:2"]\nshort-name-mode = "enforcing"\n[aliases]\n"aliased" = "127.0.0.1:3/elsewhere"\n') }
  for (const name of ['somewhere', 'aliased', 'team/app']) {
    const refused = host.run(docker, [...host.storeFlags(), 'pull', name], { env })
    assert.match(refused.stderr, new RegExp(`Trying to pull docker\\.io/${name.includes('/') ? '' : 'library/'}${name}:latest`), name)
  }
  assert.match(host.run(podman, [...host.storeFlags(), 'pull', 'aliased'], { env }).stderr, /127\.0\.0\.1:3\/elsewhere/)
  assert.equal(host.run(docker, [...host.storeFlags(), 'image', 'inspect', '--format', '{{.Os}}', 'busybox'], { env }).stdout, 'linux\n')
})

test('inspect templates: fields that the JSON leaves out are empty, times are Go\'s, {{json .}} is the whole answer', () => {
  host.tpodOk(['import', '-q', '-c', 'LABEL a=b', host.busyboxTar(), 'plain:1'])
  const show = (format: string, file = podman): string => {
    const result = host.run(file, [...host.storeFlags(), 'image', 'inspect', '--format', format, 'plain:1'])
    assert.equal(result.stderr, '', format)
    return result.stdout.replace(/\n$/, '')
  }
  assert.equal(show('{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Env}} {{.Config.User}}|{{.Config.StopSignal}}|{{.Config.WorkingDir}} {{.Config.ExposedPorts}} {{.Config.Volumes}}'), '[] [] [] || map[] map[]')
  assert.equal(show('{{.Annotations}} {{.HealthCheck}} {{range .History}}{{.EmptyLayer}} {{.Author}}{{end}}'), 'map[] <nil> false ')
  assert.equal(show('{{json .Config}}'), '{"Labels":{"a":"b"}}')
  const created = (JSON.parse(show('json')) as { Created: string }[])[0]?.Created as string
  assert.equal(show('{{.Created}}'), `${created.replace('T', ' ').replace('Z', '')} +0000 UTC`)
  assert.equal(show('{{.Created.Unix}} {{.Created.Format "02.01.06 15:04"}}'), `${Math.floor(Date.parse(created) / 1000)} ${created.slice(8, 10)}.${created.slice(5, 7)}.${created.slice(2, 4)} ${created.slice(11, 16)}`)
  assert.equal(show('{{json .Created}}'), JSON.stringify(created))
  assert.deepEqual(JSON.parse(show('{{json .}}')), JSON.parse(show('json')))
  assert.equal(show('table {{.Os}}'), 'linux')
  for (const format of ['{{.Created}}', '{{.Config.Cmd}} {{.Labels}}', '{{.Created.Unix}}']) assert.equal(show(format), host.podmanOk(['image', 'inspect', '--format', format, 'plain:1']).trimEnd(), format)
  assert.equal(show('{{.Created}}', docker), created)
  assert.equal((JSON.parse(show('{{json .}}', docker)) as { Os: string }).Os, 'linux')
})

test('files that flags name and that cannot be used', async () => {
  const address = await host.startRegistry()
  host.tpodOk(['manifest', 'create', 'list'])
  for (const args of [['pull', '--authfile', '/nonexistent/a.json', `${address}/x`], ['push', '--authfile', '/nonexistent/a.json', 'busybox', `${address}/x`], ['manifest', 'add', '--authfile', '/nonexistent/a.json', 'list', `docker://${address}/x`]]) {
    const result = asPodman(args)
    assert.deepEqual([result.code, result.stderr], [125, 'Error: stat /nonexistent/a.json: no such file or directory\n'], args.join(' '))
  }
  const pushed = asPodman(['push', '-q', '--digestfile', '/nonexistent/digest', 'busybox', `${address}/x`])
  assert.deepEqual([pushed.code, pushed.stderr], [125, 'Error: write digest to file: open /nonexistent/digest: no such file or directory\n'])
})

test('a trust rule for what no image can be called is refused', () => {
  const policy = host.writeFile('set-policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}')
  const set = (scope: string): Result => asPodman(['image', 'trust', 'set', '--policypath', policy, '--type', 'reject', scope])
  for (const scope of ['', 'BAD::x', 'quay.io/', 'quay.io//x', 'quay.io/Upper', 'quay.io/x:a:b', 'docker://quay.io', 'quay.io:x/y', 'x y']) {
    const refused = set(scope)
    assert.deepEqual([refused.code, refused.stderr], [125, `Error: invalid image uri: ${scope}\n`.replace(': \n', ':\n')])
  }
  for (const scope of ['default', 'quay.io', 'localhost:5000', 'localhost:5000/a/b', 'quay.io/a/b:v1', `quay.io/a@sha256:${'0'.repeat(64)}`, '*.example.com', '[::1]:5000/x']) assert.equal(set(scope).stderr, '', scope)
})

test('called as docker what fails ends with 1, but run with 125', () => {
  const status = (...args: string[]): number => host.run(docker, [...host.storeFlags(), ...args]).code
  for (const args of [['pull', '127.0.0.1:1/x'], ['push', 'nosuch', '127.0.0.1:1/x'], ['inspect', 'nosuch'], ['history', 'nosuch'], ['tag', 'nosuch', 'x'], ['load', '-i', '/nonexistent'], ['images', '--bogus'], ['bogus'], ['rmi', 'nosuch']]) assert.equal(status(...args), 1, args.join(' '))
  assert.equal(status('run', '127.0.0.1:1/x'), 125)
  assert.equal(status('container', 'run', '--bogus', 'busybox'), 125)
  assert.equal(asPodman(['pull', '127.0.0.1:1/x']).code, 125)
})

test('image trust show --raw prints a broken policy too', () => {
  const policy = host.writeFile('broken-policy.json', '{"default":[]')
  assert.deepEqual(asPodman(['image', 'trust', 'show', '--raw', '--policypath', policy]), { code: 0, stdout: '{"default":[]\n', stderr: '' })
  assert.equal(asPodman(['image', 'trust', 'show', '--policypath', policy]).code, 125)
})

test('run and create take an image from where it lies', () => {
  const archive = join(host.directory, 'run.tar')
  host.tpodOk(['import', '-q', '-c', 'CMD ["echo","from the archive"]', host.busyboxTar(), 'localhost/lying:1'])
  host.tpodOk(['save', '-q', '-o', archive, 'lying:1'])
  host.tpodOk(['save', '-q', '-m', '-o', join(host.directory, 'two.tar'), 'lying:1', 'busybox'])
  host.tpodOk(['save', '-q', '--format', 'oci-dir', '-o', join(host.directory, 'lying-oci'), 'lying:1'])
  host.tpodOk(['rmi', 'lying:1'])
  const run = asPodman(['run', '--rm', '--network', 'none', `docker-archive:${archive}`])
  assert.deepEqual([run.code, run.stdout], [0, 'from the archive\n'], run.stderr)
  assert.match(run.stderr, /^Getting image source signatures\n[^]*Copying blob[^]*Writing manifest/)
  assert.equal(asPodman(['image', 'exists', 'lying:1']).code, 0)
  const id = host.tpodOk(['create', '--network', 'none', `oci:${join(host.directory, 'lying-oci')}`])
  assert.equal(host.tpodOk(['start', '--attach', id]), 'from the archive')
  host.tpodOk(['rm', id])
  assert.match(asPodman(['run', '--rm', `docker-archive:${join(host.directory, 'two.tar')}`]).stderr, /it has several images/)
  assert.match(asPodman(['run', '--rm', 'docker-archive:/nonexistent.tar']).stderr, /open \/nonexistent.tar: no such file or directory/)
})

/** What scripts written for podman rely on: its words, exit statuses and quiet, also under its name. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestHost, tpodPath } from '../support/host.ts'

const host = new TestHost()
const image = 'localhost/busybox'
const run = ['run', '--network', 'none'] as const

before(() => host.importBusybox())
after(() => host.dispose())

test('warnings are shown, before the output, and ports without a network are discarded', () => {
  const result = host.tpod([...run, '--name', 'ports', '-p', '8080:80', image, 'echo', 'hi'])
  assert.equal(result.stdout, 'hi\n')
  assert.match(result.stderr, /^Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use\n/)
  assert.equal(host.tpodOk(['inspect', '--format', '{{len .HostConfig.PortBindings}}', 'ports']), '0')
  host.tpodOk(['rm', 'ports'])
})

test('--noout leaves standard output empty, the container\'s too', () => {
  assert.equal(host.tpodOk(['--noout', ...run, '--rm', image, 'echo', 'hi']), '')
  assert.equal(host.tpodOk(['--noout', 'images']), '')
})

test('restart gives a running and an ended container a new process; a --rm container survives it', () => {
  host.tpodOk([...run, '-d', '--rm', '--name', 'again', image, 'sleep', '100'])
  const pid = (): string => host.tpodOk(['inspect', '--format', '{{.State.Pid}}', 'again'])
  const first = pid()
  assert.equal(host.tpodOk(['restart', '-t', '0', 'again']), 'again')
  assert.notEqual(pid(), first)
  host.tpodOk(['rm', '-f', '-t', '0', 'again'])
  host.tpodOk([...run, '--name', 'ended', image, 'true'])
  host.tpodOk(['restart', 'ended'])
  host.tpodOk(['wait', 'ended'])
  host.tpodOk(['rm', 'ended'])
})

test('a stop that needs SIGKILL says so, and others see it stopping', () => {
  host.tpodOk([...run, '-d', '--name', 'deaf', image, 'sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'])
  const stop = host.tpod(['stop', '-t', '1', 'deaf'])
  assert.equal(stop.stdout, 'deaf\n')
  assert.equal(stop.stderr, 'StopSignal SIGTERM failed to stop container deaf in 1 seconds, resorting to SIGKILL\n')
  assert.equal(host.tpodOk(['inspect', '--format', '{{.State.ExitCode}}', 'deaf']), '137')
  host.tpodOk(['rm', 'deaf'])
})

test('--rmi takes the image along, unless a container uses it', () => {
  host.tpodOk(['tag', image, 'localhost/spare'])
  host.tpodOk([...run, '--name', 'keeps', image, 'true'])
  host.tpodOk([...run, '--rm', '--rmi', 'localhost/spare', 'true'])
  assert.equal(host.tpod(['image', 'exists', 'localhost/spare']).code, 1)
  assert.equal(host.tpod(['image', 'exists', image]).code, 0)
  host.tpodOk(['rm', 'keeps'])
  assert.equal(host.tpod([...run, '--rmi', image, 'true']).code, 125)
})

test('--conmon-pidfile, --attach stdin, --unsetenv', () => {
  const path = join(host.directory, 'conmon.pid')
  const id = host.tpodOk([...run, '-d', '--name', 'watched', '--conmon-pidfile', path, image, 'sleep', '100'])
  assert.equal(host.tpodOk(['inspect', '--format', '{{.State.ConmonPid}}', id]), readFileSync(path, 'utf8'))
  host.tpodOk(['rm', '-f', '-t', '0', 'watched'])
  assert.match(host.tpodOk([...run, '--rm', '--attach', 'stdin', image, 'echo', 'unseen']), /^[0-9a-f]{64}$/)
  assert.doesNotMatch(host.tpodOk([...run, '--rm', '--unsetenv-all', '--env', 'A=b', image, '/bin/env']), /TERM|PATH|container=/)
})

test('an unknown field of a template fails; the id has two names', () => {
  host.tpodOk(['create', '--name', 'shown', '--label', 'Foo=bar', image])
  for (const args of [['images'], ['ps', '-a'], ['inspect', 'shown'], ['info'], ['version']]) {
    const refused = host.tpod([...args, '--format', '{{.Nonsense}}'])
    assert.equal(refused.code, 125, args.join(' '))
    assert.match(refused.stderr, /can't evaluate field Nonsense/)
  }
  assert.equal(host.tpodOk(['inspect', 'shown', '--format', '{{.Config.Labels}} {{.Config.Labels.nope}}']), 'map[Foo:bar] <no value>')
  assert.equal(host.tpodOk(['inspect', 'shown', '--format', '{{eq .ID .Id}}']), 'true')
  host.tpodOk(['rm', 'shown'])
})

test('called as podman: its name in help and errors, no hints; the JIT\'s switch reaches no container', () => {
  const podman = join(host.directory, 'podman')
  if (!existsSync(podman)) symlinkSync(tpodPath, podman)
  const asPodman = (args: readonly string[]): ReturnType<TestHost['run']> => host.run(podman, [...host.storeFlags(), ...args])
  assert.match(asPodman(['ps', '--help']).stdout, /^Usage:\n {2}podman ps \[options\]$/m)
  assert.equal(asPodman(['ps', '--bogus']).stderr, 'Error: unknown flag: --bogus\nSee \'podman ps --help\'\n')
  assert.doesNotMatch(asPodman(['imges']).stderr, /Hint/)
  assert.match(host.tpod(['imges']).stderr, /Hint/)
  assert.doesNotMatch(asPodman([...run, '--rm', '--env-host', image, 'env']).stdout, /BUN_JSC|TPOD_CALLED_AS/)
})

// `tpod run -ti fedora` at a terminal: short name through a mirror, prompt, resize, exit code, detach and attach again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'
import { pushToRegistry } from '../support/images.ts'
import { Terminal } from '../support/terminal.ts'

const host = new TestHost()
// busybox asks the terminal for its cursor after the prompt, and draws it again when the size comes after the start
const prompt = /# (\p{Cc}\[(6n|J))?$/u

before(async () => {
  const registry = await host.startRegistry()
  host.importBusybox('localhost/fedora:latest')
  pushToRegistry(host, 'localhost/fedora:latest', registry, 'fedora')
  host.podmanOk(['rmi', '-a', '-f'])
  host.registries(`[aliases]\n"fedora" = "registry.fedoraproject.org/fedora"\n[[registry]]\nprefix = "registry.fedoraproject.org"\nlocation = "registry.fedoraproject.org"\n[[registry.mirror]]\nlocation = "${registry}"\ninsecure = true\n`)
})

after(() => host.dispose())

test('run -ti fedora pulls through the mirror, gives a prompt, follows a resize and returns the exit code', async () => {
  const terminal = new Terminal(host, ['run', '--rm', '-ti', 'fedora'])
  await terminal.expect(prompt)
  terminal.type('stty size\r')
  await terminal.expect(/24 80\r\n/)
  terminal.resize(100, 40)
  await new Promise((resolve) => setTimeout(resolve, 300))
  terminal.type('stty size\r')
  await terminal.expect(/40 100\r\n/)
  terminal.type('tty; id -u\r')
  await terminal.expect(/\/dev\/(pts\/0|console)\r\n0\r\n/)
  terminal.type('exit 3\r')
  assert.equal(await terminal.wait(), 3)
  assert.match(host.tpodOk(['images', '--format', '{{.Repository}}']), /^registry\.fedoraproject\.org\/fedora$/m)
})

test('ctrl-p ctrl-q detaches, attach comes back, and the exit code arrives there', async () => {
  const first = new Terminal(host, ['run', '-ti', '--name', 'shell', 'fedora'])
  await first.expect(prompt)
  first.type('VALUE=kept\r')
  await first.expect(prompt)
  first.type('\x10\x11')
  assert.equal(await first.wait(), 0)
  assert.equal(host.tpodOk(['inspect', '--format', '{{.State.Status}}', 'shell']), 'running')
  const second = new Terminal(host, ['attach', 'shell'])
  second.type('\r')
  await second.expect(prompt)
  second.type('echo value=$VALUE\r')
  await second.expect(/value=kept\r\n/)
  second.type('exit 7\r')
  assert.equal(await second.wait(), 7)
  assert.equal(host.tpodOk(['rm', 'shell']), 'shell')
})

test('exec -ti has a terminal of its own size and gives the exit code', async () => {
  host.tpodOk(['run', '-d', '--name', 'host', 'fedora', 'sleep', '1000'])
  const terminal = new Terminal(host, ['exec', '-ti', 'host', 'sh'])
  await terminal.expect(prompt)
  terminal.type('stty size\r')
  await terminal.expect(/24 80\r\n/)
  terminal.type('exit 5\r')
  assert.equal(await terminal.wait(), 5)
  host.tpodOk(['rm', '-f', '-t', '0', 'host'])
})

test('the interrupt key reaches the contained process, not tpod', async () => {
  const terminal = new Terminal(host, ['run', '--rm', '-ti', 'fedora', 'sh', '-c', 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.1; done'])
  await terminal.expect(/ready/)
  terminal.type('\x03')
  await terminal.expect(/caught/)
  assert.equal(await terminal.wait(), 9)
})

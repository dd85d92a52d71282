/** `image scp` through a real sshd on loopback, whose far side has another store. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { after, before, test } from 'node:test'
import { expectOk, freePort, TestHost, tpodPath } from '../support/host.ts'

const sshd = '/usr/sbin/sshd'
const skip = existsSync(sshd) && process.getuid?.() === 0 ? false : 'needs root and an installed sshd'
const here = new TestHost()
const there = new TestHost()
let server: ChildProcess | undefined
let port = 0

before(async () => {
  if (skip !== false) return
  here.importBusybox('localhost/travels:1', ['CMD ["sh"]', 'LABEL from=here'])
  port = await freePort()
  for (const name of ['host_key', 'user_key']) expectOk(['ssh-keygen'], here.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${here.directory}/${name}`]))
  // The far side's shell finds a tpod that works on the far side's store.
  const bin = `${there.directory}/bin`
  mkdirSync(bin)
  program(`${bin}/tpod`, `#!/bin/sh\n${exports(there)}exec ${tpodPath} ${there.storeFlags().join(' ')} "$@"\n`)
  const enter = program(`${there.directory}/enter`, `#!/bin/sh\nexport PATH=${bin}:/usr/bin:/bin:/usr/sbin:/sbin\nprintf '%s\\n' "$SSH_ORIGINAL_COMMAND" >> ${there.directory}/commands\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n`)
  const config = here.writeFile('sshd_config', `ListenAddress 127.0.0.1:${port}\nHostKey ${here.directory}/host_key\nAuthorizedKeysFile ${here.directory}/user_key.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nForceCommand ${enter}\n`)
  mkdirSync('/run/sshd', { recursive: true })
  server = spawn(sshd, ['-D', '-e', '-f', config], { stdio: 'ignore' })
  await untilItAnswers(port)
  // What a user has in ~/.ssh: ssh asks passwd for that place, not HOME.
  mkdirSync(`${here.directory}/near`)
  program(`${here.directory}/near/ssh`, `#!/bin/sh\nexec /usr/bin/ssh -F ${here.writeFile('ssh_config', `StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nBatchMode yes\nIdentitiesOnly yes\n`)} "$@"\n`)
  here.env['PATH'] = `${here.directory}/near:${here.env['PATH']}`
  const containersConf = `${here.directory}/containers.conf`
  writeFileSync(containersConf, `${readFileSync(containersConf, 'utf8')}[engine.service_destinations.far]\nuri = "ssh://root@127.0.0.1:${port}/run/podman/podman.sock"\nidentity = "${here.directory}/user_key"\n`)
})

after(() => {
  server?.kill()
  here.dispose()
  there.dispose()
})

function program(path: string, text: string): string {
  writeFileSync(path, text)
  chmodSync(path, 0o755)
  return path
}

function exports(host: TestHost): string {
  return Object.entries(host.env).filter(([name]) => name !== 'PATH').map(([name, value]) => `export ${name}='${value}'\n`).join('')
}

async function untilItAnswers(at: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = createConnection(at, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('sshd did not come up')
}

const idOf = (host: TestHost, name: string): string => host.tpodOk(['image', 'inspect', '--format', '{{.Id}}', name])

test('to a connection of containers.conf, with another name there', { skip }, () => {
  assert.equal(here.tpodOk(['image', 'scp', 'travels:1', 'far::']), 'Loaded image: localhost/travels:1')
  assert.equal(idOf(there, 'localhost/travels:1'), idOf(here, 'localhost/travels:1'))
  assert.equal(here.tpodOk(['image', 'scp', '-q', '--format', 'oci-archive', 'travels:1', 'far::quay.io/team/renamed']), '')
  assert.equal(idOf(there, 'quay.io/team/renamed:latest'), idOf(here, 'localhost/travels:1'))
})

test('back from USER@HOST:PORT, and from there to there', { skip }, () => {
  here.tpodOk(['rmi', 'travels:1'])
  const host = `root@127.0.0.1:${port}`
  const refused = here.tpod(['image', 'scp', `${host}::travels:1`])
  assert.equal(refused.code, 125)
  assert.match(refused.stderr, /^Error: save the image on root@127\.0\.0\.1:\d+: root@127\.0\.0\.1: Permission denied/, 'no key is named: ssh itself says what fails')
  const config = `${here.directory}/ssh_config`
  writeFileSync(config, `${readFileSync(config, 'utf8')}IdentityFile ${here.directory}/user_key\n`)
  assert.equal(here.tpodOk(['image', 'scp', `${host}::travels:1`]), 'Loaded image: localhost/travels:1')
  assert.equal(idOf(here, 'localhost/travels:1'), idOf(there, 'localhost/travels:1'))
  here.tpodOk(['image', 'scp', `${host}::travels:1`, 'far::twice'])
  assert.equal(idOf(there, 'localhost/twice:latest'), idOf(here, 'localhost/travels:1'))
})

test('to another user of this machine: oneself', { skip }, () => {
  assert.equal(here.tpodOk(['image', 'scp', 'travels:1', 'root@localhost::own-copy']), 'Loaded image: localhost/travels:1')
  assert.equal(idOf(here, 'localhost/own-copy:latest'), idOf(here, 'localhost/travels:1'))
})

test('what fails says where, and leaves nothing', { skip }, () => {
  const failing = (...args: string[]): string => {
    const { code, stderr } = here.tpod(['image', 'scp', ...args])
    assert.equal(code, 125)
    return stderr.split('\n', 1)[0]!
  }
  assert.equal(failing('nosuch', 'far::'), 'Error: save the image: nosuch: image not known')
  assert.equal(failing('far::nosuch'), 'Error: save the image on far: nosuch: image not known')
  assert.match(failing('travels:1', 'root@127.0.0.1:1::'), /^Error: load the image on root@127\.0\.0\.1:1: ssh: connect to host 127\.0\.0\.1 port 1: Connection refused/)
  assert.equal(failing('travels:1', 'nobody-knows@localhost::'), 'Error: find user nobody-knows: unknown user')
  assert.equal(failing('travels:1'), 'Error: must specify a destination: invalid argument')
  assert.equal(failing('far::'), 'Error: no source image specified: invalid argument')
})

test('no argument becomes an option of ssh or a command of the far shell', { skip }, () => {
  for (const host of ['-oProxyCommand=touch${IFS}/tmp/owned', 'x@-oProxyCommand=id']) {
    assert.equal(here.tpod(['image', 'scp', '--', 'travels:1', `${host}::`]).code, 125)
  }
  const odd = `x';touch ${there.directory}/owned;'`
  assert.equal(here.tpod(['image', 'scp', `far::${odd}`]).code, 125)
  assert.equal(here.tpod(['image', 'scp', 'travels:1', `far::$(touch ${there.directory}/owned)`]).code, 125)
  assert.equal(existsSync(`${there.directory}/owned`), false)
})

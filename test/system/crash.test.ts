// What kill -9, a damaged file, a full disk and a reboot leave of containers: the next command works, and nothing stays behind.
// TPOD_KILLS sets the number of kills of each kind.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, afterEach, before, test } from 'node:test'
import { TestHost, freePort, spawnTpodResult } from '../support/host.ts'
import { killAfter, typicalMs } from '../support/kill.ts'

const kills = Number(process.env['TPOD_KILLS'] ?? 5)
const host = new TestHost()
const image = 'localhost/busybox:latest'

before(() => host.importBusybox(image))
after(() => host.dispose())
afterEach(async () => {
  removeAll()
  host.tpodOk(['run', '--rm', '--network', 'none', image, 'true'])
  await until(() => leftovers().length === 0, () => `nothing is left: ${leftovers().join('\n')}`)
})

async function until(check: () => boolean, what: () => string): Promise<void> {
  for (const end = Date.now() + 10_000; !check(); await sleep(100)) if (Date.now() > end) assert.fail(what())
}

function removeAll(): void {
  host.tpodOk(['rm', '-a', '-f', '-v', '-t', '0'])
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : []
}

function leftovers(): string[] {
  const state = ['root/tpod/containers', 'root/tpod/pending', 'root/volumes', 'run/tpod/live', 'run/tpod/exits', 'run/tpod/network/claims', 'run/tpod/network/containers', 'run/tpod/crun', 'run/tpod/runc']
  const files = ['root/overlay-containers', 'run/overlay-containers'].flatMap((path) => list(join(host.directory, path)))
  // One temporary file per table may stay, for its next write.
  return [...host.leftovers(), ...state.flatMap((path) => list(join(host.directory, path))), ...files.filter((path) => !/\.(lock|json)$/.test(path))]
}

function status(name: string): string {
  const result = host.tpod(['container', 'inspect', '--format', '{{.State.Status}}', name])
  return result.code === 0 ? result.stdout.trim() : 'none'
}

for (const network of ['none', 'bridge']) {
  test(`run -d killed ${kills} times (${network}): the container that is there starts, the name of one that is not is free`, async () => {
    const run = ['run', '-d', '-v', '/anonymous', '--network', network, '--name', 'victim', image, 'sleep', '60']
    const span = await typicalMs(host, run, removeAll)
    for (let i = 0; i < kills; i++) {
      removeAll()
      await killAfter(host, run, Math.random() * span)
      host.tpodOk(status('victim') === 'none' ? run : ['start', 'victim'])
      assert.equal(status('victim'), 'running')
    }
  })

  test(`run -d --rm killed ${kills} times (${network}): the same command works again, unless the container runs`, async () => {
    const run = ['run', '-d', '--rm', '-v', '/anonymous', '--network', network, '--name', 'victim', image, 'sleep', '60']
    const span = await typicalMs(host, run, removeAll)
    for (let i = 0; i < kills; i++) {
      removeAll()
      await killAfter(host, run, Math.random() * span)
      let said = ''
      await until(() => {
        if (status('victim') === 'running') return true
        const result = host.tpod(run)
        said = result.stderr
        return result.code === 0
      }, () => `run -d --rm works again; it says ${said}`)
    }
  })
}

test(`run --rm -p killed ${kills} times: the port can be published again, though nothing else was run in between`, async () => {
  const run = ['run', '--rm', '-p', `127.0.0.1:${await freePort()}:80`, image, 'sleep', '0.05']
  const span = await typicalMs(host, run)
  for (let i = 0; i < kills; i++) {
    await killAfter(host, run, Math.random() * span)
    let said = ''
    await until(() => {
      const result = host.tpod(run)
      said = result.stderr
      return result.code === 0
    }, () => `the port is free; it says ${said}`)
  }
})

for (const command of [['rm', '-f', '-v', '-t', '0'], ['restart', '-t', '0']]) {
  test(`${command[0]} killed ${kills} times: the next command finishes it, or start works`, async () => {
    const make = (): void => {
      removeAll()
      host.tpodOk(['run', '-d', '-v', '/anonymous', '--network', 'none', '--name', 'victim', image, 'sleep', '60'])
    }
    const span = await typicalMs(host, [...command, 'victim'], make)
    for (let i = 0; i < kills; i++) {
      make()
      await killAfter(host, [...command, 'victim'], Math.random() * span)
      host.tpodOk(['run', '--rm', '--network', 'none', image, 'true'])
      if (status('victim') === 'none') assert.equal(host.tpodOk(['volume', 'ls', '-q']), '', 'its anonymous volume went with it')
      else host.tpodOk(['start', 'victim'])
    }
  })
}

test('a removal that was killed after its first step takes the anonymous volumes too, and the container cannot be started any more', () => {
  host.tpodOk(['run', '--name', 'half', '-v', '/anonymous', '--network', 'none', image, 'true'])
  const id = host.tpodOk(['container', 'inspect', '--format', '{{.Id}}', 'half'])
  writeFileSync(join(host.graphRoot, 'tpod/pending', id), 'remove with volumes')
  const { code, stderr } = host.tpod(['start', 'half'])
  assert.equal(code, 125)
  assert.match(stderr, /no such container/)
  assert.equal(host.tpodOk(['volume', 'ls', '-q']), '')
})

test('a --rm container that ends while its start is still being recorded goes without another command', async () => {
  for (let i = 0; i < 4; i++) host.tpodOk(['run', '-d', '--rm', image, 'true'])
  host.tpodOk(['create', '--rm', '--name', 'short', image, 'true'])
  host.tpodOk(['start', 'short'])
  await until(() => host.tpodOk(['ps', '-aq']) === '', () => `no container is listed: ${host.tpodOk(['ps', '-a'])}`)
})

for (const [file, damage] of [['config.json', 40], ['config.json', 0], ['state.json', 40]] as const) {
  test(`${file} cut to ${damage} bytes: ps names the container and lists the others, commands on others work, rm --force removes it`, () => {
    host.tpodOk(['create', '--name', 'good', '--network', 'none', image, 'true'])
    host.tpodOk(['run', '-d', '--name', 'bad', image, 'sleep', '60'])
    const id = host.tpodOk(['container', 'inspect', '--format', '{{.Id}}', 'bad'])
    truncateSync(join(host.graphRoot, 'tpod/containers', id, file), damage)
    const ps = host.tpod(['ps', '-a', '--format', '{{.Names}}'])
    assert.deepEqual(ps.stdout.trim().split('\n').sort(), ['bad', 'good'])
    assert.match(ps.stderr, /container bad .*damaged.*tpod rm --force bad/)
    host.tpodOk(['start', '-a', 'good'])
    host.tpodOk(['run', '--rm', image, 'true'])
    host.tpodOk(['rm', 'good'])
    assert.match(host.tpod(['start', 'bad']).stderr, new RegExp(`${file}: not JSON`))
    host.tpodOk(['rm', '-f', 'bad'])
    assert.equal(host.tpodOk(['ps', '-aq']), '')
  })
}

test('many commands on one container at once: each works or says why, one container is left', async () => {
  const at = (...args: string[]): Promise<{ code: number; stderr: string }> => spawnTpodResult(host, args)
  host.tpodOk(['create', '--name', 'one', image, 'sleep', '60'])
  assert.deepEqual((await Promise.all([at('start', 'one'), at('start', 'one')])).map((result) => result.code), [0, 0])
  assert.deepEqual((await Promise.all([at('rm', '-f', '-t', '0', 'one'), at('rm', '-f', '-t', '0', 'one')])).map((result) => result.code), [0, 0])
  const replacing = await Promise.all(Array.from({ length: 5 }, () => at('run', '-d', '--replace', '--name', 'one', image, 'sleep', '60')))
  for (const { code, stderr } of replacing) assert.ok(code === 0 || /is in use/.test(stderr), stderr)
  assert.equal(host.tpodOk(['ps', '-q', '--no-trunc']).split('\n').length, 1)
  const ended = await Promise.all([at('stop', '-t', '0', 'one'), at('rm', '-f', '-t', '0', 'one')])
  for (const { code, stderr } of ended) assert.ok(code === 0 || /no such container/.test(stderr), stderr)
})

test('after a reboot the containers that ran have ended and start again; those with --rm are gone, volumes too', async () => {
  host.tpodOk(['run', '-d', '--name', 'kept', image, 'sleep', '60'])
  host.tpodOk(['run', '-d', '--rm', '--name', 'gone', '-v', '/anonymous', image, 'sleep', '60'])
  for (const name of ['kept', 'gone']) {
    const [{ Id, State }] = JSON.parse(host.tpodOk(['container', 'inspect', name])) as [{ Id: string; State: { Pid: number; ConmonPid: number } }]
    process.kill(State.ConmonPid, 'SIGKILL')
    process.kill(State.Pid, 'SIGKILL')
    const path = join(host.graphRoot, 'tpod/containers', Id, 'state.json')
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')) as object, bootId: 'another boot' }))
  }
  await sleep(100)
  unmountAll()
  rmSync(host.runRoot, { recursive: true, force: true })
  assert.equal(status('kept'), 'exited')
  host.tpodOk(['start', 'kept'])
  assert.equal(host.tpodOk(['ps', '-a', '--format', '{{.Names}} {{.State}}']), 'kept running')
  assert.equal(host.tpodOk(['volume', 'ls', '-q']), '')
})

function unmountAll(): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '')
  for (const path of mounts.reverse()) if (path.startsWith(`${host.directory}/`)) host.run('umount', ['-l', path])
}

test('a full run directory: the error says so, and the name is free when there is space again', () => {
  host.tpodOk(['ps'])
  host.run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', host.runRoot])
  try {
    const run = ['run', '--rm', '--name', 'full', '-v', '/anonymous', image, 'true']
    host.tpodOk(run)
    for (const freeKb of [0, 12, 24, 40]) {
      const { bavail, bsize } = statfsSync(host.runRoot)
      const fill = join(host.runRoot, 'fill')
      writeFileSync(fill, Buffer.alloc(Math.max(0, bavail * bsize - freeKb * 1024)))
      const { code, stderr } = host.tpod(run)
      // The second: runc's own words where the write that fails is its own.
      if (code !== 0) assert.match(stderr, /no space left|No space left|unable to store init state/)
      rmSync(fill)
      host.tpodOk(run)
    }
  } finally {
    host.run('umount', ['-l', host.runRoot])
  }
})

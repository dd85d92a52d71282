// The life of a container over several commands, on the real monitor and runtime: what happens when parts of it are killed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { TestHost, spawnTpodResult, tpodPath } from '../support/host.ts'
import { Terminal } from '../support/terminal.ts'

const host = new TestHost()
const image = 'localhost/busybox:latest'
const quiet = ['--network', 'none']

before(() => host.importBusybox(image))
after(() => host.dispose())

function inspect(name: string): { Id: string; State: { Status: string; Running: boolean; Pid: number; ConmonPid: number; ExitCode: number; Error: string } } {
  return JSON.parse(host.tpodOk(['container', 'inspect', name]))[0]
}

async function until(what: string, test: () => boolean, timeoutMs = 15_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !test(); await sleep(50)) if (Date.now() > end) throw new Error(`never: ${what}`)
}

function leftFiles(): string[] {
  return ['root/tpod/containers', 'root/tpod/pending', 'run/tpod/live', 'run/tpod/exits'].flatMap((path) => {
    const directory = join(host.directory, path)
    return existsSync(directory) ? readdirSync(directory).map((name) => `${path}/${name}`) : []
  })
}

test('create, start, wait, restart by start, logs of both runs, remove', () => {
  host.tpodOk(['create', '--name', 'twice', ...quiet, image, 'sh', '-c', 'echo run; exit 4'])
  assert.equal(inspect('twice').State.Status, 'created')
  host.tpodOk(['start', 'twice'])
  assert.equal(host.tpodOk(['wait', 'twice']), '4')
  assert.equal(inspect('twice').State.ExitCode, 4)
  assert.equal(host.tpod(['start', '-a', 'twice']).code, 4)
  assert.equal(host.tpodOk(['logs', 'twice']), 'run\nrun')
  host.tpodOk(['rm', 'twice'])
  assert.equal(host.tpod(['inspect', 'twice']).code, 125)
})

test('logs -f gives everything to the last, unfinished line and ends with the container', async () => {
  host.tpodOk(['run', '-d', '--name', 'talk', ...quiet, image, 'sh', '-c', 'for i in 1 2 3; do echo line $i; sleep 0.2; done; printf end'])
  const result = await spawnTpodResult(host, ['logs', '-f', 'talk'])
  assert.equal(result.stdout.trimEnd(), 'line 1\nline 2\nline 3\nend')
  assert.equal(host.tpodOk(['logs', '--tail', '2', 'talk']), 'line 3\nend')
  host.tpodOk(['rm', '-f', 'talk'])
})

test('stop: the stop signal first, KILL after the timeout; two at once', () => {
  host.tpodOk(['run', '-d', '--name', 'polite', ...quiet, image, 'sh', '-c', 'trap "exit 9" TERM; while :; do sleep 0.1; done'])
  host.tpodOk(['run', '-d', '--name', 'deaf', ...quiet, image, 'sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'])
  host.tpodOk(['stop', '-t', '1', 'polite', 'deaf'])
  assert.equal(inspect('polite').State.ExitCode, 9)
  assert.equal(inspect('deaf').State.ExitCode, 137)
  host.tpodOk(['rm', 'polite', 'deaf'])
})

test('a terminal: detach leaves it running, attach comes back, its exit code arrives', async () => {
  const first = new Terminal(host, ['run', '-ti', '--rm', '--name', 'term', ...quiet, image, 'cat'])
  await until('running', () => host.tpod(['ps', '-q', '--filter', 'name=term']).stdout !== '')
  first.type('one\r')
  await first.expect(/one\r\none/)
  first.type('\x10\x11')
  assert.equal(await first.wait(), 0)
  const second = new Terminal(host, ['attach', 'term'])
  await sleep(300)
  second.type('two\r')
  await second.expect(/two\r\ntwo/)
  second.type('\x04')
  assert.equal(await second.wait(), 0)
  await until('removed', () => host.tpod(['ps', '-a', '-q']).stdout === '')
})

test('the window size reaches the terminal, and its changes', async () => {
  const terminal = new Terminal(host, ['run', '-ti', '--rm', ...quiet, image, 'sh', '-c', 'stty size; trap "stty size; exit 3" WINCH; while :; do sleep 0.1; done'])
  await terminal.expect(/24 80/)
  terminal.resize(100, 30)
  await terminal.expect(/30 100/)
  assert.equal(await terminal.wait(), 3)
})

test('kill -9 of the foreground process: it goes on, and --rm is honoured when it ends', async () => {
  const child = host.spawnTpod(['run', '--rm', '--name', 'orphan', ...quiet, image, 'sleep', '1.5'])
  await until('running', () => host.tpod(['ps', '-q', '--filter', 'name=orphan']).stdout !== '')
  child.kill('SIGKILL')
  await sleep(300)
  assert.equal(inspect('orphan').State.Status, 'running')
  await until('removed', () => host.tpod(['ps', '-a', '-q', '--filter', 'name=orphan']).stdout === '', 20_000)
  await until('no process', () => host.leftovers().length === 0)
  assert.deepEqual(leftFiles(), [])
})

test('kill -9 of conmon: never exit code 0, and rm -f works', async () => {
  host.tpodOk(['run', '-d', '--name', 'unwatched', ...quiet, image, 'sleep', '100'])
  const { State } = inspect('unwatched')
  process.kill(State.ConmonPid, 'SIGKILL')
  process.kill(State.Pid, 'SIGKILL')
  await until('exited', () => inspect('unwatched').State.Status === 'exited')
  assert.equal(inspect('unwatched').State.ExitCode, -1)
  assert.match(inspect('unwatched').State.Error, /unknown/)
  host.tpodOk(['rm', '-f', 'unwatched'])
  assert.deepEqual(host.leftovers(), [])
})

test('a reboot: what ran is exited with an unknown code, what was created stays created', () => {
  host.tpodOk(['create', '--name', 'never', ...quiet, image, 'true'])
  host.tpodOk(['run', '-d', '--name', 'ran', ...quiet, image, 'sleep', '100'])
  const { Id } = inspect('ran')
  const path = join(host.graphRoot, 'tpod/containers', Id, 'state.json')
  const state = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...state, bootId: 'another' }))
  assert.equal(inspect('ran').State.Status, 'exited')
  assert.equal(inspect('ran').State.ExitCode, -1)
  assert.equal(inspect('never').State.Status, 'created')
  writeFileSync(path, JSON.stringify(state))
  host.tpodOk(['rm', '-f', '-t', '0', 'ran', 'never'])
})

test('half a creation: the name is free for the next command', () => {
  host.tpodOk(['create', '--name', 'half', ...quiet, image, 'true'])
  const { Id } = inspect('half')
  writeFileSync(join(host.graphRoot, 'tpod/pending', Id), '')
  rmSync(join(host.graphRoot, 'tpod/containers', Id, 'config.json'))
  assert.equal(host.tpodOk(['run', '--rm', '--name', 'half', ...quiet, image, 'echo', 'ok']), 'ok')
  assert.equal(host.tpodOk(['ps', '-a', '-q']), '')
  assert.deepEqual(leftFiles(), [])
})

test('twenty at once', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, (_none, index) => spawnTpodResult(host, ['run', '--rm', '--name', `n${index}`, ...quiet, image, 'sh', '-c', `echo ${index}; exit ${index}`])))
  results.forEach((result, index) => assert.deepEqual([result.code, result.stdout, result.stderr], [index, `${index}\n`, '']))
  assert.equal(host.tpodOk(['ps', '-a', '-q']), '')
  await until('no process', () => host.leftovers().length === 0)
  assert.deepEqual(leftFiles(), [])
})

test('exec: exit codes, user, directory, environment; in a stopped container 255', () => {
  host.tpodOk(['run', '-d', '--name', 'box', ...quiet, image, 'sleep', '100'])
  assert.equal(host.tpod(['exec', 'box', 'sh', '-c', 'exit 5']).code, 5)
  assert.equal(host.tpod(['exec', 'box', 'sh', '-c', 'kill -9 $$']).code, 137)
  assert.equal(host.tpod(['exec', 'box', 'nope']).code, 127)
  assert.equal(host.tpod(['exec', 'box', '/etc']).code, 126)
  assert.equal(host.tpodOk(['exec', '-u', '1000', '-w', '/tmp', '-e', 'X=y', 'box', 'sh', '-c', 'echo $(id -u):$(id -g) $PWD $X $HOME; grep CapEff /proc/self/status']), '1000:1000 /tmp y /home/user\nCapEff:\t0000000000000000')
  assert.equal(host.tpodOk(['exec', '-i', 'box', 'cat'], { input: 'through' }), 'through')
  assert.equal(host.tpodOk(['exec', 'box', 'cat'], { input: 'not asked for' }), '')
  host.tpodOk(['exec', '-d', 'box', 'sh', '-c', 'echo here > /tmp/made'])
  host.tpodOk(['exec', 'box', 'sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9; do test -s /tmp/made && exit 0; sleep 0.1; done; exit 1'])
  host.tpodOk(['stop', '-t', '0', 'box'])
  assert.equal(host.tpod(['exec', 'box', 'true']).code, 255)
  host.tpodOk(['rm', 'box'])
})

test('exec -t has a terminal although the caller has none; errors of exec have our prefix', () => {
  host.tpodOk(['run', '-d', '--name', 'ttys', ...quiet, image, 'sleep', '100'])
  const plain = host.tpod(['exec', '-t', 'ttys', 'sh', '-c', 'tty; exit 4'])
  assert.deepEqual([plain.code, plain.stdout], [4, '/dev/pts/0\r\n'])
  assert.match(host.tpodOk(['exec', '-ti', 'ttys', 'sh', '-c', 'read x; echo "got $x"'], { input: 'this\n' }), /got this/)
  const lines = host.tpodOk(['exec', '-t', 'ttys', 'seq', '20000']).split('\r\n')
  assert.deepEqual([lines.length, lines[19_999]], [20_000, '20000\r'])
  assert.match(host.tpod(['exec', 'ttys', 'nope']).stderr, /^Error: .*`nope` not found in \$PATH/)
  assert.match(host.tpod(['exec', 'ttys', '/etc']).stderr, /^Error: .*"\/etc": Permission denied/)
  const userdata = join(host.runRoot, 'overlay-containers', inspect('ttys').Id, 'userdata')
  assert.deepEqual(readdirSync(userdata).filter((name) => name.startsWith('exec-')), [])
  host.tpodOk(['rm', '-f', '-t', '0', 'ttys'])
})

test('every start is filtered alike, whether its seccomp filter was compiled or kept; exec too', () => {
  const show = ['sh', '-c', 'grep ^Seccomp /proc/self/status; chroot / true && echo chroot']
  const first = host.tpodOk(['run', '--rm', ...quiet, image, ...show])
  assert.equal(first, 'Seccomp:\t2\nSeccomp_filters:\t1\nchroot')
  assert.equal(host.tpodOk(['run', '--rm', ...quiet, image, ...show]), first)
  host.tpodOk(['run', '-d', '--name', 'filtered', ...quiet, image, 'sleep', '100'])
  assert.equal(host.tpodOk(['exec', 'filtered', ...show]), first)
  host.tpodOk(['rm', '-f', '-t', '0', 'filtered'])
  const free = host.tpodOk(['run', '--rm', ...quiet, '--security-opt', 'seccomp=unconfined', image, ...show])
  assert.equal(free, 'Seccomp:\t0\nSeccomp_filters:\t0\nchroot')
})

test('the monitor is in a group of its own, not in that of the command', () => {
  host.tpodOk(['run', '-d', '--name', 'grouped', ...quiet, image, 'sleep', '100'])
  assert.match(readFileSync(`/proc/${inspect('grouped').State.ConmonPid}/cgroup`, 'utf8'), /:\/libpod_parent\/conmon$/m)
  host.tpodOk(['rm', '-f', '-t', '0', 'grouped'])
})

test('pause, top, rename, kill', () => {
  host.tpodOk(['run', '-d', '--name', 'calm', ...quiet, image, 'sleep', '100'])
  host.tpodOk(['pause', 'calm'])
  assert.equal(inspect('calm').State.Status, 'paused')
  host.tpodOk(['unpause', 'calm'])
  assert.match(host.tpodOk(['top', 'calm', 'pid', 'args']), /PID\s+COMMAND\s*\n1\s+sleep 100/)
  host.tpodOk(['rename', 'calm', 'calmer'])
  host.tpodOk(['kill', '-s', 'KILL', 'calmer'])
  assert.equal(host.tpodOk(['wait', 'calmer']), '137')
  assert.equal(host.tpod(['kill', 'calmer']).code, 125)
  host.tpodOk(['rm', 'calmer'])
})

test('megabytes through cat: input and output at once, every byte', () => {
  const input = Buffer.alloc(3_000_000, 'all of it ')
  const result = host.run('sh', ['-c', `"$0" "$@" | sha256sum`, tpodPath, ...host.storeFlags(), 'run', '-i', '--rm', ...quiet, image, 'cat'], { input, timeoutMs: 30_000 })
  assert.equal(result.stdout.slice(0, 64), createHash('sha256').update(input).digest('hex'))
})

test('rm -f of a foreground container ends its command with 137', async () => {
  const run = spawnTpodResult(host, ['run', '--name', 'front', ...quiet, image, 'sleep', '100'])
  await until('running', () => host.tpod(['ps', '-q', '--filter', 'name=front']).stdout !== '')
  host.tpodOk(['rm', '-f', '-t', '0', 'front'])
  assert.equal((await run).code, 137)
})

test('nothing is left of all of it', async () => {
  await until('no process', () => host.leftovers().length === 0)
  assert.deepEqual(leftFiles(), [])
})

// Flags of run, each seen from inside the container (or by its effect), on the real monitor and runtime.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'

const host = new TestHost()
const image = 'localhost/busybox:latest'

before(() => host.importBusybox(image, ['CMD ["sh"]', 'ENV IMAGE_VAR=from-image']))
after(() => host.dispose())

/** Output of `sh -c script` in a fresh container. */
function inside(flags: readonly string[], script: string, extra: { env?: Record<string, string>; input?: string } = {}): string {
  return host.tpodOk(['run', '--rm', '--network', 'none', ...flags, image, 'sh', '-c', script], extra)
}

test('words after the image belong to the command, in order', () => {
  assert.equal(host.tpodOk(['run', '--rm', '--network', 'none', '-v', '/tmp:/mnt', image, 'echo', '-l', 'a', 'b', 'a', '--rm', '--', '-v']), '-l a b a --rm -- -v')
})

test('environment: -e, --env-file, image, --env-host, and the last of a repeated one', () => {
  const file = host.writeFile('env', '# comment\nFILE=one two\nTAKEN\nOVER=file\n')
  const env = inside(['-e', 'A=1', '-e', 'A=2', '-e', 'TAKEN', '--env-file', file, '-e', 'OVER=flag'], 'echo $A/$TAKEN/$FILE/$OVER/$IMAGE_VAR/$container', { env: { TAKEN: 'yes' } })
  assert.match(env, /^2\/yes\/one two\/flag\/from-image\/(podman|tpod|oci)$/)
  assert.equal(inside(['--env-host'], 'echo $CALLER', { env: { CALLER: 'here' } }), 'here')
  assert.equal(inside([], 'echo "[$CALLER]"', { env: { CALLER: 'here' } }), '[]')
})

test('proxies of the caller: passed on below the image\'s, not with --http-proxy=false', () => {
  const env = { http_proxy: 'http://user:word@proxy:1', NO_PROXY: 'here' }
  const proxies = (flags: readonly string[]): string => inside(flags, 'echo $http_proxy $NO_PROXY', { env })
  assert.equal(proxies([]), 'http://user:word@proxy:1 here')
  assert.equal(proxies(['-e', 'NO_PROXY=there']), 'http://user:word@proxy:1 there')
  assert.equal(proxies(['--http-proxy=false']), '')
})

test('exit codes: the command\'s own, a signal\'s, not found, not executable', () => {
  const run = ['run', '--rm', '--network', 'none', image]
  assert.equal(host.tpod([...run, 'sh', '-c', 'exit 42']).code, 42)
  assert.equal(host.tpod([...run, 'sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?']).code, 137)
  assert.equal(host.tpod([...run, 'nope']).code, 127)
  assert.equal(host.tpod([...run, '/etc']).code, 126)
})

test('stdin goes in with -i, streams stay apart, and every byte comes out', () => {
  const result = host.tpod(['run', '--rm', '-i', '--network', 'none', image, 'sh', '-c', 'cat; echo err >&2'], { input: 'in\n'.repeat(5000) })
  assert.equal(result.stdout, 'in\n'.repeat(5000))
  assert.equal(result.stderr, 'err\n')
  assert.equal(inside([], 'head -c 3000000 /dev/zero | tr "\\0" x | wc -c; head -c 3000000 /dev/zero | tr "\\0" x').length, 3_000_008)
})

test('-w, -u, --group-add, --hostname, --entrypoint', () => {
  assert.equal(inside(['-w', '/var/log'], 'pwd'), '/var/log')
  assert.equal(inside(['-u', 'user'], 'id -u; id -g; id -G; echo $HOME'), '1000\n1000\n1000 2000\n/home/user')
  assert.equal(inside(['-u', '77:88', '--group-add', '99'], 'id -u; id -G'), '77\n88 99')
  assert.equal(inside(['--hostname', 'box'], 'hostname; cat /etc/hostname; grep -c box /etc/hosts'), 'box\nbox\n1')
  assert.equal(host.tpodOk(['run', '--rm', '--network', 'none', '--entrypoint', 'echo', image, 'x', 'y']), 'x y')
  assert.equal(host.tpodOk(['run', '--rm', '--network', 'none', '--entrypoint', '["echo","j"]', image, 'k']), 'j k')
})

test('bind mounts: read-write, ro, --mount, tmpfs, --read-only', () => {
  const source = join(host.directory, 'bind')
  mkdirSync(source)
  writeFileSync(join(source, 'f'), 'data\n')
  assert.equal(inside(['-v', `${source}:/b`], 'cat /b/f; echo new > /b/g; echo $?'), 'data\n0')
  assert.equal(readFileSync(join(source, 'g'), 'utf8'), 'new\n')
  assert.match(inside(['-v', `${source}:/b:ro`], 'echo x > /b/h 2>&1 || echo refused'), /refused/)
  assert.match(inside(['--mount', `type=bind,src=${source},dst=/b,ro`], 'cat /b/f; echo x > /b/h 2>&1 || echo refused'), /data\n.*refused/s)
  assert.match(inside(['--tmpfs', '/scratch:size=1m,mode=1777'], 'grep " /scratch " /proc/mounts; stat -c %a /scratch'), /tmpfs.*size=1024k[^]*1777/)
  assert.match(inside(['--mount', 'type=tmpfs,dst=/scratch,tmpfs-size=2m'], 'grep " /scratch " /proc/mounts'), /size=2048k/)
  assert.match(inside(['--read-only'], 'touch /x 2>&1 || echo refused; touch /tmp/ok /run/ok && echo tmp'), /refused\ntmp/)
})

test('named volumes keep data, are filled from the image once; anonymous ones go with --rm', () => {
  assert.match(inside(['-v', 'data:/etc'], 'cat /etc/passwd; echo more > /etc/more'), /^root:/)
  assert.match(inside(['-v', 'data:/etc'], 'cat /etc/more'), /more/)
  assert.match(host.tpodOk(['volume', 'ls', '-q']), /^data$/)
  inside(['-v', '/anonymous'], 'echo x > /anonymous/y')
  assert.equal(host.tpodOk(['volume', 'ls', '-q']), 'data')
  host.tpodOk(['create', '--name', 'user', '--network', 'none', '-v', 'data:/d', image])
  assert.equal(host.tpod(['volume', 'rm', 'data']).code, 2)
  host.tpodOk(['rm', 'user'])
  host.tpodOk(['volume', 'rm', 'data'])
})

test('limits reach the cgroup', () => {
  const v1 = existsSync('/sys/fs/cgroup/memory')
  const script = v1
    ? 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpuset/cpuset.cpus'
    : 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu.weight /sys/fs/cgroup/cpuset.cpus.effective'
  const output = inside(['--memory', '64m', '--pids-limit', '50', '--cpus', '0.5', '--cpu-shares', '512', '--cpuset-cpus', '0'], script).split('\n')
  assert.equal(output[0], String(64 * 1024 * 1024))
  assert.equal(output[1], '50')
  assert.match(output[2] ?? '', /^50000\b/)
  assert.equal(output[4], '0')
})

test('ulimits are set, and the defaults are clamped to what the host allows', () => {
  assert.equal(inside(['--ulimit', 'nofile=512:1024'], 'ulimit -Sn; ulimit -Hn'), '512\n1024')
  assert.match(inside([], 'ulimit -n'), /^\d+$/)
})

test('capabilities, privileges, seccomp and masked paths', () => {
  const caps = 'grep CapEff /proc/self/status'
  assert.match(inside([], caps), /00000000800405fb/)
  assert.match(inside(['--cap-drop', 'all'], caps), /0000000000000000/)
  assert.match(inside(['--cap-drop', 'ALL', '--cap-add', 'net_admin'], caps), /0000000000001000/)
  assert.match(inside(['-u', '1000'], caps), /0000000000000000/)
  assert.match(inside([], 'grep Seccomp: /proc/self/status'), /2$/)
  assert.match(inside(['--security-opt', 'seccomp=unconfined'], 'grep Seccomp: /proc/self/status'), /0$/)
  assert.match(inside(['--security-opt', 'no-new-privileges'], 'grep NoNewPrivs /proc/self/status'), /1$/)
  assert.equal(inside([], 'cat /proc/kcore 2>/dev/null | head -c 1 | wc -c'), '0')
  const dev = (flags: string[]): number => Number(inside(flags, 'ls /dev | wc -l'))
  assert.ok(dev(['--privileged']) > dev([]))
})

test('devices, sysctls, shm, init, timezone, umask, labels, annotations', () => {
  assert.match(inside(['--device', '/dev/null:/dev/mynull:rw'], 'ls -l /dev/mynull'), /^c.* 1, +3 /)
  assert.equal(inside(['--sysctl', 'net.ipv4.ip_default_ttl=33'], 'cat /proc/sys/net/ipv4/ip_default_ttl'), '33')
  assert.match(inside(['--shm-size', '5m'], 'df -k /dev/shm | tail -1'), /\b5120\b/)
  assert.match(inside(['--init'], 'cat /proc/1/comm'), /catatonit|init/)
  assert.equal(inside(['--umask', '0077'], 'umask'), '0077')
  host.tpodOk(['create', '--name', 'labelled', '--network', 'none', '-l', 'a=b', '--label', 'c', '--annotation', 'x=y', image])
  assert.equal(host.tpodOk(['inspect', '--format', '{{index .Config.Labels "a"}}|{{index .Config.Annotations "x"}}', 'labelled']), 'b|y')
  assert.equal(host.tpodOk(['ps', '-a', '--filter', 'label=c', '--format', '{{.Names}}']), 'labelled')
  host.tpodOk(['rm', 'labelled'])
})

test('namespaces: host ones are the host\'s, another container\'s can be joined', () => {
  const own = (kind: string): string => readlinkOfSelf(kind)
  for (const [flag, kind] of [['--pid', 'pid'], ['--ipc', 'ipc'], ['--uts', 'uts'], ['--network', 'net'], ['--cgroupns', 'cgroup']] as const) {
    const seen = host.tpodOk(['run', '--rm', ...(kind === 'net' ? [] : ['--network', 'none']), flag, 'host', image, 'readlink', `/proc/self/ns/${kind}`])
    assert.equal(seen, own(kind), flag)
  }
  host.tpodOk(['run', '-d', '--name', 'target', image, 'sleep', '1000'])
  const ns = (kind: string): string => host.tpodOk(['exec', 'target', 'readlink', `/proc/self/ns/${kind}`])
  assert.equal(host.tpodOk(['run', '--rm', '--network', 'container:target', '--pid', 'container:target', image, 'readlink', '/proc/self/ns/net']), ns('net'))
  host.tpodOk(['rm', '-f', '-t', '0', 'target'])
})

function readlinkOfSelf(kind: string): string {
  return host.run('readlink', [`/proc/self/ns/${kind}`]).stdout.trim()
}

test('--cidfile, --name, --replace, -d, --timeout', () => {
  const cidfile = join(host.directory, 'cid')
  const id = host.tpodOk(['run', '-d', '--cidfile', cidfile, '--name', 'one', '--network', 'none', image, 'sleep', '1000'])
  assert.match(id, /^[0-9a-f]{64}$/)
  assert.equal(readFileSync(cidfile, 'utf8'), id)
  assert.equal(host.tpod(['run', '-d', '--name', 'one', '--network', 'none', image, 'true']).code, 125)
  const second = host.tpodOk(['run', '-d', '--replace', '--name', 'one', '--network', 'none', image, 'sleep', '1000'])
  assert.notEqual(second, id)
  host.tpodOk(['rm', '-f', '-t', '0', 'one'])
  const started = Date.now()
  assert.notEqual(host.tpod(['run', '--rm', '--timeout', '1', '--network', 'none', image, 'sleep', '30']).code, 0)
  assert.ok(Date.now() - started < 15_000)
})

test('resolver files: --dns, --dns-search, --add-host', () => {
  const output = host.tpodOk(['run', '--rm', '--dns', '192.0.2.1', '--dns-search', 'example.test', '--dns-option', 'ndots:3', '--add-host', 'other:192.0.2.7', image, 'cat', '/etc/resolv.conf', '/etc/hosts'])
  assert.match(output, /nameserver 192\.0\.2\.1/)
  assert.match(output, /search example\.test/)
  assert.match(output, /options ndots:3/)
  assert.match(output, /192\.0\.2\.7\s+other/)
  const refused = host.tpod(['run', '--rm', '--network', 'none', '--dns', '192.0.2.1', image, 'true'])
  assert.equal(refused.code, 125)
  assert.match(refused.stderr, /dns.*none/)
})

test('hostile: WORKDIR through /proc/self/fd is refused, only 0-2 are inherited', () => {
  for (const fd of [3, 7, 8, 9]) {
    const result = host.tpod(['run', '--rm', '--network', 'none', '-w', `/proc/self/fd/${fd}`, image, 'ls'])
    assert.notEqual(result.code, 0)
    assert.equal(result.stdout, '')
  }
  assert.equal(inside([], 'ls /proc/$$/fd | sort -n | tr "\\n" " "').replace(/\b(10|3)\b ?/g, '').trim(), '0 1 2')
})

test('logs: what was written, per stream, with tail and follow to the end', () => {
  host.tpodOk(['run', '-d', '--name', 'talker', '--network', 'none', image, 'sh', '-c', 'for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; echo err >&2; printf partial'])
  const followed = host.tpod(['logs', '-f', 'talker'])
  assert.equal(followed.stdout, 'line 1\nline 2\nline 3\nline 4\nline 5\npartial')
  assert.equal(followed.stderr, 'err\n')
  assert.match(host.tpodOk(['logs', '--tail', '1', '-t', 'talker']), /^\d{4}-\d\d-\d\dT.*partial$/)
  host.tpodOk(['rm', 'talker'])
})

test('stop, kill, wait, start, restart of a stopped one, top, port, rename by inspect', () => {
  host.tpodOk(['run', '-d', '--name', 'life', image, 'sh', '-c', 'trap "exit 4" TERM; while :; do sleep 0.1; done'])
  assert.match(host.tpodOk(['top', 'life']), /USER\s+PID\s+PPID\s+%CPU/)
  assert.equal(host.tpodOk(['stop', 'life']), 'life')
  assert.equal(host.tpodOk(['wait', 'life']), '4')
  assert.match(host.tpodOk(['ps', '-a', '--filter', 'name=life', '--format', '{{.Status}}']), /^Exited \(4\)/)
  host.tpodOk(['start', 'life'])
  host.tpodOk(['kill', '-s', 'KILL', 'life'])
  assert.equal(host.tpodOk(['wait', 'life']), '137')
  assert.equal(host.tpod(['start', '-a', 'nope']).code, 125)
  host.tpodOk(['rm', 'life'])
  assert.equal(statSync(host.graphRoot).isDirectory(), true)
})

test('kill -9 of the monitor: the exit code is unknown, never 0, and rm -f works at once', () => {
  const id = host.tpodOk(['run', '-d', '--name', 'orphan', '--network', 'none', image, 'sleep', '1000'])
  const conmon = host.run('pgrep', ['-f', `conmon.*${id}`]).stdout.trim().split('\n')[0] as string
  host.run('kill', ['-9', conmon])
  host.tpodOk(['kill', 'orphan'])
  const deadline = Date.now() + 10_000
  while (host.tpodOk(['inspect', '--format', '{{.State.Running}}', 'orphan']) === 'true' && Date.now() < deadline);
  assert.notEqual(host.tpodOk(['inspect', '--format', '{{.State.ExitCode}}', 'orphan']), '0')
  host.tpodOk(['rm', '-f', 'orphan'])
})

test('nothing is left when all are gone', () => {
  host.tpodOk(['rm', '-a', '-f', '-t', '0'])
  assert.deepEqual(host.leftovers(), [])
})

/** bin/skopeo beside skopeo: the same words give the same output, digests and trees. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { expectOk, projectRoot, type Result, TestHost } from '../support/host.ts'

const host = new TestHost()
let registry = ''
const policy = join(host.directory, 'policy.json')

function ours(args: readonly string[]): Result {
  return host.run(join(projectRoot, 'bin/skopeo'), ['--policy', policy, ...args])
}

function theirs(args: readonly string[]): Result {
  return host.run('skopeo', ['--policy', policy, ...args])
}

function ok(run: (args: readonly string[]) => Result, args: readonly string[]): string {
  return expectOk(['skopeo', ...args], run(args))
}

/** Names relative to the directory, with the files' contents. */
function tree(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(names.toSorted().map((name) => [name.slice(directory.length), readFileSync(name, 'latin1')]))
}

/** skopeo 1.9.3 prints no LayersData; newer ones do, as we. */
function withoutLayersData(text: string): string {
  const { LayersData: data, ...rest } = JSON.parse(text) as Record<string, unknown>
  assert.ok(data === undefined || Array.isArray(data))
  return `${JSON.stringify(rest, null, 4)}\n`
}

before(async () => {
  registry = await host.startRegistry()
  host.importBusybox('localhost/app:1', ['CMD ["sh"]', 'LABEL b=<2>', 'LABEL a=1', 'ENV X=y'])
  const store = `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]`
  for (const [tag, format] of [['1.0.0', 'v2s2'], ['1.1.0', 'oci'], ['2.0.0', 'v2s2']] as const) {
    ok(theirs, ['copy', '--dest-tls-verify=false', '--format', format, `${store}localhost/app:1`, `docker://${registry}/team/app:${tag}`])
  }
  host.podmanOk(['manifest', 'create', 'list'])
  for (const arch of ['amd64', 'arm64']) host.podmanOk(['manifest', 'add', '--tls-verify=false', '--arch', arch, 'list', `docker://${registry}/team/app:1.${arch === 'amd64' ? '0' : '1'}.0`])
  host.podmanOk(['manifest', 'push', '--tls-verify=false', '--all', 'list', `docker://${registry}/team/app:multi`])
  for (const [name, tag] of [['dir:D', '1.0.0'], ['oci:O:x', '1.1.0'], ['oci-archive:A.tar:x', '1.1.0'], ['docker-archive:B.tar:localhost/b:1', '1.0.0']] as const) {
    ok(theirs, ['copy', '--src-tls-verify=false', `docker://${registry}/team/app:${tag}`, name.replace(':', `:${host.directory}/`)])
  }
})
after(() => host.dispose())

test('inspect prints what skopeo prints, of every transport', () => {
  const places = [
    ...['1.0.0', '1.1.0', 'multi'].map((tag) => `docker://${registry}/team/app:${tag}`),
    `dir:${host.directory}/D`, `oci:${host.directory}/O:x`, `oci-archive:${host.directory}/A.tar`, `docker-archive:${host.directory}/B.tar`,
    `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]localhost/app:1`,
  ]
  for (const place of places) {
    const flags = place.startsWith('docker:') ? ['--tls-verify=false'] : []
    const documents = place.startsWith('oci') ? [] : [['--config'], ['--config', '--raw']]
    for (const what of [['--raw'], ...documents, ['--format', '{{.Name}} {{.Digest}} {{.Labels}} {{.Env}} {{.Created}}\\n{{range .Layers}}{{.}}{{end}}'], ['--config', '--format', '{{.Config.Env}} {{.RootFS.DiffIDs}} {{.OS}} {{.Created}}']]) {
      const args = ['inspect', ...flags, ...what, place]
      assert.equal(ok(ours, args), ok(theirs, args), args.join(' '))
    }
    for (const what of place.startsWith('docker:') ? [[], ['--no-tags']] : [[]]) {
      const args = ['inspect', ...flags, ...what, place]
      assert.equal(withoutLayersData(ok(ours, args)), withoutLayersData(ok(theirs, args)), args.join(' '))
    }
  }
})

test('another platform is chosen from an index, or named as missing', () => {
  const image = `docker://${registry}/team/app:multi`
  const arm = (run: typeof ours): string => withoutLayersData(ok(run, ['--override-arch', 'arm64', 'inspect', '--tls-verify=false', image]))
  assert.equal(arm(ours), arm(theirs))
  const missing = ours(['--override-arch', 's390x', 'inspect', '--tls-verify=false', image])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /level=fatal msg="Error parsing manifest for image: choosing image instance: no image found in manifest list for architecture s390x, variant \\"\\", OS linux"/)
})

test('list-tags, of a repository and of an archive', () => {
  for (const args of [['list-tags', '--tls-verify=false', `docker://${registry}/team/app`], ['list-tags', `docker-archive:${host.directory}/B.tar`]]) {
    assert.equal(ok(ours, args), ok(theirs, args))
  }
  assert.match(ours(['list-tags', `docker://${registry}/team/app:1.0.0`]).stderr, /No tag or digest allowed in reference/)
  assert.match(ours(['list-tags', 'oci:/x']).stderr, /Unsupported transport 'oci' for tag listing\. Only supported: docker, docker-archive/)
})

test('copies have the digests that skopeo gives them, in every format', () => {
  for (const tag of ['1.0.0', '1.1.0', 'multi']) {
    for (const flags of [[], ['--format', 'oci'], ['--format', 'v2s2'], ...(tag === 'multi' ? [['--all'], ['--all', '--preserve-digests']] : [['--preserve-digests']])]) {
      const [left, right] = ['ours', 'theirs'].map((who) => join(host.directory, `copy-${who}`)) as [string, string]
      for (const [run, directory] of [[ours, left], [theirs, right]] as const) {
        ok(run, ['copy', '-q', ...flags, '--src-tls-verify=false', '--digestfile', `${directory}.digest`, `docker://${registry}/team/app:${tag}`, `dir:${directory}`])
      }
      assert.deepEqual(tree(left), tree(right), `${tag} ${flags.join(' ')}`)
      assert.equal(readFileSync(`${left}.digest`, 'utf8'), readFileSync(`${right}.digest`, 'utf8'))
      for (const directory of [left, right]) host.run('rm', ['-rf', directory])
    }
  }
})

test('sync writes the trees that skopeo writes, and copies them back', () => {
  const source = host.writeFile('sync.yml', `${registry}:\n  tls-verify: false\n  images:\n    team/app: [1.0.0]\n  images-by-tag-regex:\n    team/app: ^1\\.1\n`)
  const runs = [
    ['--src', 'docker', '--scoped', '--src-tls-verify=false', `${registry}/team/app`],
    ['--src', 'docker', '--src-tls-verify=false', `${registry}/team/app`],
    ['--src', 'docker', '--all', '--src-tls-verify=false', `${registry}/team/app:multi`],
    ['--src', 'yaml', source],
  ]
  for (const [index, run] of runs.entries()) {
    const [left, right] = ['ours', 'theirs'].map((who) => join(host.directory, `sync-${who}-${index}`)) as [string, string]
    ok(ours, ['sync', '--dest', 'dir', ...run, left])
    ok(theirs, ['sync', '--dest', 'dir', ...run, right])
    assert.deepEqual(tree(left), tree(right), run.join(' '))
  }
  ok(ours, ['sync', '--src', 'dir', '--dest', 'docker', '--dest-tls-verify=false', join(host.directory, 'sync-ours-1'), `${registry}/back`])
  const raw = (name: string): string => ok(theirs, ['inspect', '--raw', '--tls-verify=false', `docker://${registry}/${name}`])
  for (const tag of ['1.0.0', '1.1.0']) assert.equal(raw(`back/app:${tag}`), raw(`team/app:${tag}`))
})

test('a mirror that is up to date is not copied again', () => {
  const args = ['sync', '--all', '--src-tls-verify=false', '--dest-tls-verify=false', '--src', 'docker', '--dest', 'docker', `${registry}/team/app`, `${registry}/mirror`]
  assert.equal(ours(args).code, 0)
  const { stderr } = ours(args)
  assert.doesNotMatch(stderr, /Copying blob/)
  assert.equal(stderr.match(/is there already/g)?.length, 4)
  const raw = (name: string): string => ok(theirs, ['inspect', '--raw', '--tls-verify=false', `docker://${registry}/${name}`])
  assert.equal(raw('mirror/app:multi'), raw('team/app:multi'))
})

test('sync by version, the newest, in parallel, with a report; what exists is not overwritten', () => {
  const source = host.writeFile('newest.yml', `${registry}:\n  tls-verify: false\n  images-by-semver:\n    team/app: ">=1.1"\n  images-newest:\n    team/app: {count: 1, by: semver}\n`)
  const target = join(host.directory, 'newest')
  const report = join(host.directory, 'report.json')
  const result = ours(['sync', '--src', 'yaml', '--dest', 'dir', '--keep-going', '--parallel', '3', '--report', report, source, target])
  assert.equal(result.code, 1)
  assert.match(result.stderr, /Sync failed due to previous reported error\(s\) for one or more images/)
  assert.deepEqual(readdirSync(target).toSorted(), ['app:1.1.0', 'app:2.0.0'])
  const { synced, failed } = JSON.parse(readFileSync(report, 'utf8')) as { synced: unknown[]; failed: { code: string }[] }
  assert.deepEqual([synced.length, failed.map(({ code }) => code)], [2, ['DESTINATION_EXISTS']])
})

test('a directory that a killed sync left is gone on with; any other is left alone', () => {
  const args = (target: string): string[] => ['sync', '--src-tls-verify=false', '--src', 'docker', '--dest', 'dir', `${registry}/team/app:1.0.0`, join(host.directory, target)]
  const left = join(host.directory, 'killed/app:1.0.0')
  mkdirSync(left, { recursive: true })
  cpSync(join(host.directory, 'D/version'), join(left, 'version'))
  writeFileSync(join(left, '.tmp-blob-0123'), 'x')
  ok(ours, args('killed'))
  ok(theirs, args('fresh'))
  assert.deepEqual(tree(left), tree(join(host.directory, 'fresh/app:1.0.0')))
  mkdirSync(join(host.directory, 'foreign/app:1.0.0'), { recursive: true })
  writeFileSync(join(host.directory, 'foreign/app:1.0.0/notes.txt'), 'mine')
  for (const target of ['killed', 'foreign']) assert.match(ours(args(target)).stderr, /Refusing to overwrite destination directory/)
})

test('a dry run says what it would do, and does nothing', () => {
  const target = join(host.directory, 'dry')
  const { code, stderr } = ours(['sync', '--dry-run', '--scoped', '--src-tls-verify=false', '--src', 'docker', '--dest', 'dir', `${registry}/team/app:1.0.0`, target])
  assert.equal(code, 0)
  assert.match(stderr, new RegExp(`level=info msg="Would have copied image ref 1/1" from="docker://${registry}/team/app:1\\.0\\.0" to="dir:${target}/${registry}/team/app:1\\.0\\.0"`))
  assert.match(stderr, /Would have synced 1 images from 1 sources/)
  assert.ok(!existsSync(target))
})

test('delete takes a manifest with its tags; --tag-only leaves its siblings', () => {
  const name = (tag: string): string => `docker://${registry}/gone:${tag}`
  for (const tag of ['a', 'b']) ok(theirs, ['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', `docker://${registry}/team/app:1.0.0`, name(tag)])
  ok(ours, ['delete', '--tag-only', '--tls-verify=false', name('a')])
  assert.match(ours(['inspect', '--tls-verify=false', name('a')]).stderr, /manifest unknown/)
  ok(theirs, ['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', name('b'), name('c')])
  ok(ours, ['delete', '--tls-verify=false', name('b')])
  for (const tag of ['b', 'c']) assert.match(ours(['inspect', '--tls-verify=false', name(tag)]).stderr, /manifest unknown/)
})

test('without privileges and without a store', () => {
  cpSync(join(host.directory, 'D'), '/tmp/tpod-skopeo-D', { recursive: true })
  mkdirSync('/tmp/tpod-skopeo-home', { mode: 0o777 })
  try {
    const result = host.run('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'env', '-i', `PATH=${process.env['PATH']}`, 'HOME=/tmp/tpod-skopeo-home', join(projectRoot, 'bin/skopeo'), '--insecure-policy', 'inspect', 'dir:/tmp/tpod-skopeo-D'], { cwd: '/' })
    assert.equal(result.code, 0, result.stderr)
    assert.match(result.stdout, /"Digest": "sha256:/)
    assert.deepEqual(readdirSync('/tmp/tpod-skopeo-home'), [])
  } finally {
    host.run('rm', ['-rf', '/tmp/tpod-skopeo-D', '/tmp/tpod-skopeo-home'])
  }
})

test('errors are lines of a log, and the status is 1', () => {
  const cases: [args: string[], message: RegExp][] = [
    [['inspect'], /msg="Exactly one argument expected"/],
    [['copy', 'a'], /msg="Exactly two arguments expected"/],
    [['copy', 'busybox', 'dir:/x'], /msg="Invalid source name busybox: Invalid image name \\"busybox\\", expected colon-separated transport:reference"/],
    [['nonesuch'], /msg="Unrecognized command `skopeo nonesuch`/],
    [['inspect', '--nonesuch', 'dir:/x'], /msg="unknown flag: --nonesuch"/],
    [['inspect', '--creds', 'a:b', '--no-creds', 'docker://x/y'], /msg="creds and no-creds cannot be specified at the same time"/],
    [['sync', '--src', 'dir', '--dest', 'dir', 'a', 'b'], /sync from 'dir' to 'dir' not implemented, consider using rsync instead/],
    [['sync', '--src', 'x', '--dest', 'dir', 'a', 'b'], /msg="\\"x\\" is not a valid source transport"/],
    [['copy', '--all', '--multi-arch', 'system', 'dir:/x', 'dir:/y'], /msg="Cannot use --all and --multi-arch flags together"/],
    [['copy', '--encryption-key', 'jwe:/k', 'dir:/x', 'dir:/y'], /cannot encrypt images/],
    [['manifest-digest', '/nonesuch'], /msg="Error reading manifest from \/nonesuch: open \/nonesuch: no such file or directory"/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr, stdout } = ours(args)
    assert.deepEqual([code, stdout], [1, ''], args.join(' '))
    assert.match(stderr, /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=fatal msg=.*\n$/s)
    assert.match(stderr, message)
  }
})

test('--command-timeout ends a command', () => {
  const list = join(host.directory, 'slow')
  writeFileSync(list, '')
  const { code, stderr } = ours(['--command-timeout', '1ms', 'inspect', '--tls-verify=false', `docker://${registry}/team/app:1.0.0`])
  assert.equal(code, 1)
  assert.match(stderr, /context deadline exceeded/)
})

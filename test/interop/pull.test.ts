/** Pulling by the library from real registries into a store that podman and skopeo use too. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { expectOk, projectRoot, TestHost } from '../support/host.ts'
import { buildLayeredImage, pushToRegistry } from '../support/images.ts'

interface ProbeResult {
  status: number | null
  id: string
  reference: string
  alreadyPresent: boolean
  code?: string
  message: string
  remedy?: string
  events: { type: string; [key: string]: unknown }[]
}

const host = new TestHost()
let registry: string
let pushed: string[]

before(async () => {
  registry = await host.startRegistry()
  buildLayeredImage(host)
  pushed = pushToRegistry(host, 'localhost/layers:latest', registry, 'team/layers:latest')
})
after(() => host.dispose())

let stores = 0
const newStore = (): { root: string; runRoot: string } => ({ root: join(host.directory, `store-${++stores}`), runRoot: join(host.directory, `run-${stores}`) })
type StorePaths = ReturnType<typeof newStore>

function start(store: StorePaths, options: Record<string, unknown>): { pid: number; done: Promise<ProbeResult>; kill: () => void } {
  const child = spawn(process.execPath, [join(projectRoot, 'test/fixtures/pull-probe.ts'), JSON.stringify({ ...store, progress: true, ...options })], { env: host.env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const done = new Promise<ProbeResult>((resolve) => {
    child.on('close', (status) => {
      const events = stderr.split('\n').flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as { type: string }] : []))
      resolve({ message: stderr, ...(stdout === '' ? {} : (JSON.parse(stdout) as object)), status, events } as ProbeResult)
    })
  })
  return { pid: child.pid!, done, kill: () => void child.kill('SIGKILL') }
}
const pull = (store: StorePaths, options: Record<string, unknown>): Promise<ProbeResult> => start(store, { tlsVerify: false, ...options }).done

function podman(store: StorePaths, args: readonly string[]): { code: number; stdout: string; stderr: string } {
  return host.run('podman', ['--root', store.root, '--runroot', store.runRoot, '--tmpdir', join(host.directory, 'podman-tmp'), ...args])
}
const podmanOk = (store: StorePaths, args: readonly string[]): string => expectOk(['podman', ...args], podman(store, args))

interface StoredRecord { id: string; [key: string]: unknown }
const records = (store: StorePaths, kind: 'images' | 'layers'): StoredRecord[] => JSON.parse(readFileSync(join(store.root, `overlay-${kind}/${kind}.json`), 'utf8')) as StoredRecord[]

test('what tpod writes is what podman writes', async () => {
  const [ours, theirs] = [newStore(), newStore()]
  const name = `${registry}/team/layers:latest`
  const result = await pull(ours, { name })
  assert.equal(result.status, 0, result.message)
  assert.equal(result.alreadyPresent, false)
  podmanOk(theirs, ['pull', '-q', '--tls-verify=false', name])
  const comparable = (store: StorePaths): unknown => records(store, 'layers').map((layer) => ({ ...layer, created: '' }))
  assert.deepEqual(comparable(ours), comparable(theirs))
  assert.deepEqual(records(ours, 'images'), records(theirs, 'images'))
  const tree = (store: StorePaths): string => host.run('find', [join(store.root, 'overlay-images'), '-type', 'f', '-printf', '%P %s %m\n']).stdout.split('\n').filter((line) => !line.startsWith('images.')).toSorted().join('\n')
  assert.equal(tree(ours), tree(theirs))
})

test('podman runs it, and exports the same bytes', async () => {
  const store = newStore()
  const name = `${registry}/team/layers:latest`
  assert.equal((await pull(store, { name })).status, 0)
  const script = 'stat -c "%u %g %a %h" /opt/tree/a /opt/tree/hard; cat "/opt/tree/sub/ünï"; ls /opt/gone'
  assert.equal(podmanOk(store, ['run', '--rm', '--network', 'none', name, 'sh', '-c', script]), '12345 54321 644 1\n0 0 644 2\nunicode\nnew')
  const exported = join(host.directory, 'exported')
  expectOk(['skopeo'], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', `containers-storage:[overlay@${store.root}+${store.runRoot}]${name}`, `dir:${exported}`]))
  const manifest = JSON.parse(readFileSync(join(exported, 'manifest.json'), 'utf8')) as { layers: { digest: string }[] }
  const config = JSON.parse(podmanOk(store, ['image', 'inspect', name])) as [{ RootFS: { Layers: string[] } }]
  // dir: receives the layers uncompressed: their digests are the diff ids.
  assert.deepEqual(manifest.layers.map(({ digest }) => digest), config[0].RootFS.Layers)
  for (const { digest } of manifest.layers) assert.equal('sha256:' + createHash('sha256').update(readFileSync(join(exported, digest.slice(7)))).digest('hex'), digest)
  podmanOk(store, ['push', '-q', '--tls-verify=false', '--format', 'oci', name, `docker://${registry}/again/layers`])
  assert.equal(pushed.length, manifest.layers.length)
})

test('an index: the host gets its platform, another can be asked for, none is said; by digest of the index', async () => {
  const digest = await pushIndex()
  const [ours, theirs] = [newStore(), newStore()]
  const name = `${registry}/team/index:latest`
  const result = await pull(ours, { name })
  assert.equal(result.status, 0, result.message)
  podmanOk(theirs, ['pull', '-q', '--tls-verify=false', name])
  assert.deepEqual(records(ours, 'images'), records(theirs, 'images'))
  const none = await pull(ours, { name, platform: 'linux/s390x' })
  assert.equal(none.code, 'NO_MATCHING_PLATFORM')
  assert.match(none.message, /no image found in image index for architecture s390x/)
  assert.match(none.remedy ?? '', /there are linux\/amd64, linux\/arm64\/v8/)
  const byDigest = await pull(ours, { name: `${registry}/team/index@${digest}` })
  assert.equal(byDigest.status, 0, byDigest.message)
  assert.equal(byDigest.reference, `${registry}/team/index@${digest}`)
  podmanOk(ours, ['image', 'exists', `${registry}/team/index@${digest}`])
  const wrong = await pull(ours, { name: `${registry}/team/index@sha256:${'1'.repeat(64)}` })
  assert.equal(wrong.code, 'MANIFEST_UNKNOWN')
})

/** An index with amd64, arm64 and an attestation, put together by hand. */
async function pushIndex(): Promise<string> {
  const raw = expectOk(['skopeo'], host.run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${registry}/team/layers:latest`]))
  const mediaType = (JSON.parse(raw) as { mediaType: string }).mediaType
  await put('team/layers', 'latest', raw, mediaType)
  for (const blob of [...pushed, (JSON.parse(raw) as { config: { digest: string } }).config.digest]) {
    await fetch(`http://${registry}/v2/team/index/blobs/uploads/?mount=${blob}&from=team/layers`, { method: 'POST' })
  }
  const digest = await put('team/index', 'amd64', raw, mediaType)
  const entry = (os: string, architecture: string, variant?: string): object => ({ mediaType, digest, size: Buffer.byteLength(raw), platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } })
  const index = JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [entry('unknown', 'unknown'), entry('linux', 'amd64'), entry('linux', 'arm64', 'v8')] })
  return put('team/index', 'latest', index, 'application/vnd.oci.image.index.v1+json')
}

async function put(repository: string, tag: string, body: string, mediaType: string): Promise<string> {
  const response = await fetch(`http://${registry}/v2/${repository}/manifests/${tag}`, { method: 'PUT', body, headers: { 'content-type': mediaType } })
  assert.equal(response.status, 201, await response.text())
  return 'sha256:' + createHash('sha256').update(body).digest('hex')
}

test('policies: missing finds it, always asks, newer compares, never refuses', async () => {
  const store = newStore()
  const name = `${registry}/team/layers`
  const never = await pull(store, { name, policy: 'never' })
  assert.equal(never.code, 'NO_SUCH_IMAGE')
  assert.equal((await pull(store, { name })).alreadyPresent, false)
  const missing = await pull(store, { name })
  assert.deepEqual([missing.alreadyPresent, missing.events.length], [true, 0])
  for (const policy of ['always', 'newer']) {
    const again = await pull(store, { name, policy })
    assert.equal(again.alreadyPresent, true)
    assert.ok(again.events.some(({ type }) => type === 'trying'))
    assert.ok(!again.events.some(({ kind, state }) => kind === 'layer' && state === 'downloading'))
  }
  assert.equal((await pull(store, { name: 'layers', policy: 'never' })).reference, `${registry}/team/layers:latest`)
})

test('short names and mirrors of registries.conf', async () => {
  const registriesConf = host.writeFile(
    'short.conf',
    `unqualified-search-registries = ["nowhere.invalid", "${registry}"]\nshort-name-mode = "permissive"\n[aliases]\n"fedora" = "registry.fedoraproject.org/fedora"\n` +
      `[[registry]]\nprefix = "registry.fedoraproject.org"\nlocation = "nowhere.invalid"\n[[registry.mirror]]\nlocation = "${registry}/team"\ninsecure = true\n` +
      `[[registry]]\nlocation = "${registry}"\ninsecure = true\n[[registry]]\nlocation = "blocked.example"\nblocked = true\n`,
  )
  pushToRegistry(host, 'localhost/layers:latest', registry, 'team/fedora:latest')
  const store = newStore()
  const run = (name: string): Promise<ProbeResult> => pull(store, { name, registriesConf, tlsVerify: undefined, retries: 0 })
  const fedora = await run('fedora')
  assert.equal(fedora.reference, 'registry.fedoraproject.org/fedora:latest', fedora.message)
  assert.match(podmanOk(store, ['images', '--format', '{{.Repository}}']), /^registry\.fedoraproject\.org\/fedora$/m)
  const searched = await run('team/layers')
  assert.equal(searched.reference, `${registry}/team/layers:latest`, searched.message)
  const unknown = await run('registry.fedoraproject.org/none')
  assert.equal(unknown.code, 'PULL_FAILED')
  assert.match(unknown.message, /2 attempts failed: .*mirror.*404.*nowhere\.invalid: no such host/)
  assert.doesNotMatch(unknown.message, /\n/)
  assert.equal((await run('blocked.example/x')).code, 'REGISTRY_BLOCKED')
})

test('logins: auth file, --creds, wrong ones, none', async () => {
  const guarded = await host.startRegistry({ user: 'me', password: 'pass:word' })
  const auth = Buffer.from('me:pass:word').toString('base64')
  const authFile = host.writeFile('auth.json', JSON.stringify({ auths: { [guarded]: { auth } } }))
  expectOk(
    ['skopeo'],
    host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', '--dest-tls-verify=false', '--dest-creds', 'me:pass:word', `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]localhost/layers:latest`, `docker://${guarded}/x:latest`]),
  )
  const store = newStore()
  const name = `${guarded}/x`
  const anonymous = await pull(store, { name })
  assert.equal(anonymous.code, 'REGISTRY_UNAUTHORIZED')
  assert.match(anonymous.remedy ?? '', new RegExp(`login ${guarded}`))
  const wrong = await pull(store, { name, credentials: 'me:wrong' })
  assert.equal(wrong.code, 'REGISTRY_UNAUTHORIZED')
  assert.doesNotMatch(wrong.message, /wrong/)
  assert.equal((await pull(store, { name, authFile })).status, 0)
  assert.equal((await pull(newStore(), { name, credentials: 'me:pass:word' })).status, 0)
})

test('a policy that rejects or wants signatures stops the pull before anything is fetched', async () => {
  const requirements = [{ type: 'reject' }, { type: 'signedBy', keyType: 'GPGKeys', keyData: Buffer.from('no key').toString('base64') }]
  for (const requirement of requirements) {
    const policyFile = host.writeFile(`policy-${requirement.type}.json`, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }], transports: { docker: { [registry]: [requirement] } } }))
    const result = await pull(newStore(), { name: `${registry}/team/layers`, policyFile })
    assert.equal(result.code, 'POLICY_REJECTED', result.message)
    assert.deepEqual(result.events.filter(({ type }) => type !== 'trying'), [])
  }
})

test('kill -9 at random moments: nothing half-made is listed, the next pull completes, podman works', async () => {
  const store = newStore()
  const name = `${registry}/team/layers:latest`
  const first = Date.now()
  assert.equal((await pull(newStore(), { name })).status, 0)
  const duration = Date.now() - first
  for (let round = 0; round < 15; round++) {
    const running = start(store, { name, tlsVerify: false })
    await new Promise((resolve) => setTimeout(resolve, Math.random() * duration))
    running.kill()
    await running.done
    if (!existsSync(join(store.root, 'overlay-images/images.json'))) continue
    for (const image of records(store, 'images')) podmanOk(store, ['image', 'inspect', image.id])
    if (round % 3 === 2) podman(store, ['rmi', name])
  }
  const last = await pull(store, { name })
  assert.equal(last.status, 0, last.message)
  assert.equal(podmanOk(store, ['run', '--rm', '--network', 'none', name, 'cat', '/opt/tree/a']), 'a')
  assert.equal(records(store, 'layers').length, pushed.length)
  assert.deepEqual(leftInStaging(store), [])
})

function leftInStaging(store: StorePaths): string[] {
  const staging = join(store.root, 'overlay/staging')
  return existsSync(staging) ? readdirSync(staging) : []
}

test('several processes pull the same image while podman removes it: nobody fails', async () => {
  const store = newStore()
  mkdirSync(store.root, { recursive: true })
  const name = `${registry}/team/layers:latest`
  let isDone = false
  const removals = (async () => {
    while (!isDone) {
      podman(store, ['rmi', '-f', name])
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  for (let round = 0; round < 4; round++) {
    const results = await Promise.all([1, 2, 3].map(() => pull(store, { name, policy: 'always' })))
    for (const result of results) assert.equal(result.status, 0, result.message)
  }
  isDone = true
  await removals
  assert.equal((await pull(store, { name })).status, 0)
  assert.equal(podmanOk(store, ['run', '--rm', '--network', 'none', name, 'cat', '/opt/tree/a']), 'a')
})

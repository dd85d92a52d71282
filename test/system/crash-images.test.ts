// What kill -9 leaves of every command that moves images: stores, layouts and files that all tools read, nothing half-made
// that can be seen, and leftovers that the next command sweeps. TPOD_KILLS sets the number of kills of each kind.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { GpgHome } from '../support/gpg-home.ts'
import { expectOk, TestHost } from '../support/host.ts'
import { buildRandomImage } from '../support/images.ts'
import { assertLayersWhole, assertStoreHealthy } from '../support/invariants.ts'
import { killAfter, typicalMs } from '../support/kill.ts'

const kills = Number(process.env['TPOD_KILLS'] ?? 2)
const host = new TestHost()
const gpg = new GpgHome()
const image = 'localhost/moved:latest'
const small = 'localhost/small:latest'
const archive = join(host.directory, 'moved.tar')
const work = join(host.directory, 'work')
const temporary = join(host.directory, 'temporary')
let registry: string
let pulled: string

before(async () => {
  mkdirSync(temporary)
  host.env['TMPDIR'] = temporary
  host.env['GNUPGHOME'] = gpg.directory
  buildRandomImage(host, image, 3, 5 * 1024 * 1024)
  host.importBusybox(small)
  registry = await host.startRegistry()
  pulled = `${registry}/moved:latest`
  host.tpodOk(['push', '-q', image, pulled])
  host.tpodOk(['push', '-q', small, `${registry}/small:latest`])
  host.tpodOk(['save', '-q', '-o', archive, image])
})
after(() => {
  host.dispose()
  gpg.dispose()
})

/** Kills `args` at random moments of its run; `reset` before each, `check` after each. */
async function kill(args: readonly string[], reset: () => void, check: () => void | Promise<void>): Promise<void> {
  const span = await typicalMs(host, args, reset)
  for (let i = 0; i < kills; i++) {
    reset()
    const afterMs = Math.random() * span
    await killAfter(host, args, afterMs)
    try {
      await check()
    } catch (error) {
      throw new Error(`killed after ${afterMs.toFixed(0)} of ${span.toFixed(0)} ms`, { cause: error })
    }
  }
}

function skopeo(args: readonly string[]): string {
  return expectOk(['skopeo', ...args], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), ...args]))
}

/** Every byte of the image can be read there. */
function assertReadable(reference: string): void {
  const copy = join(host.directory, 'read')
  rmSync(copy, { recursive: true, force: true })
  skopeo(['copy', '-q', '--src-tls-verify=false', reference, `dir:${copy}`])
}

function emptyStore(): void {
  host.tpodOk(['rmi', '-a', '-f'])
}

function emptyWork(): void {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work)
}

/** What only a living command may have: what is left by now is there for good. */
function assertSwept(): void {
  host.tpodOk(['image', 'prune', '-f'])
  const list = (path: string): string[] => (existsSync(path) ? readdirSync(path) : [])
  for (const path of ['tpod/partial-blobs', 'tpod/new-layers', 'tpod/uploads', 'overlay/tempdirs', 'overlay-layers/tmp']) assert.deepEqual(list(join(host.graphRoot, path)), [], path)
  assert.deepEqual(list(temporary).filter((name) => !name.startsWith('.bun-')), [], 'in TMPDIR')
  const images = JSON.parse(readFileSync(join(host.graphRoot, 'overlay-images/images.json'), 'utf8')) as { id: string }[]
  assert.deepEqual(list(join(host.graphRoot, 'overlay-images')).filter((name) => /^[0-9a-f]{64}$/.test(name)).sort(), images.map(({ id }) => id).sort(), 'data of images')
  if (existsSync(work)) assert.deepEqual(readdirSync(work, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.tmp-')), [], 'beside the destination')
}

for (const [name, args] of [
  ['pull', () => ['pull', '-q', pulled]], ['load', () => ['load', '-q', '-i', archive]], ['import', () => ['import', '-q', join(host.directory, 'busybox.tar'), 'imported']],
  ['copy to the store', () => ['image', 'copy', '-q', `docker://${pulled}`, 'containers-storage:moved']],
] as const) {
  test(`${name} killed ${kills} times: both tools list the same, the same command then makes all whole`, async () => {
    await kill(args(), emptyStore, async () => {
      assertStoreHealthy(host)
      host.tpodOk(args())
      assertStoreHealthy(host)
      await assertLayersWhole(host)
      assertSwept()
    })
  })
}

test(`push killed ${kills} times: what is tagged can be read, the same push then completes it`, async () => {
  host.tpodOk(['pull', '-q', pulled])
  // A repository of its own each time, or the registry would have the blobs.
  const push = (): string[] => ['push', '-q', '--compression-format', 'zstd', '--force-compression', pulled, `docker://${registry}/pushed-${randomUUID()}:latest`]
  const span = await typicalMs(host, push())
  for (let i = 0; i < kills; i++) {
    const args = push()
    const target = args.at(-1)!
    await killAfter(host, args, Math.random() * span)
    if (host.run('skopeo', ['inspect', '--raw', '--tls-verify=false', target]).code === 0) assertReadable(target)
    host.tpodOk(args)
    assertReadable(target)
    assertSwept()
  }
})

test(`copy into an OCI layout killed ${kills} times: its images stay whole, the new one is there or not`, async () => {
  const copy = ['image', 'copy', '-q', `docker://${pulled}`, `oci:${work}/layout:new`]
  const reset = (): void => {
    emptyWork()
    host.tpodOk(['image', 'copy', '-q', `docker://${registry}/small`, `oci:${work}/layout:old`])
  }
  await kill(copy, reset, () => {
    assertReadable(`oci:${work}/layout:old`)
    const { manifests } = JSON.parse(readFileSync(`${work}/layout/index.json`, 'utf8')) as { manifests: object[] }
    if (manifests.length === 2) assertReadable(`oci:${work}/layout:new`)
    host.tpodOk(copy)
    assertReadable(`oci:${work}/layout:new`)
    assertSwept()
  })
})

for (const kind of ['dir', 'oci-archive']) {
  test(`copy over ${kind === 'dir' ? 'a' : 'an'} ${kind} killed ${kills} times: the old image, the new one, or${kind === 'dir' ? ' none' : ' nothing else'}`, async () => {
    const target = `${kind}:${work}/target`
    const copy = ['image', 'copy', '-q', `docker://${pulled}`, target]
    const reset = (): void => {
      emptyWork()
      host.tpodOk(['image', 'copy', '-q', `docker://${registry}/small`, target])
    }
    await kill(copy, reset, () => {
      if (kind === 'oci-archive' || existsSync(`${work}/target/manifest.json`)) assertReadable(target)
      host.tpodOk(copy)
      assertReadable(target)
      assertSwept()
    })
  })
}

for (const format of ['docker-archive', 'oci-archive', 'docker-dir', 'oci-dir']) {
  test(`save --format ${format} killed ${kills} times: whole or absent, and the same command works then`, async () => {
    host.tpodOk(['pull', '-q', pulled])
    const target = join(work, 'saved')
    const save = ['save', '-q', '--format', format, '-o', target, pulled]
    const transport = { 'docker-dir': 'dir', 'oci-dir': 'oci' }[format] ?? format
    const isThere = (): boolean => existsSync(format.endsWith('dir') ? join(target, format === 'oci-dir' ? 'index.json' : 'manifest.json') : target)
    await kill(save, emptyWork, () => {
      if (isThere()) assertReadable(`${transport}:${target}`)
      if (format === 'docker-archive') rmSync(target, { force: true })
      host.tpodOk(save)
      assertReadable(`${transport}:${target}`)
      assertSwept()
    })
  })
}

test(`sync to directories killed ${kills} times: the same command, but for whole images, completes it`, async () => {
  writeFileSync(join(host.directory, 'sync.yml'), `${registry}:\n  tls-verify: false\n  images:\n    moved: [latest]\n    small: [latest]\n`)
  const sync = ['image', 'sync', '--src', 'yaml', '--dest', 'dir', join(host.directory, 'sync.yml'), work]
  await kill(sync, emptyWork, () => {
    for (const name of ['moved', 'small']) {
      const target = join(work, `${name}:latest`)
      if (existsSync(join(target, 'manifest.json'))) {
        assertReadable(`dir:${target}`)
        rmSync(target, { recursive: true })
      }
    }
    host.tpodOk(sync)
    for (const name of ['moved', 'small']) assertReadable(`dir:${work}/${name}:latest`)
    assertSwept()
  })
})

test(`manifest create, add and push --add-compression killed ${kills} times: a list that both tools read, and no images in TMPDIR`, async () => {
  host.tpodOk(['pull', '-q', pulled])
  const reset = (): void => void host.tpod(['manifest', 'rm', 'list'])
  await kill(['manifest', 'create', 'list', `docker://${registry}/small`], reset, () => {
    if (host.tpod(['manifest', 'exists', 'list']).code === 0) host.podmanOk(['manifest', 'inspect', 'list'])
    assertStoreHealthy(host)
  })
  reset()
  host.tpodOk(['manifest', 'create', 'list', `docker://${registry}/small`])
  const size = (): number => (JSON.parse(host.podmanOk(['manifest', 'inspect', 'list'])) as { manifests: object[] }).manifests.length
  await kill(['manifest', 'add', 'list', `docker://${pulled}`], () => undefined, () => assert.ok([1, 2].includes(size())))
  const push = ['manifest', 'push', '-q', '--add-compression', 'zstd', 'list', `docker://${registry}/list`]
  await kill(push, () => undefined, () => {
    host.tpodOk(push)
    skopeo(['inspect', '--raw', '--tls-verify=false', `docker://${registry}/list`])
    assertSwept()
  })
  reset()
})

test(`login, logout and image trust set killed ${kills} times: the file is whole, other entries stay`, async () => {
  const secured = await host.startRegistry({ user: 'me', password: 'secret' })
  const auth = host.writeFile('home/auth.json', JSON.stringify({ auths: { 'other.example': { auth: 'bWU6c2VjcmV0' } } }))
  const authsOf = (): string[] => Object.keys((JSON.parse(readFileSync(auth, 'utf8')) as { auths: object }).auths)
  for (const command of [['login', '-u', 'me', '-p', 'secret'], ['logout']]) {
    await kill([...command, '--authfile', auth, secured], () => undefined, () => assert.ok(authsOf().includes('other.example')))
  }
  const policy = host.writeFile('home/policy.json', readFileSync(join(host.directory, 'policy.json')))
  const set = ['image', 'trust', 'set', '--policypath', policy, '--type', 'reject', 'registry.example']
  await kill(set, () => undefined, () => assert.ok('default' in (JSON.parse(readFileSync(policy, 'utf8')) as object)))
  host.tpodOk(set)
  host.tpodOk(['login', '-u', 'me', '-p', 'secret', '--authfile', auth, secured])
  assert.deepEqual(readdirSync(join(host.directory, 'home')).filter((name) => name.includes('.tmp-')), [])
})

test(`signing and verifying with gpg killed ${kills} times: nothing of keys and payloads stays in TMPDIR`, async () => {
  const key = gpg.makeKey('signer')
  const sign = ['image', 'copy', '-q', '--sign-by', key, '--sign-identity', 'localhost/x:latest', `docker://${registry}/small`, `dir:${work}/signed`]
  await kill(sign, emptyWork, () => {
    host.tpodOk(sign)
    assert.ok(existsSync(`${work}/signed/signature-1`))
  })
  const policy = host.writeFile('signed-policy.json', JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: gpg.exportKey(key, 'key.asc'), signedIdentity: { type: 'exactRepository', dockerRepository: 'localhost/x' } }] }))
  const verify = ['image', 'copy', '-q', '--policy', policy, `dir:${work}/signed`, `dir:${work}/verified`]
  await kill(verify, () => undefined, () => undefined)
  host.tpodOk(verify)
  assertSwept()
})

for (const [name, args] of [['tag', ['tag', small, 'localhost/tagged:1', 'localhost/tagged:2']], ['rmi', ['rmi', '-f', small]], ['prune', ['image', 'prune', '-a', '-f']]] as const) {
  test(`${name} killed ${kills} times: both tools list the same, no layer is left over`, async () => {
    const reset = (): void => {
      emptyStore()
      host.tpodOk(['import', '-q', join(host.directory, 'busybox.tar'), small])
    }
    await kill(args, reset, async () => {
      assertStoreHealthy(host)
      if (host.tpod(['image', 'exists', small]).code === 0) await assertLayersWhole(host)
      emptyStore()
      assertSwept()
      assert.deepEqual(JSON.parse(readFileSync(join(host.graphRoot, 'overlay-layers/layers.json'), 'utf8')), [])
    })
  })
}

test(`image mount and unmount killed ${kills} times: the image can be mounted, unmounted and removed`, async () => {
  const reset = (): void => {
    emptyStore()
    host.tpodOk(['import', '-q', join(host.directory, 'busybox.tar'), small])
  }
  for (const command of ['mount', 'unmount']) {
    await kill(['image', command, small], () => { reset(); if (command === 'unmount') host.tpodOk(['image', 'mount', small]) }, () => {
      const place = host.tpodOk(['image', 'mount', small])
      assert.ok(existsSync(join(place.split(/\s+/).at(-1)!, 'bin/busybox')))
      host.tpodOk(['image', 'unmount', '--force', small])
      assert.deepEqual(host.leftovers(), [])
      host.tpodOk(['rmi', small])
    })
  }
})

/** save, load, import and export as a user calls them, beside podman. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { FakeDocker } from '../support/fake-docker.ts'
import { spawnTpodResult, TestHost, tpodPath } from '../support/host.ts'

const formats = ['docker-archive', 'oci-archive', 'oci-dir', 'docker-dir'] as const
const name = 'localhost/busybox:latest'

let host: TestHost
let imageId: string

const path = (file: string): string => join(host.directory, file)

function manifestJson(archive: string): { Config: string; RepoTags: string[]; Layers: string[] }[] {
  return JSON.parse(execFileSync('tar', ['-xOf', archive, 'manifest.json']).toString()) as { Config: string; RepoTags: string[]; Layers: string[] }[]
}

/** What `tpod images` knows by its id, names sorted. */
function namesOf(id: string): string[] {
  return host.tpodOk(['images', '--no-trunc', '--format', '{{.ID}} {{.Repository}}:{{.Tag}}']).split('\n').filter((line) => line.includes(id)).map((line) => line.split(' ')[1] as string).toSorted()
}

before(() => {
  host = new TestHost()
  host.importBusybox(name)
  imageId = host.tpodOk(['inspect', '--format', '{{.Id}}', name])
})
after(() => host.dispose())

describe('save and load', () => {
  before(() => {
    for (const format of formats) {
      host.tpodOk(['save', '-q', '--format', format, '-o', path(`ours.${format}`), name])
      host.podmanOk(['save', '-q', '--format', format, '-o', path(`theirs.${format}`), name])
    }
  })
  beforeEach(() => host.tpodOk(['rmi', '-a', '-f']))

  for (const format of formats) {
    for (const writer of ['ours', 'theirs']) {
      test(`${format} of ${writer} is loaded by both tools as the same image`, () => {
        const expected = format === 'docker-dir' ? `sha256:${imageId}` : name
        assert.equal(host.tpodOk(['load', '-q', '-i', path(`${writer}.${format}`)]), `Loaded image: ${expected}`)
        assert.deepEqual(namesOf(imageId), format === 'docker-dir' ? ['<none>:<none>'] : [name])
        assert.equal(host.tpodOk(['run', '--rm', '--network', 'none', imageId, 'echo', 'loaded']), 'loaded')
        host.tpodOk(['rmi', '-a', '-f'])
        // podman 4.3 calls an image from an OCI directory by the directory's path, and fails where that is no name.
        if (format === 'oci-dir') return
        assert.equal(host.podmanOk(['load', '-q', '-i', path(`${writer}.${format}`)]), `Loaded image: ${expected}`)
        assert.deepEqual(host.podmanOk(['images', '-q', '--no-trunc']), `sha256:${imageId}`)
      })
    }
  }

  test('through pipes, compressed or not; and from a redirected file', () => {
    const archive = readFileSync(path('ours.docker-archive'))
    for (const compressor of [undefined, 'gzip', 'zstd', 'xz', 'bzip2']) {
      const input = compressor === undefined ? archive : execFileSync(compressor, ['-c'], { input: archive, maxBuffer: 2 ** 30 })
      assert.equal(host.tpodOk(['load', '-q'], { input }), `Loaded image: ${name}`)
      host.tpodOk(['rmi', '-a', '-f'])
    }
    const shell = spawnSync('sh', ['-c', `"$0" ${host.storeFlags().join(' ')} load -q < ${path('ours.oci-archive')}`, tpodPath], { env: host.env, encoding: 'utf8' })
    assert.equal(shell.stdout, `Loaded image: ${name}\n`, shell.stderr)
  })

  test('an http address is fetched first', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/archive.tar' }).end()
      else if (request.url === '/archive.tar') response.end(readFileSync(path('ours.docker-archive')))
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const loaded = await spawnTpodResult(host, ['load', '-q', '-i', `${address}/moved`])
      assert.equal(loaded.stdout, `Loaded image: ${name}\n`, loaded.stderr)
      const missing = await spawnTpodResult(host, ['load', '-q', '-i', `${address}/nothing`])
      assert.equal(missing.code, 125)
      assert.match(missing.stderr, /the server answered 404/)
    } finally {
      server.close()
    }
  })

  test('what docker 25 writes: both formats in one archive, whole names in index.json', () => {
    const tree = path('hybrid')
    mkdirSync(tree)
    execFileSync('tar', ['-C', tree, '-xf', path('ours.oci-archive')])
    const index = JSON.parse(readFileSync(join(tree, 'index.json'), 'utf8')) as { manifests: { digest: string; annotations: Record<string, string> }[] }
    const [entry] = index.manifests
    assert.ok(entry !== undefined)
    const manifest = JSON.parse(readFileSync(join(tree, 'blobs/sha256', entry.digest.slice(7)), 'utf8')) as { config: { digest: string }; layers: { digest: string }[] }
    const blob = ({ digest }: { digest: string }): string => `blobs/sha256/${digest.slice(7)}`
    entry.annotations = { 'io.containerd.image.name': 'docker.io/library/hybrid:latest', 'org.opencontainers.image.ref.name': 'latest' }
    writeFileSync(join(tree, 'index.json'), JSON.stringify(index))
    writeFileSync(join(tree, 'manifest.json'), JSON.stringify([{ Config: blob(manifest.config), RepoTags: ['hybrid:latest', 'other:1'], Layers: manifest.layers.map(blob) }]))
    execFileSync('tar', ['-C', tree, '-cf', path('hybrid.tar'), '.'])
    assert.equal(host.tpodOk(['load', '-q', '-i', path('hybrid.tar')]), 'Loaded image: docker.io/library/hybrid:latest\nLoaded image: localhost/other:1')
    assert.deepEqual(namesOf(imageId), ['docker.io/library/hybrid:latest', 'localhost/other:1'])
    rmSync(join(tree, 'manifest.json'))
    execFileSync('tar', ['-C', tree, '-czf', path('containerd.tar.gz'), '.'])
    assert.equal(host.tpodOk(['load', '-q', '-i', path('containerd.tar.gz')]), 'Loaded image: docker.io/library/hybrid:latest')
  })

  test('what cannot be loaded says why', () => {
    const cases: [input: Buffer, words: RegExp][] = [
      [Buffer.from('no archive'), /payload does not match any of the supported image formats.*it is no tar archive/],
      [execFileSync('tar', ['-C', host.busyboxRootfs(), '-c', 'etc']), /payload does not match any of the supported image formats.*neither manifest.json nor index.json/],
      [readFileSync(path('ours.docker-archive')).subarray(0, 100_000), /it ends within a member/],
    ]
    for (const [input, words] of cases) {
      const result = host.tpod(['load'], { input })
      assert.equal(result.code, 125)
      assert.match(result.stderr, words)
    }
    assert.match(host.tpod(['load', '-i', '/nonexistent']).stderr, /stat \/nonexistent: no such file or directory/)
    assert.equal(host.tpodOk(['images', '-q']), '')
  })
})

describe('save', () => {
  before(() => {
    host.tpodOk(['rmi', '-a', '-f'])
    host.importBusybox(name)
    host.tpodOk(['import', '-q', '-m', 'second', host.busyboxTar(), 'localhost/second:1'])
  })

  test('further names are tags of the first image; with -m they are images, equal layers once', () => {
    host.tpodOk(['save', '-q', '-o', path('tags.tar'), name, 'also:2', 'quay.io/x/third'])
    assert.deepEqual(manifestJson(path('tags.tar')).map(({ RepoTags }) => RepoTags), [['localhost/also:2', 'quay.io/x/third:latest', name]])
    host.tpodOk(['save', '-q', '-m', '-o', path('multi.tar'), name, 'second:1', imageId])
    assert.deepEqual(manifestJson(path('multi.tar')).map(({ RepoTags }) => RepoTags), [[name], ['localhost/second:1']])
    const layers = execFileSync('tar', ['-tf', path('multi.tar')]).toString().split('\n').filter((member) => /^[0-9a-f]{64}\.tar$/.test(member))
    assert.equal(layers.length, 1)
    host.podmanOk(['rmi', '-a', '-f'])
    assert.equal(host.podmanOk(['load', '-q', '-i', path('multi.tar')]), `Loaded image: ${name}\nLoaded image: localhost/second:1`)
    host.podmanOk(['rmi', '-a', '-f'])
    assert.equal(host.tpodOk(['load', '-q', '-i', path('multi.tar')]), `Loaded image: ${name}\nLoaded image: localhost/second:1`)
  })

  test('to standard output: the same archive', () => {
    for (const format of ['docker-archive', 'oci-archive']) {
      host.tpodOk(['save', '-q', '--format', format, '-o', path(`file.${format}`), name])
      const streamed = spawnSync(tpodPath, [...host.storeFlags(), 'save', '--format', format, name], { env: host.env, maxBuffer: 2 ** 30, timeout: 60_000 })
      assert.equal(streamed.stderr.toString(), '')
      assert.ok(streamed.stdout.equals(readFileSync(path(`file.${format}`))), format)
    }
  })

  test('is refused in podman\'s words, and leaves nothing', () => {
    writeFileSync(path('present.tar'), 'mine')
    const cases: [args: string[], words: RegExp][] = [
      [['-o', path('present.tar'), name], /docker-archive doesn't support modifying existing images/],
      [['--compress', '-o', path('n'), name], /--compress can only be set when --format is 'docker-dir'/],
      [['--format', 'zip', '-o', path('n'), name], /unsupported format "zip" for saving images/],
      [['-m', '--format', 'oci-archive', '-o', path('n'), name, 'second:1'], /unsupported format "oci-archive" for saving multiple images \(only docker-archive\)/],
      [['-o', path('a:b'), name], /invalid filename \(should not contain ':'\)/],
      [['-o', path('n'), 'nonexistent'], /nonexistent: image not known/],
      [['-o', '/nonexistent/x', name], /create \/nonexistent\/x: no such file or directory/],
    ]
    for (const [args, words] of cases) {
      const result = host.tpod(['save', '-q', ...args])
      assert.equal(result.code, 125, words.source)
      assert.match(result.stderr, words)
    }
    assert.ok(!existsSync(path('n')))
    assert.equal(readFileSync(path('present.tar'), 'utf8'), 'mine')
    assert.match(host.run('script', ['-qc', `${tpodPath} ${host.storeFlags().join(' ')} save ${name}`, '/dev/null']).stdout, /refusing to save to terminal. Use -o flag or redirect/)
  })

  test('killed at any moment, it leaves no archive', async () => {
    for (const delayMs of [20, 60, 100, 140]) {
      const child = spawn(tpodPath, [...host.storeFlags(), 'save', '-q', '-o', path('killed.tar'), name], { env: host.env, stdio: 'ignore' })
      // Listened for from the start: it may be done before it is killed.
      const ended = new Promise((resolve) => child.on('close', resolve))
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      child.kill('SIGKILL')
      await ended
      if (!existsSync(path('killed.tar'))) continue
      assert.deepEqual(manifestJson(path('killed.tar')).map(({ RepoTags }) => RepoTags), [[name]])
      rmSync(path('killed.tar'))
    }
  })

  test('--compress writes a docker-dir that both tools load', () => {
    host.tpodOk(['save', '-q', '--compress', '--format', 'docker-dir', '-o', path('compressed'), name])
    const manifest = JSON.parse(readFileSync(join(path('compressed'), 'manifest.json'), 'utf8')) as { layers: { mediaType: string; digest: string }[] }
    const [layer] = manifest.layers
    assert.equal(layer?.mediaType, 'application/vnd.docker.image.rootfs.diff.tar.gzip')
    assert.deepEqual([...readFileSync(join(path('compressed'), layer.digest.slice(7))).subarray(0, 2)], [0x1f, 0x8b])
  })

  test('images are saved to one layout side by side; a name moves to the last image saved under it', () => {
    const layout = path('side')
    const copies = ['a', 'b', 'c', 'd'].map((tag) => new Promise<number>((resolve) => {
      spawn(tpodPath, [...host.storeFlags(), 'image', 'copy', '-q', `containers-storage:${name}`, `oci:${layout}:${tag}`], { env: host.env, stdio: 'ignore' }).on('close', (code) => resolve(code ?? 1))
    }))
    return Promise.all(copies).then((codes) => {
      assert.deepEqual(codes, [0, 0, 0, 0])
      const names = (): string[] => (JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: { annotations?: Record<string, string> }[] }).manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] ?? '')
      assert.deepEqual(names().toSorted(), ['a', 'b', 'c', 'd'])
      host.tpodOk(['image', 'copy', '-q', 'containers-storage:localhost/second:1', `oci:${layout}:b`])
      assert.equal(names().filter((tag) => tag === 'b').length, 1)
      assert.equal(readdirSync(layout).filter((file) => file.startsWith('.tmp')).length, 0)
      assert.equal(host.run('skopeo', ['inspect', '--format', '{{len .Layers}}', `oci:${layout}:b`]).stdout, '1\n')
      assert.equal(host.tpodOk(['image', 'copy', '-q', `oci:${layout}:@0`, `dir:${path('first')}`]), '')
    })
  })
})

describe('import', () => {
  const changes = ['CMD ["sh"]', 'ENV A="b c"', 'ENV=B=x', 'EXPOSE 80', 'EXPOSE 53/udp', 'LABEL k=<v>&', 'STOPSIGNAL SIGINT', 'USER 7', 'VOLUME /v /w', 'WORKDIR /a', 'WORKDIR b', 'ENTRYPOINT echo hi']

  test('makes the image that podman makes, by digest', () => {
    const tar = path('root.tar')
    copyFileSync(host.busyboxTar(), tar)
    utimesSync(tar, 1_700_000_000.25, 1_700_000_000.25)
    const flags = [...changes.flatMap((change) => ['-c', change]), '-m', 'a <message>', '--os', 'linux', '--arch', 'arm64', '--variant', 'v8']
    for (const file of [tar, `${tar}.gz`, `${tar}.xz`]) {
      if (file.endsWith('gz')) writeFileSync(file, execFileSync('gzip', ['-nc', tar], { maxBuffer: 2 ** 30 }))
      if (file.endsWith('xz')) writeFileSync(file, execFileSync('xz', ['-0c', tar], { maxBuffer: 2 ** 30 }))
      utimesSync(file, 1_700_000_001, 1_700_000_001)
      const id = host.tpodOk(['import', '-q', ...flags, file, 'made'])
      // podman 4.3 takes a layer's digest for that of its content where xz packed it.
      if (!file.endsWith('xz')) assert.equal(id, host.podmanOk(['import', '-q', ...flags, file]))
    }
    assert.match(host.tpodOk(['images', '--format', '{{.Repository}}:{{.Tag}}']), /^localhost\/made:latest$/m)
  })

  test('from standard input and from the web', async () => {
    const id = host.tpodOk(['import', '-q', '-', 'piped:1'], { input: readFileSync(host.busyboxTar()) })
    assert.match(id, /^sha256:[0-9a-f]{64}$/)
    assert.equal(host.tpodOk(['run', '--rm', '--network', 'none', 'piped:1', 'echo', 'in']), 'in')
    const server = createServer((_, response) => response.end(readFileSync(host.busyboxTar())))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/root.tar`
    const fetched = await spawnTpodResult(host, ['import', '-q', url, 'web:1'])
    server.close()
    assert.match(fetched.stdout, new RegExp(`^Downloading from "${url}"\nsha256:[0-9a-f]{64}\n$`))
  })

  test('says what is wrong', () => {
    const cases: [args: string[], words: RegExp][] = [
      [['-c', 'FROM x', host.busyboxTar()], /invalid change "FROM x" - invalid instruction FROM/],
      [['-c', 'CMD', host.busyboxTar()], /invalid change "CMD" - must be formatted as KEY VALUE/],
      [['-c', 'EXPOSE 99999', host.busyboxTar()], /EXPOSE port must be a valid port number/],
      [['/nonexistent.tar'], /error opening "\/nonexistent.tar": no such file or directory/],
      [['/etc/passwd'], /no tar archive|checksum|wrong checksum|not a number/],
      [[host.busyboxTar(), 'UPPER'], /must be lowercase/],
      [['ftp://x/y'], /only http:\/\/ and https:\/\/ are supported/],
    ]
    for (const [args, words] of cases) {
      const result = host.tpod(['import', '-q', ...args])
      assert.equal(result.code, 125)
      assert.match(result.stderr, words)
    }
  })
})

describe('export', () => {
  test('a running container\'s files, its links kept as links; the same stopped', () => {
    const id = host.tpodOk(['run', '-d', '--network', 'none', name, 'sh', '-c', 'echo made > /made; ln -s /etc/passwd /leads-out; ln /made /hard; mkfifo /pipe; sleep 1000'])
    for (let attempt = 0; attempt < 100 && host.tpod(['exec', id, 'test', '-p', '/pipe']).code !== 0; attempt++) continue
    host.tpodOk(['export', '-o', path('running.tar'), id])
    const listed = execFileSync('tar', ['-tvf', path('running.tar')]).toString()
    assert.match(listed, /leads-out -> \/etc\/passwd/)
    assert.match(listed, /^prw.* pipe$/m)
    assert.match(listed, /^h.* made link to hard$|^h.* hard link to made$/m)
    host.tpodOk(['stop', '-t', '0', id])
    const streamed = spawnSync(tpodPath, [...host.storeFlags(), 'export', id], { env: host.env, maxBuffer: 2 ** 30, timeout: 60_000 })
    assert.ok(streamed.stdout.equals(readFileSync(path('running.tar'))))
    assert.equal(host.tpodOk(['import', '-q', path('running.tar'), 'again']).length, 71)
    assert.equal(host.tpodOk(['run', '--rm', '--network', 'none', 'again', 'cat', '/made']), 'made')
    host.tpodOk(['rm', id])
    assert.deepEqual(host.leftovers(), [])
  })

  test('is refused in podman\'s words', () => {
    assert.match(host.tpod(['export', 'nobody']).stderr, /no container with name or ID "nobody" found: no such container/)
    assert.match(host.run('script', ['-qc', `${tpodPath} ${host.storeFlags().join(' ')} export x`, '/dev/null']).stdout, /refusing to export to terminal. Use -o flag or redirect/)
  })
})

describe('docker-daemon:', () => {
  test('images go to a docker engine and come back; its errors are shown', async () => {
    const docker = await FakeDocker.start(path('docker'))
    try {
      const there = await spawnTpodResult(host, ['image', 'copy', '-q', '--dest-daemon-host', docker.host, `containers-storage:${name}`, 'docker-daemon:there:1'])
      assert.equal(there.code, 0, there.stderr)
      const back = await spawnTpodResult(host, ['image', 'copy', '-q', '--src-daemon-host', docker.host, 'docker-daemon:there:1', `dir:${path('from-docker')}`])
      assert.equal(back.code, 0, back.stderr)
      assert.ok(existsSync(path('from-docker/manifest.json')))
      const missing = await spawnTpodResult(host, ['image', 'copy', '-q', '--src-daemon-host', docker.host, 'docker-daemon:other:1', `dir:${path('n1')}`])
      assert.match(missing.stderr, /Error response from daemon: reference does not exist/)
      docker.failure = 'no space left on device'
      const full = await spawnTpodResult(host, ['image', 'copy', '-q', '--dest-daemon-host', docker.host, `containers-storage:${name}`, 'docker-daemon:there:2'])
      assert.notEqual(full.code, 0)
      assert.match(full.stderr, /docker engine reported: no space left on device/)
    } finally {
      docker.close()
    }
    const nobody = await spawnTpodResult(host, ['image', 'copy', '-q', '--src-daemon-host', 'unix:///nonexistent.sock', 'docker-daemon:x:1', `dir:${path('n2')}`])
    assert.match(nobody.stderr, /Cannot connect to the Docker daemon at unix:\/\/\/nonexistent.sock. Is the docker daemon running\?/)
  })
})

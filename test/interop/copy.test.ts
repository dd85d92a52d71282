/** What a copy makes of manifests and configs: the same bytes that skopeo makes, conversion by conversion. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { expectOk, projectRoot, TestHost } from '../support/host.ts'

const ours = join(projectRoot, 'bin/skopeo')
const hasSkopeo = existsSync('/usr/bin/skopeo')
const gzipLayer = 'application/vnd.docker.image.rootfs.diff.tar.gzip'
const sha256 = (bytes: string | Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const emptyLayers = ['a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4', sha256(gzipSync(Buffer.alloc(1024))).slice(7)]

interface Blob { mediaType: string; digest: string; size: number }

/** A directory of the dir: transport that is filled by hand. */
class Directory {
  readonly path: string

  constructor(host: TestHost, name: string) {
    this.path = join(host.directory, name)
    mkdirSync(this.path)
    writeFileSync(join(this.path, 'version'), 'Directory Transport Version: 1.1\n')
  }

  blob(mediaType: string, bytes: string | Buffer): Blob {
    const digest = sha256(bytes)
    writeFileSync(join(this.path, digest.slice(7)), bytes)
    return { mediaType, digest, size: Buffer.byteLength(bytes) }
  }

  manifest(document: object): string {
    const text = JSON.stringify(document)
    writeFileSync(join(this.path, 'manifest.json'), text)
    return text
  }

  instance(mediaType: string, document: object): Blob {
    const text = JSON.stringify(document)
    writeFileSync(join(this.path, `${sha256(text).slice(7)}.manifest.json`), text)
    return { mediaType, digest: sha256(text), size: Buffer.byteLength(text) }
  }
}

function tar(seed: string): Buffer {
  const content = Buffer.alloc(2560)
  content.write(`file-${seed}`)
  content.write('0000644\0', 100)
  content.write('0000000\0'.repeat(2), 108)
  content.write('00000001000\0'.slice(0, 11) + '\0', 124)
  content.write('00000000000\0', 136)
  content.write('        0', 148)
  content.write('ustar\x0000', 257)
  const sum = content.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  content.write(sum.toString(8).padStart(6, '0') + '\0 ', 148)
  content.write(seed.repeat(40), 512)
  return content
}

/** Of everything that Go's encoder writes in its own way. */
function dockerConfig(architecture: string, diffIds: readonly string[]): object {
  return {
    id: 'not for OCI', architecture, os: 'linux', variant: '', author: 'Æsop <a&b>', created: '2024-02-03T04:05:06.120Z', docker_version: '20.10.7',
    container: 'x', container_config: { Cmd: ['/bin/sh'], Labels: null },
    config: {
      Hostname: 'h', AttachStdin: false, Env: ['PATH=/bin', 'Q="<>&"'], Cmd: ['sh', '-c', 'a && b\t\u2028\b'], Entrypoint: null, OnBuild: [], WorkingDir: '',
      Labels: { z: '1', '10': 'ten', '9': 'nine', 'ä': 'ö', a: '<b>' }, ExposedPorts: { '80/tcp': {} }, Volumes: null, User: 'root', Healthcheck: { Test: ['NONE'] }, StopSignal: '',
    },
    history: [
      { created: '2024-02-03T04:05:06.000000001+02:00', created_by: 'ADD <x>' },
      { created: '2024-02-03T04:05:06Z', created_by: 'CMD', empty_layer: true, comment: 'c' },
      { created: '2024-02-03T04:05:06.5Z', created_by: 'RUN', author: 'me' },
      { created: '2024-02-03T04:05:06Z', created_by: 'LABEL a', empty_layer: true },
    ],
    rootfs: { type: 'layers', diff_ids: diffIds },
  }
}

function makeDocker(directory: Directory, architecture: string): object {
  const layers = [tar(`${architecture}-a`), tar(`${architecture}-b`)]
  const config = directory.blob('application/vnd.docker.container.image.v1+json', JSON.stringify(dockerConfig(architecture, layers.map(sha256)), null, 2))
  return { schemaVersion: 2, mediaType: 'application/vnd.docker.distribution.manifest.v2+json', config, layers: layers.map((layer) => directory.blob(gzipLayer, gzipSync(layer))) }
}

function makeOci(directory: Directory, architecture: string): object {
  const layers = [tar(`${architecture}-a`), tar(`${architecture}-oci`)]
  const config = directory.blob('application/vnd.oci.image.config.v1+json', JSON.stringify({ ...dockerConfig(architecture, layers.map(sha256)), id: undefined, more: 1 }))
  return {
    schemaVersion: 2, config,
    layers: layers.map((layer) => ({ ...directory.blob('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(layer)), annotations: { b: '<1>', a: '2' } })),
    annotations: { 'org.example.z': 'z', 'org.example.a': '&' },
  }
}

function makeIndex(directory: Directory, kind: 'docker' | 'oci'): void {
  const make = kind === 'docker' ? makeDocker : makeOci
  const type = kind === 'docker' ? 'application/vnd.docker.distribution.manifest.v2+json' : 'application/vnd.oci.image.manifest.v1+json'
  const manifests = [
    { ...directory.instance(type, make(directory, 'amd64')), platform: { architecture: 'amd64', os: 'linux' } },
    { ...directory.instance(type, make(directory, 'arm')), platform: { architecture: 'arm', os: 'linux', variant: 'v7' } },
  ]
  directory.manifest({
    schemaVersion: 2, mediaType: kind === 'docker' ? 'application/vnd.docker.distribution.manifest.list.v2+json' : 'application/vnd.oci.image.index.v1+json',
    manifests, ...(kind === 'oci' ? { annotations: { x: '<y>' } } : {}),
  })
}

/** As docker 1.7 wrote them: unsigned here, members missing. */
function makeOldSchema1(directory: Directory): void {
  const id = (letter: string): string => letter.repeat(64)
  const images = [
    { id: id('c'), parent: id('b'), created: '2015-01-01T00:00:00.10Z', docker_version: '1.7.0', config: { Cmd: ['sh'], Env: [], Labels: { b: '<', a: '' }, Tty: true }, container_config: { Cmd: ['/bin/sh', '-c', '#(nop) CMD'] }, os: 'linux', architecture: 'amd64', Size: 5, unknown: 1 },
    { id: id('b'), parent: id('a'), created: '2015-01-01T00:00:00Z', container_config: { Cmd: ['/bin/sh', '-c', 'echo'] }, author: 'me', comment: 'c', throwaway: true },
    { id: id('a'), created: '2014-01-01T00:00:00Z' },
  ]
  const blobs = [directory.blob(gzipLayer, gzipSync(tar('top'))), directory.blob(gzipLayer, gzipSync(Buffer.alloc(1024))), directory.blob(gzipLayer, gzipSync(tar('base')))]
  directory.manifest({ schemaVersion: 1, name: 'old', tag: 'x', architecture: 'amd64', fsLayers: blobs.map(({ digest }) => ({ blobSum: digest })), history: images.map((image) => ({ v1Compatibility: JSON.stringify(image) })) })
}

describe('copy beside skopeo', { skip: hasSkopeo ? false : 'skopeo is not installed' }, () => {
  let host: TestHost
  let registry: string
  let count = 0

  before(async () => {
    host = new TestHost()
    registry = await host.startRegistry()
    const docker = new Directory(host, 'docker')
    docker.manifest(makeDocker(docker, 'amd64'))
    const oci = new Directory(host, 'oci')
    oci.manifest(makeOci(oci, 'amd64'))
    makeOldSchema1(new Directory(host, 'v2s1-old'))
    makeIndex(new Directory(host, 'docker-list'), 'docker')
    makeIndex(new Directory(host, 'oci-index'), 'oci')
    const args = ['--insecure-policy', 'copy', '-q', '--dest-tls-verify=false']
    for (const name of ['docker', 'oci', 'docker-list', 'oci-index']) expectOk(['skopeo', ...args], host.run('skopeo', [...args, '--all', `dir:${join(host.directory, name)}`, `docker://${registry}/${name}:latest`]))
    expectOk(['skopeo'], host.run('skopeo', ['--insecure-policy', 'copy', '-q', '--format', 'v2s1', `dir:${docker.path}`, `dir:${join(host.directory, 'v2s1')}`]))
  })
  after(() => host.dispose())

  const sourceName = (source: string): string => (source.startsWith('docker://') ? source.replace('REGISTRY', registry) : `dir:${join(host.directory, source)}`)

  function copy(program: string, source: string, destination: string, flags: readonly string[]): { place: string; result: ReturnType<TestHost['run']> } {
    const place = join(host.directory, `copy-${++count}`)
    const target = destination === 'registry' ? `docker://${registry}/copy-${count}:latest` : `${destination}:${place}`
    return { place, result: host.run(program, ['--insecure-policy', 'copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', ...flags, sourceName(source), target]) }
  }

  /** Digests of what was made: file names and contents that don't depend on the time or on a key. */
  function contents(source: string, destination: string, place: string, theirs: string | undefined): unknown {
    if (destination === 'registry') {
      const name = `docker://${registry}/${place.slice(place.lastIndexOf('/') + 1)}:latest`
      return sha256(expectOk(['skopeo', 'inspect'], host.run('skopeo', ['inspect', '--raw', '--tls-verify=false', name])))
    }
    const directory = destination === 'oci' ? join(place, 'blobs/sha256') : place
    // skopeo copies the empty layer of schema 1 also where nothing refers to it.
    const unreferenced = source.startsWith('v2s1') && !theirs?.startsWith('v2s1') ? emptyLayers : []
    const files = readdirSync(directory).filter((name) => name !== 'version' && !unreferenced.includes(name))
    const digest = (name: string): string => expectOk(['skopeo', 'manifest-digest'], host.run('skopeo', ['manifest-digest', join(directory, name)])).trim()
    return files.toSorted().map((name) => (name.endsWith('manifest.json') ? [name, digest(name)] : [name, sha256(readFileSync(join(directory, name)))]))
  }

  const cases: readonly [source: string, destination: string, ...flags: string[]][] = [
    ['docker', 'dir'], ['docker', 'oci'], ['docker', 'registry'], ['docker', 'dir', '--format', 'oci'], ['docker', 'dir', '--format', 'v2s1'], ['docker', 'registry', '--format', 'oci'], ['docker', 'oci', '--preserve-digests'],
    ['oci', 'dir'], ['oci', 'oci'], ['oci', 'registry'], ['oci', 'dir', '--format', 'v2s2'], ['oci', 'dir', '--format', 'v2s1'], ['oci', 'registry', '--format', 'v2s2'],
    ['v2s1', 'dir'], ['v2s1', 'oci'], ['v2s1', 'dir', '--format', 'v2s2'], ['v2s1', 'dir', '--format', 'oci'], ['v2s1', 'dir', '--format', 'v2s1'],
    ['v2s1-old', 'dir'], ['v2s1-old', 'dir', '--format', 'v2s2'], ['v2s1-old', 'registry', '--format', 'oci'],
    ['docker-list', 'dir', '--all'], ['docker-list', 'oci', '--all'], ['docker-list', 'registry', '--all'], ['docker-list', 'dir'], ['docker-list', 'registry', '--all', '--format', 'oci'],
    ['oci-index', 'dir', '--all'], ['oci-index', 'oci', '--all'], ['oci-index', 'registry', '--all'], ['oci-index', 'oci'], ['oci-index', 'registry', '--all', '--format', 'v2s2'],
    ['oci-index', 'dir', '--all', '--preserve-digests'],
    ['docker://REGISTRY/docker', 'dir'], ['docker://REGISTRY/docker', 'oci'], ['docker://REGISTRY/oci', 'dir'], ['docker://REGISTRY/docker-list', 'oci', '--all'], ['docker://REGISTRY/oci-index', 'oci'],
    ['docker://REGISTRY/docker', 'registry'], ['docker://REGISTRY/oci-index', 'registry', '--all', '--preserve-digests'],
  ]
  for (const [source, destination, ...flags] of cases) {
    test(`${source} to ${destination} ${flags.join(' ')}`, () => {
      const theirs = copy('skopeo', source, destination, flags)
      expectOk(['skopeo', source, destination, ...flags], theirs.result)
      const mine = copy(ours, source, destination, flags)
      expectOk(['ours', source, destination, ...flags], mine.result)
      const format = (flags.includes('--format') ? flags[flags.indexOf('--format') + 1] : undefined) ?? (destination === 'oci' ? 'oci' : source)
      assert.deepEqual(contents(source, destination, mine.place, format), contents(source, destination, theirs.place, format))
    })
  }

  const refused: readonly [source: string, destination: string, words: RegExp, ...flags: string[]][] = [
    ['docker-list', 'oci', /preserve digests/i, '--all', '--preserve-digests'],
    ['docker-list', 'docker-archive', /does not support copying multiple images as a group/, '--all'],
  ]
  for (const [source, destination, words, ...flags] of refused) {
    test(`${source} to ${destination} ${flags.join(' ')} is refused by both`, () => {
      for (const program of ['skopeo', ours]) {
        const { result } = copy(program, source, destination, flags)
        assert.equal(result.code, 1, program)
        assert.match(result.stderr, words, program)
      }
    })
  }
})

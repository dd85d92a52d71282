/** Pushes that move no layer: the registry has it already in the form that an earlier push or the pull knows. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { TestHost } from '../support/host.ts'

describe('pushing again', () => {
  const host = new TestHost()
  let registry = ''
  before(async () => {
    registry = await host.startRegistry()
    host.importBusybox('localhost/base:latest')
  })
  after(() => host.dispose())

  const push = (from: string, to: string): string => {
    const result = host.tpod(['push', '--tls-verify=false', from, `${registry}/${to}`])
    assert.equal(result.code, 0, result.stderr)
    return result.stderr
  }
  const layersOf = (name: string): string[] => {
    const raw = host.run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${registry}/${name}`])
    return (JSON.parse(raw.stdout) as { layers: { digest: string }[] }).layers.map(({ digest }) => digest)
  }

  test('a layer that this store has pushed before is not compressed again: it is there, or mounted from the other repository', () => {
    assert.doesNotMatch(push('localhost/base:latest', 'one:latest'), /skipped/)
    assert.match(push('localhost/base:latest', 'one:again'), /skipped: already exists/)
    assert.match(push('localhost/base:latest', 'two:latest'), /skipped: already exists/)
    assert.deepEqual(layersOf('two:latest'), layersOf('one:latest'))
  })

  test('an image that was pulled goes back with the layers of that registry, byte for byte', () => {
    host.podmanOk(['push', '-q', '--tls-verify=false', 'localhost/base:latest', `docker://${registry}/from-podman:latest`])
    host.tpodOk(['rmi', '-a', '-f'])
    host.tpodOk(['pull', '-q', '--tls-verify=false', `${registry}/from-podman:latest`])
    assert.match(push(`${registry}/from-podman:latest`, 'back:latest'), /skipped: already exists/)
    assert.deepEqual(layersOf('back:latest'), layersOf('from-podman:latest'))
  })

  test('asked for another compression, the layer is made anew', () => {
    const zstd = host.tpod(['push', '--tls-verify=false', '--compression-format', 'zstd', `${registry}/from-podman:latest`, `${registry}/zstd:latest`])
    assert.equal(zstd.code, 0, zstd.stderr)
    assert.doesNotMatch(zstd.stderr, /skipped/)
    assert.notDeepEqual(layersOf('zstd:latest'), layersOf('from-podman:latest'))
  })

  test('a damaged memory of earlier pushes only costs time', () => {
    host.run('sh', ['-c', `for f in ${host.graphRoot}/tpod/layer-forms/*; do echo '{"x' > $f; done`])
    assert.match(push(`${registry}/from-podman:latest`, 'again:latest'), /Writing manifest/)
  })
})

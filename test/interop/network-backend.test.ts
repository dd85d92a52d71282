/** A store that tpod fills first keeps podman's and buildah's networks: they would take it for one from CNI's time. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TestHost } from '../support/host.ts'

const [ours, theirs] = [new TestHost(), new TestHost()]
after(() => {
  ours.dispose()
  theirs.dispose()
})

test('podman chooses the same network backend in a store that tpod made as in one of its own', () => {
  ours.tpodOk(['import', '-q', ours.busyboxTar(), 'first:1'])
  const backend = (host: TestHost): string => host.podmanOk(['info', '--format', '{{.Host.NetworkBackend}}'])
  assert.equal(backend(ours), backend(theirs))
  const noted = (host: TestHost): string => readFileSync(join(host.graphRoot, 'defaultNetworkBackend'), 'utf8')
  assert.equal(noted(ours), noted(theirs))
})

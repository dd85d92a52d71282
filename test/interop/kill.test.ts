// kill -9 of tpod at random moments of a pull and of a run: afterwards both tools work and nothing half-made is left.
// TPOD_KILLS sets the number of each (the long run uses 200).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'
import { buildLayeredImage, pushToRegistry } from '../support/images.ts'
import { assertLayersWhole, assertNoHalfLayers, assertStoreHealthy } from '../support/invariants.ts'
import { killAfter, typicalMs } from '../support/kill.ts'

const kills = Number(process.env['TPOD_KILLS'] ?? 12)
const host = new TestHost()
let reference = ''

before(async () => {
  const registry = await host.startRegistry()
  buildLayeredImage(host)
  pushToRegistry(host, 'localhost/layers:latest', registry, 'layers')
  reference = `${registry}/layers:latest`
  host.podmanOk(['rmi', '-a', '-f'])
})

after(() => host.dispose())

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test(`a pull killed ${kills} times leaves nothing half-made`, async () => {
  const pull = ['pull', '-q', '--tls-verify=false', reference]
  const span = await typicalMs(host, pull, () => host.tpod(['rmi', '-f', reference]))
  let hits = 0
  for (let i = 0; i < kills; i++) {
    host.tpod(['rmi', '-f', reference])
    if (await killAfter(host, pull, Math.random() * span)) hits++
    host.podmanOk(['images'])
    assertStoreHealthyAfterRecovery()
  }
  assert.ok(hits > kills / 4, `only ${hits} of ${kills} kills hit the pull`)
  host.tpodOk(pull)
  assert.equal(host.podmanOk(['run', '--rm', '--network', 'none', reference, 'echo', 'whole']), 'whole')
  assertStoreHealthy(host)
  await assertLayersWhole(host)
})

function assertStoreHealthyAfterRecovery(): void {
  // Any changing command cleans up what the killed one left.
  host.tpodOk(['pull', '-q', '--tls-verify=false', reference])
  assertStoreHealthy(host)
}

for (const network of ['none', 'bridge']) {
  test(`run --rm (network ${network}) killed ${kills} times leaves no container, mount, process or rule`, async () => {
    host.tpodOk(['pull', '-q', '--tls-verify=false', reference])
    const run = ['run', '--rm', '--network', network, '--name', 'victim', reference, 'true']
    const span = await typicalMs(host, run)
    for (let i = 0; i < kills; i++) {
      await killAfter(host, run, Math.random() * span * 1.1)
      // The name must be free at once or after the monitor's clean-up: never "name in use" for ever.
      let last = ''
      await expectEventually(() => {
        const { code, stderr } = host.tpod(run)
        last = `${code}: ${stderr}`
        return code === 0
      }, () => `the same run works again after kill ${i + 1}; it says ${last}`)
    }
    await expectEventually(() => host.tpodOk(['ps', '-aq']) === '', 'no container is listed')
    host.tpodOk(run)
    await expectEventually(() => host.leftovers().length === 0, () => `nothing is left: ${host.leftovers().join('\n')}`)
    assert.equal(host.podmanOk(['ps', '-aq', '--external']), '')
    assertNoHalfLayers(host)
    assert.doesNotMatch(host.run('nft', ['list', 'ruleset']).stdout, /victim/)
  })
}

async function expectEventually(check: () => boolean, what: string | (() => string)): Promise<void> {
  const end = Date.now() + 10_000
  while (!check()) {
    if (Date.now() > end) assert.fail(typeof what === 'string' ? what : what())
    await sleep(200)
  }
}

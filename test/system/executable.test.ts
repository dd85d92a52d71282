// The executable is the file that users copy onto a node: it works where neither the checkout nor Node can be reached.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { projectRoot, TestHost } from '../support/host.ts'
import { pushToRegistry } from '../support/images.ts'

const host = new TestHost()
let registry = ''

before(async () => {
  registry = await host.startRegistry()
  host.importBusybox('localhost/busybox:latest')
  pushToRegistry(host, 'localhost/busybox:latest', registry, 'busybox')
  host.podmanOk(['rmi', '-a', '-f'])
})

after(() => host.dispose())

test('copied elsewhere, with the checkout out of reach, it pulls, runs detached, executes and removes', { skip: existsSync(join(projectRoot, 'dist/tpod')) ? false : 'no executable was built for this machine' }, () => {
  const copy = join(host.directory, 'copied-tpod')
  copyFileSync(join(projectRoot, 'dist/tpod'), copy)
  const tpod = `${copy} ${host.storeFlags().join(' ')}`
  const script = `set -e
    mount -t tmpfs tmpfs ${projectRoot}
    ${tpod} pull -q --tls-verify=false ${registry}/busybox
    ${tpod} run --rm --network none ${registry}/busybox echo ran
    ${tpod} run -d --rm --name short --network none ${registry}/busybox sleep 1 >/dev/null
    ${tpod} exec short echo executed
    ${tpod} wait short >/dev/null
    sleep 0.5
    ${tpod} ps -aq`
  const result = host.run('unshare', ['--mount', 'sh', '-c', script])
  assert.equal(result.stderr, '')
  assert.match(result.stdout, /\nran\nexecuted\n$/)
  assert.equal(result.code, 0)
})

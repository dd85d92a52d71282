import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
import { loadContainersConf } from '../../../src/config/containers-conf.ts'

const work = mkdtempSync(`${tmpdir()}/tpod-conf-`)
after(() => rmSync(work, { recursive: true, force: true }))

function write(name: string, text: string): string {
  writeFileSync(`${work}/${name}`, text)
  return `${work}/${name}`
}

test('CONTAINERS_CONF replaces, CONTAINERS_CONF_OVERRIDE is laid over it', async () => {
  const main = write('a.conf', '[containers]\n# comment\ndefault_ulimits = []\npids_limit = 7\nenv = ["A=1"]\n[engine]\ninit_path = "/x/init"\n[engine.runtimes]\nmine = ["/opt/mine"]\n')
  const over = write('b.conf', '[containers]\nenv = ["B=2", {append=true}]\ntz = "local"\nunknown_key = 3\n')
  const config = await loadContainersConf({ env: { CONTAINERS_CONF: main, CONTAINERS_CONF_OVERRIDE: over }, isRoot: true, home: '/root' })
  assert.deepEqual(config.containers.env, ['A=1', 'B=2'])
  assert.deepEqual([config.containers.pidsLimit, config.containers.tz, config.containers.initPath], [7, 'local', '/x/init'])
  assert.deepEqual(config.engine.runtimes['mine'], ['/opt/mine'])
  assert.ok(config.engine.runtimes['crun'])
  assert.equal(config.containers.defaultCapabilities.length, 11)
  assert.deepEqual(config.sources, [main, over])
})

test('a user file and its drop-ins are read without root', async () => {
  mkdirSync(`${work}/cfg/containers/containers.conf.d`, { recursive: true })
  writeFileSync(`${work}/cfg/containers/containers.conf`, '[engine]\ndetach_keys = "ctrl-a"\nstop_timeout = 3\n')
  writeFileSync(`${work}/cfg/containers/containers.conf.d/10-x.conf`, '[engine]\nstop_timeout = 4\n')
  const config = await loadContainersConf({ env: { XDG_CONFIG_HOME: `${work}/cfg` }, isRoot: false, home: '/nowhere' })
  assert.deepEqual([config.engine.detachKeys, config.engine.stopTimeout], ['ctrl-a', 4])
})

for (const [text, message] of [
  ['[containers]\npids_limit = "many"', /containers\.pids_limit must be a whole number/],
  ['[containers]\nenv = "A=1"', /containers\.env must be a list of strings/],
  ['[containers]\ninit = 1', /containers\.init must be a boolean/],
  ['[containers', /bad\.conf: /],
] as const) {
  test(`refuses ${JSON.stringify(text)}, naming the file`, async () => {
    await assert.rejects(loadContainersConf({ env: { CONTAINERS_CONF: write('bad.conf', text) }, isRoot: true, home: '/' }), message)
  })
}

test('a named file must exist', async () => {
  await assert.rejects(loadContainersConf({ env: { CONTAINERS_CONF: '/no/such.conf' }, isRoot: true, home: '/' }), /read \/no\/such\.conf: ENOENT/)
})

/** tpod is called in directories that others write to: nothing there may steer it. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TestHost } from '../support/host.ts'

const host = new TestHost()
after(() => host.dispose())

test('runtime configuration in the working directory runs and sets nothing: .env, bunfig.toml, package.json, node_modules', () => {
  const cwd = join(host.directory, 'hostile')
  const mark = join(cwd, 'executed')
  mkdirSync(join(cwd, 'node_modules/@oclif/core'), { recursive: true })
  const attack = `require('node:fs').writeFileSync(${JSON.stringify(mark)}, '')\n`
  for (const name of ['evil.js', 'node_modules/@oclif/core/index.js', 'node_modules/@oclif/core/command.js', '.pnp.cjs', 'sitecustomize.js']) writeFileSync(join(cwd, name), attack)
  writeFileSync(join(cwd, 'bunfig.toml'), 'preload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n')
  for (const name of ['.env', '.env.local', '.env.production']) writeFileSync(join(cwd, name), `CONTAINERS_CONF=${join(cwd, 'none.conf')}\nNODE_OPTIONS=--require=${join(cwd, 'evil.js')}\nMARKED=1\n`)
  writeFileSync(join(cwd, 'package.json'), '{"name":"x","imports":{"#x":"./evil.js"},"main":"evil.js"}')
  writeFileSync(join(cwd, 'tsconfig.json'), '{"compilerOptions":{"paths":{"*":["./evil.js"]}}}')
  const { CONTAINERS_CONF: _theirs, ...env } = host.env
  for (const runtime of ['', 'node']) {
    const ps = host.run(join(import.meta.dirname, '../../bin/tpod'), [...host.storeFlags(), 'ps', '-a'], { cwd, env: { ...env, CONTAINERS_CONF: '', TPOD_RUNTIME: runtime } })
    assert.equal(ps.code, 0, ps.stderr)
    assert.ok(!existsSync(mark), `executed under ${runtime || 'the executable'}`)
  }
})

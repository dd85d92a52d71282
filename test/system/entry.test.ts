/** bin/tpod, the way in: by links of any name from any directory, on the executable or on Node, in a checkout or as an npm package. */
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { projectRoot } from '../support/host.ts'

const directory = mkdtempSync('/var/tmp/tpod-entry-')
after(() => rmSync(directory, { recursive: true, force: true }))

const nodeDirectory = dirname(process.execPath)
const env = { PATH: `${nodeDirectory}:/usr/bin:/bin:/usr/sbin:/sbin`, HOME: directory }

function runFile(file: string, args: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: options.cwd ?? '/', env: { ...env, ...options.env }, encoding: 'utf8' })
  return { code: status, stdout, stderr }
}

function runtimeOf(file: string, options: Parameters<typeof runFile>[2] = {}): string {
  const { stdout, stderr } = runFile(file, ['version', '--format', '{{.Client.Runtime}}'], options)
  return stdout.split(' ')[0] || stderr
}

/** bin/ and what else is named, as in a checkout where nothing was built. */
function checkout(name: string): string {
  const root = join(directory, name)
  mkdirSync(join(root, 'bin'), { recursive: true })
  copyFileSync(join(projectRoot, 'bin/tpod'), join(root, 'bin/tpod'))
  chmodSync(join(root, 'bin/tpod'), 0o755)
  return root
}

test('links of any name, relative and chained, from any directory', () => {
  mkdirSync(join(directory, 'a dir/deeper'), { recursive: true })
  symlinkSync(join(projectRoot, 'bin/tpod'), join(directory, 'a dir/docker'))
  symlinkSync('../docker', join(directory, 'a dir/deeper/odd name'))
  for (const cwd of ['/', join(directory, 'a dir/deeper')]) {
    assert.equal(runFile(join(directory, 'a dir/deeper/odd name'), ['version', '--format', '{{.Client.Version}}'], { cwd }).code, 0)
  }
  assert.equal(runFile('./odd name', ['version'], { cwd: join(directory, 'a dir/deeper') }).code, 0)
  const onPath = runFile('docker', ['version'], { env: { PATH: `${join(directory, 'a dir')}:${env.PATH}` } })
  assert.equal(onPath.code, 0, onPath.stderr)
})

test('the executable, Node where it is asked for, Node where no executable was built', () => {
  if (existsSync(join(projectRoot, 'dist/tpod'))) assert.equal(runtimeOf(join(projectRoot, 'bin/tpod')), 'bun')
  assert.equal(runtimeOf(join(projectRoot, 'bin/tpod'), { env: { TPOD_RUNTIME: 'node' } }), 'node')
  const root = checkout('not built')
  symlinkSync(join(projectRoot, 'src'), join(root, 'src'))
  assert.equal(runtimeOf(join(root, 'bin/tpod')), 'node')
})

test('without executable and Node it says what to do', () => {
  const root = checkout('nothing')
  const empty = join(directory, 'empty')
  mkdirSync(empty)
  symlinkSync('/bin/sh', join(empty, 'sh'))
  const { code, stderr } = runFile(join(root, 'bin/tpod'), ['version'], { env: { PATH: empty } })
  assert.equal(code, 125)
  assert.match(stderr, /npm run setup/)
})

test('the npm package holds all it needs, and no links', () => {
  const packed = spawnSync('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], { cwd: projectRoot, env: { ...env, npm_config_cache: join(directory, 'cache') }, encoding: 'utf8' })
  assert.equal(packed.status, 0, packed.stderr)
  const modules = join(directory, 'project/node_modules')
  mkdirSync(modules, { recursive: true })
  assert.equal(spawnSync('tar', ['-C', modules, '-xf', join(directory, packed.stdout.trim().split('\n').at(-1) ?? '')]).status, 0)
  const root = join(modules, 'tpod')
  spawnSync('mv', [join(modules, 'package'), root])
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  assert.deepEqual(files.filter((name) => lstatSync(join(root, name)).isSymbolicLink() || /^(src|test|scripts)\/|^dist\/tpod/.test(name)), [])
  // Extracted by npm, a hard link or an empty file would be missing.
  assert.ok(lstatSync(join(root, 'native/build/Release/tpod.node')).size > 10_000)
  for (const name of ['@oclif', 'smol-toml', 'ansis', 'cli-spinners', 'debug', 'ms']) {
    if (existsSync(join(projectRoot, 'node_modules', name))) symlinkSync(join(projectRoot, 'node_modules', name), join(modules, name))
  }
  assert.equal(runtimeOf(join(root, 'bin/tpod')), 'node')
  const store = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run')]
  const { code, stdout, stderr } = runFile(join(root, 'bin/tpod'), [...store, 'ps', '-a', '--format', '{{.ID}}'])
  assert.deepEqual({ code, stdout }, { code: 0, stdout: '' }, stderr)
  writeFileSync(join(directory, 'project/main.mjs'), `
    import { listContainers, openEngine } from 'tpod'
    console.log((await listContainers(await openEngine({ root: ${JSON.stringify(join(directory, 'root'))}, runroot: ${JSON.stringify(join(directory, 'run'))} }), { all: true })).length)
  `)
  assert.equal(runFile(process.execPath, [join(directory, 'project/main.mjs')]).stdout, '0\n')
})

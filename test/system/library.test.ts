/** The library as a Node program meets it: README's own example against dist/lib, types included, then what it promises. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { expectOk, projectRoot, type Result, TestHost } from '../support/host.ts'

const host = new TestHost()
const project = join(host.directory, 'project')

before(() => {
  // `npm test` has built it.
  if (!existsSync(join(projectRoot, 'dist/lib/index.js'))) expectOk(['build'], host.run(process.execPath, [join(projectRoot, 'scripts/build.ts'), '--lib']))
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
  symlinkSync(projectRoot, join(project, 'node_modules/tpod'))
  symlinkSync(join(projectRoot, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'))
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
  host.importBusybox('docker.io/library/alpine:latest')
})
after(() => host.dispose())

/** The indented block of README that follows the heading. */
function readmeExample(heading: string): string {
  const section = readFileSync(join(projectRoot, 'README.md'), 'utf8').split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section.split('\n').filter((line) => line.startsWith('    ') || line === '').map((line) => line.slice(4)).join('\n').trim()
}

function runProgram(name: string, text: string, env: Record<string, string> = {}): Result {
  writeFileSync(join(project, name), text)
  return host.run(process.execPath, [join(project, name)], { cwd: project, env })
}

test('README\'s example compiles and runs', () => {
  const example = readmeExample('From Node')
  assert.match(example, /from 'tpod'/)
  writeFileSync(join(project, 'example.ts'), example)
  const flags = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node', '--exactOptionalPropertyTypes']
  expectOk(['tsc'], host.run(process.execPath, [join(projectRoot, 'node_modules/typescript/bin/tsc'), ...flags, join(project, 'example.ts')], { cwd: project }))
  const { code, stdout, stderr } = runProgram('example.mjs', example)
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'hello\n0 0\n' }, stderr)
})

test('README\'s example about images compiles', () => {
  const example = readmeExample('Images from Node')
  assert.match(example, /openTransports/)
  writeFileSync(join(project, 'images.ts'), example)
  const flags = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node', '--exactOptionalPropertyTypes']
  expectOk(['tsc'], host.run(process.execPath, [join(projectRoot, 'node_modules/typescript/bin/tsc'), ...flags, join(project, 'images.ts')], { cwd: project }))
})

test('a wrong request does not compile', () => {
  writeFileSync(join(project, 'wrong.ts'), `import { openEngine, runContainer } from 'tpod'\nawait runContainer(await openEngine(), { image: 'a', comand: ['x'] })\n`)
  const flags = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node']
  const { code, stdout } = host.run(process.execPath, [join(projectRoot, 'node_modules/typescript/bin/tsc'), ...flags, join(project, 'wrong.ts')], { cwd: project })
  assert.notEqual(code, 0)
  assert.match(stdout, /comand/)
})

test('an aborted run stops the container, and --rm leaves nothing', () => {
  const { code, stdout, stderr } = runProgram('abort.mjs', `
    import { listContainers, openEngine, runContainer } from 'tpod'
    const engine = await openEngine()
    const controller = new AbortController()
    const reason = new Error('enough')
    let output = ''
    const started = Date.now()
    const run = runContainer(engine,
      { image: 'alpine', command: ['sh', '-c', 'trap "echo stopped; exit 3" TERM; echo ready; while :; do sleep 0.1; done'], remove: true, network: 'none' },
      { streams: { stdout: (chunk) => { output += chunk; if (output.includes('ready')) controller.abort(reason) } }, signal: controller.signal })
    console.log(await run.catch((error) => error === reason), JSON.stringify(output), Date.now() - started < 9000)
    console.log((await listContainers(engine, { all: true })).length)
    const already = runContainer(engine, { image: 'alpine', command: ['true'], remove: true, network: 'none' }, { signal: AbortSignal.abort(reason) })
    console.log(await already.catch((error) => error === reason), (await listContainers(engine, { all: true })).length)
  `)
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'true "ready\\nstopped\\n" true\n0\ntrue 0\n' }, stderr)
})

test('two stores at once know nothing of each other; environments do not bleed between containers', () => {
  const second = mkdtempSync(join(host.directory, 'second-'))
  try {
    const { code, stdout, stderr } = runProgram('stores.mjs', `
      import { execContainer, listContainers, listImages, openEngine, removeContainer, runContainer } from 'tpod'
      const first = await openEngine()
      const second = await openEngine({ root: process.env.SECOND + '/root', runroot: process.env.SECOND + '/run' })
      const capture = async (request) => {
        let output = ''
        const { exitCode } = await runContainer(first, { image: 'alpine', remove: true, network: 'none', ...request }, { streams: { stdout: (chunk) => { output += chunk } } })
        return output.trim() + ' ' + exitCode
      }
      console.log(await Promise.all([
        capture({ command: ['sh', '-c', 'echo \${A-unset} \${B-unset} \${SECRET-unset}$http_proxy'], env: { A: '1' } }),
        capture({ command: ['sh', '-c', 'echo \${A-unset} \${B-unset} \${SECRET-unset}; exit 4'], env: { B: '2' } }),
      ]))
      const { id } = await runContainer(first, { image: 'alpine', name: 'kept', command: ['sleep', '60'], network: 'none' }, { detach: true })
      const all = { all: true }
      console.log((await listContainers(first, all)).length, (await listContainers(second, all)).length, (await listImages(first)).length, (await listImages(second)).length)
      const said = { stdout: '', stderr: '' }
      const status = await execContainer(first, 'kept', { command: ['sh', '-c', 'cat; echo oops >&2; exit 7'], stdin: true },
        { stdin: (await import('node:stream')).Readable.from(['fed\\n']), stdout: (chunk) => { said.stdout += chunk }, stderr: (chunk) => { said.stderr += chunk } })
      console.log(status, JSON.stringify(said))
      await removeContainer(first, id, { force: true, timeoutSec: 0 })
      console.log(await runContainer(second, { image: 'alpine' }, { pull: { policy: 'never' } }).catch((error) => error.code))
    `, { SECOND: second, SECRET: 'of the program', http_proxy: 'http://user:word@proxy' })
    assert.deepEqual({ code, stdout }, {
      code: 0,
      stdout: "[ '1 unset unset 0', 'unset 2 unset 4' ]\n1 0 1 0\n7 {\"stdout\":\"fed\\n\",\"stderr\":\"oops\\n\"}\nNO_SUCH_IMAGE\n",
    }, stderr)
  } finally {
    rmSync(second, { recursive: true, force: true })
  }
})

test('images move and are looked at without an engine or a store', async () => {
  const registry = await host.startRegistry()
  host.podmanOk(['push', '-q', '--tls-verify=false', 'docker.io/library/alpine:latest', `docker://${registry}/lib/alpine:one`])
  const { code, stdout, stderr } = runProgram('transports.mjs', `
    import { copyImage, inspectRemoteImage, listRemoteTags, openTransports } from 'tpod'
    const transports = openTransports()
    const source = { tlsVerify: false }
    const { manifest } = await copyImage(transports, 'docker://${registry}/lib/alpine:one', 'oci:${join(host.directory, 'layout')}:one', { source, preserveDigests: true })
    const there = await inspectRemoteImage(transports, 'oci:${join(host.directory, 'layout')}:one')
    console.log(JSON.stringify([manifest.digest === there.Digest, await listRemoteTags(transports, 'docker://${registry}/lib/alpine', source)]))
  `)
  assert.deepEqual({ code, stdout }, { code: 0, stdout: '[true,["one"]]\n' }, stderr)
})

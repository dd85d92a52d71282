/** Pulls through a proxy: the registry's name is known to the proxy alone, so that nothing can get there another way. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { expectOk, freePort, TestHost, tpodPath } from '../support/host.ts'
import type { Result } from '../support/host.ts'
import { buildLayeredImage, pushToRegistry } from '../support/images.ts'
import { TestProxy } from '../support/proxy.ts'
import type { TestProxyOptions } from '../support/proxy.ts'

const host = new TestHost()
const proxies: TestProxy[] = []
let plainPort: number
let securePort: number
let secureRegistry: ChildProcess
const image = 'reg.test:5000/layers'
const path = (name: string): string => join(host.directory, name)
const openssl = (...args: string[]): string => expectOk(['openssl'], host.run('openssl', args))

/** One CA for the registry, for us as its client, and for the proxy. */
function makeCertificates(): void {
  mkdirSync(path('certs'))
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', path('ca.key'), '-out', path('certs/ca.crt'), '-days', '2', '-subj', '/CN=tpod test CA')
  for (const [name, extension] of [['server', 'subjectAltName=DNS:reg.test,IP:192.0.2.7'], ['proxy', 'subjectAltName=IP:127.0.0.1'], ['certs/client', 'extendedKeyUsage=clientAuth']] as const) {
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', path(`${name}.key`), '-out', path('request.csr'), '-subj', `/CN=${name.replace('certs/', '')}`)
    openssl('x509', '-req', '-in', path('request.csr'), '-CA', path('certs/ca.crt'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', host.writeFile('extension', extension), '-out', path(`${name}.cert`))
  }
}

/** The same images as the plain registry's, for clients that have a certificate. */
async function startSecureRegistry(): Promise<void> {
  securePort = await freePort()
  const config = host.writeFile(
    'secure.yml',
    `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${path(`registry-${plainPort}`)}\nhttp:\n  addr: 127.0.0.1:${securePort}\n  tls:\n    certificate: ${path('server.cert')}\n    key: ${path('server.key')}\n    clientcas:\n      - ${path('certs/ca.crt')}\n`,
  )
  secureRegistry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  for (let attempt = 0; host.run('openssl', ['s_client', '-connect', `127.0.0.1:${securePort}`]).code !== 0; attempt++) {
    if (attempt > 100) throw new Error('the registry did not come up')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

before(async () => {
  plainPort = Number((await host.startRegistry()).split(':')[1])
  buildLayeredImage(host)
  pushToRegistry(host, 'localhost/layers:latest', `127.0.0.1:${plainPort}`, 'layers')
  host.podmanOk(['rmi', '-a', '-f'])
  makeCertificates()
  await startSecureRegistry()
})
afterEach(() => {
  for (const proxy of proxies.splice(0)) proxy.close()
  host.tpod(['rmi', '-a', '-f'])
})
after(() => {
  secureRegistry.kill()
  host.dispose()
})

async function openProxy(options: TestProxyOptions): Promise<{ proxy: TestProxy; address: string }> {
  const proxy = new TestProxy(options)
  proxies.push(proxy)
  return { proxy, address: await proxy.listen() }
}

/** Not by spawnSync: the proxy is in this process. `trusted`: the system's CAs are only ours. */
function pull(args: readonly string[], env: Record<string, string>, { trusted = false } = {}): Promise<Result> {
  const bundle = '/etc/ssl/certs/ca-certificates.crt'
  const command = [tpodPath, ...host.storeFlags(), 'pull', '-q', '--retry', '0', ...args]
  const [file, ...rest] = trusted ? ['unshare', '--mount', 'sh', '-c', `mount --bind ${path('certs/ca.crt')} ${bundle} && exec "$@"`, 'sh', ...command] : command
  return new Promise((resolve) => {
    const child = spawn(file!, rest, { env: { ...host.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => (output[name] += chunk.toString()))
    child.on('close', (code) => resolve({ code: code ?? 128, ...output }))
  })
}

test('an HTTPS registry with its own CA and a client certificate, through a proxy with a login', async () => {
  const { proxy, address } = await openProxy({ hosts: { 'reg.test:5000': securePort }, credentials: 'me:p@ss' })
  const result = await pull(['--cert-dir', path('certs'), image], { https_proxy: `http://me:p%40ss@${address}` })
  assert.equal(result.stderr, '')
  assert.equal(result.code, 0)
  assert.match(host.podmanOk(['images', '--format', '{{.Repository}}']), /^reg\.test:5000\/layers$/m)
  // Layers are fetched two at a time: connections are kept, not made for each of them.
  assert.deepEqual([...new Set(proxy.seen)], ['CONNECT reg.test:5000'])
  assert.ok(proxy.seen.length <= 3, proxy.seen.join())
})

test('a registry by address: its certificate is checked for the address', async () => {
  const { proxy, address } = await openProxy({ hosts: { '192.0.2.7:5000': securePort, '192.0.2.8:5000': securePort } })
  const result = await pull(['--cert-dir', path('certs'), '192.0.2.7:5000/layers'], { HTTPS_PROXY: address })
  assert.equal(result.code, 0, result.stderr)
  assert.equal(proxy.seen[0], 'CONNECT 192.0.2.7:5000')
  const other = await pull(['--cert-dir', path('certs'), '192.0.2.8:5000/layers'], { HTTPS_PROXY: address })
  assert.match(other.stderr, /certificate of 192\.0\.2\.8:5000 not trusted/)
})

test('the certificate that counts is the registry’s, also in a tunnel', async () => {
  const { address } = await openProxy({ hosts: { 'reg.test:5000': securePort, 'other.test:5000': securePort } })
  const unknown = await pull([image], { HTTPS_PROXY: address })
  assert.match(unknown.stderr, /certificate of reg\.test:5000 not trusted/)
  const wrongName = await pull(['--cert-dir', path('certs'), 'other.test:5000/layers'], { HTTPS_PROXY: address })
  assert.match(wrongName.stderr, /certificate of other\.test:5000 not trusted/)
  assert.equal(wrongName.code, 125)
})

test('a plain registry is asked through the proxy by whole URLs; NO_PROXY and loopback go around it', async () => {
  const { proxy, address } = await openProxy({ hosts: { 'reg.test:5000': plainPort } })
  assert.match((await pull([image], { HTTPS_PROXY: address })).stderr, /reg\.test:5000 answers in plain HTTP, not HTTPS/)
  proxy.seen.length = 0
  const env = { HTTP_PROXY: `http://${address}` }
  const result = await pull(['--tls-verify=false', image], { ...env, NO_PROXY: 'example.org,10.0.0.0/8' })
  assert.equal(result.code, 0, result.stderr)
  const seen = [...proxy.seen]
  assert.ok(seen.length > 3 && seen.every((line) => line.startsWith('GET http://reg.test:5000/v2/layers/')), seen.join())
  const direct = await pull(['--tls-verify=false', image], { ...env, NO_PROXY: '.test' })
  assert.match(direct.stderr, /connect to reg\.test:5000: no such host/)
  assert.equal((await pull([`127.0.0.1:${plainPort}/layers`], env)).code, 0)
  assert.deepEqual(proxy.seen, seen)
})

test('an https proxy is trusted by the system’s CAs alone, whatever holds for the registry', async () => {
  const { proxy, address } = await openProxy({ hosts: { 'reg.test:5000': securePort }, credentials: 'me:secret', tls: { key: readFileSync(path('proxy.key'), 'utf8'), cert: readFileSync(path('proxy.cert'), 'utf8') } })
  const env = { HTTPS_PROXY: `https://me:secret@${address}`, HTTP_PROXY: `https://me:secret@${address}` }
  for (const insecure of [[], ['--tls-verify=false']]) {
    const refused = await pull(['--cert-dir', path('certs'), ...insecure, image], env)
    assert.match(refused.stderr, new RegExp(`connect to proxy https://${address}: .*certificate`))
    assert.doesNotMatch(refused.stderr, /secret/)
  }
  assert.deepEqual(proxy.seen, [])
  const trusted = await pull(['--cert-dir', path('certs'), image], env, { trusted: true })
  assert.equal(trusted.stderr, '')
  assert.equal(trusted.code, 0)
  assert.deepEqual([...new Set(proxy.seen)], ['CONNECT reg.test:5000'])
})

test('env of containers.conf’s [engine] names the proxy where the environment does not', async () => {
  const { proxy, address } = await openProxy({ hosts: { 'reg.test:5000': securePort } })
  const conf = path('containers-proxy.conf')
  appendFileSync(conf, readFileSync(host.env['CONTAINERS_CONF']!, 'utf8').replace('[engine]\n', `[engine]\nenv = ["HTTPS_PROXY=http://${address}"]\n`))
  const args = ['--cert-dir', path('certs'), image]
  assert.equal((await pull(args, { CONTAINERS_CONF: conf, HTTPS_PROXY: 'http://127.0.0.1:1' })).code, 125)
  assert.deepEqual(proxy.seen, [])
  const result = await pull(args, { CONTAINERS_CONF: conf })
  assert.equal(result.code, 0, result.stderr)
  assert.notDeepEqual(proxy.seen, [])
})

test('a proxy that cannot be used is said before anything is asked', async () => {
  const result = await pull([image], { HTTPS_PROXY: 'socks5://me:secret@127.0.0.1:1080' })
  assert.equal(result.code, 125)
  assert.match(result.stderr, /use the proxy of HTTPS_PROXY: socks5 proxies are not supported, only http and https/)
  assert.doesNotMatch(result.stderr, /secret/)
})

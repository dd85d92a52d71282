/** TLS with a registry's own CA and client certificates, on the real docker-registry. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openRegistrySource } from '../../src/image/registry/registry-source.ts'
import type { TlsSearch } from '../../src/image/registry/tls.ts'
import { parseNormalizedReference } from '../../src/oci/reference.ts'
import { expectOk, freePort, TestHost } from '../support/host.ts'

const host = new TestHost()
let server: ChildProcess
let address: string
const path = (name: string): string => join(host.directory, name)
const openssl = (...args: string[]): string => expectOk(['openssl'], host.run('openssl', args))

before(async () => {
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', path('ca.key'), '-out', path('ca.pem'), '-days', '2', '-subj', '/CN=tpod test CA')
  for (const [name, extension] of [['server', 'subjectAltName=IP:127.0.0.1'], ['client', 'extendedKeyUsage=clientAuth']] as const) {
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', path(`${name}.key`), '-out', path(`${name}.csr`), '-subj', `/CN=${name}`)
    openssl('x509', '-req', '-in', path(`${name}.csr`), '-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', host.writeFile(`${name}.ext`, extension), '-out', path(`${name}.pem`))
  }
  const port = await freePort()
  address = `127.0.0.1:${port}`
  const config = host.writeFile(
    'tls.yml',
    `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${path('tls-registry')}\nhttp:\n  addr: ${address}\n  tls:\n    certificate: ${path('server.pem')}\n    key: ${path('server.key')}\n    clientcas:\n      - ${path('ca.pem')}\n`,
  )
  server = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  for (let attempt = 0; !(await answers(port)); attempt++) {
    if (attempt > 100) throw new Error('the registry did not come up')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
})
after(() => {
  server.kill()
  host.dispose()
})

/** True when something speaks TLS there, whatever it thinks of us. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => resolve(true))
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
    probe.end()
  })
}

async function failure(tls: TlsSearch): Promise<{ code?: string; message: string; remedy?: string }> {
  const reference = parseNormalizedReference(`${address}/x/y:1`)
  try {
    const source = await openRegistrySource(reference, `${address}/x/y:1`, { tls, credentials: async () => undefined, userAgent: 'tpod-test', stallTimeoutMs: 5000, retryDelayMs: 1, attempts: 1 })
    await source.getManifest().finally(() => source.close())
  } catch (error) {
    return error as { code?: string; message: string; remedy?: string }
  }
  throw new Error('the registry is empty: this cannot succeed')
}

/** Directory with HOST:PORT/ holding the given files of ours under the given names. */
function certificates(files: Record<string, string>): string {
  const directory = path(`certs-${Object.keys(files).join('-')}`)
  mkdirSync(join(directory, address), { recursive: true })
  for (const [name, source] of Object.entries(files)) copyFileSync(path(source), join(directory, address, name))
  return directory
}

test('an unknown CA is refused, and the message says where to put it', async () => {
  const error = await failure({ insecure: false, certDirectories: ['/nonexistent'] })
  assert.equal(error.code, 'REGISTRY_TLS')
  assert.match(error.message, /certificate of 127\.0\.0\.1:\d+ not trusted/)
  assert.match(error.remedy ?? '', new RegExp(`certs\\.d/${address}/ca\\.crt`))
})

test("the registry's CA and a client certificate from certs.d, or from --cert-dir", async () => {
  const directory = certificates({ 'ca.crt': 'ca.pem', 'client.cert': 'client.pem', 'client.key': 'client.key' })
  assert.equal((await failure({ insecure: false, certDirectories: ['/nonexistent', directory] })).code, 'MANIFEST_UNKNOWN')
  assert.equal((await failure({ insecure: false, certDirectories: [], certDirectory: join(directory, address) })).code, 'MANIFEST_UNKNOWN')
})

test('insecure accepts any certificate, and still presents ours', async () => {
  const directory = certificates({ 'client.cert': 'client.pem', 'client.key': 'client.key' })
  assert.equal((await failure({ insecure: true, certDirectories: [directory] })).code, 'MANIFEST_UNKNOWN')
})

test('without the client certificate the registry hangs up', async () => {
  const directory = certificates({ 'ca.crt': 'ca.pem' })
  const error = await failure({ insecure: false, certDirectories: [directory] })
  assert.match(error.code ?? '', /^REGISTRY_(TLS|UNREACHABLE)$/)
  assert.doesNotMatch(error.message, /\n/)
})

test('a certificate without its key is said', async () => {
  const directory = path('half')
  mkdirSync(join(directory, address), { recursive: true })
  writeFileSync(join(directory, address, 'x.cert'), '')
  const error = await failure({ insecure: false, certDirectories: [directory] })
  assert.equal(error.code, 'CERTIFICATE_INVALID')
  assert.match(error.message, /no x\.key beside it/)
})

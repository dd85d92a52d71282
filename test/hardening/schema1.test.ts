/** Signed manifests of docker's schema 1 are known by the digest of a part of their bytes: what stands in the rest must not count. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import { openRegistrySourceByName } from '../../src/image/registry/open-registry.ts'
import type { TransportContext } from '../../src/image/types.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { manifestDigest, parseSchema1, writeSchema1 } from '../../src/oci/schema1.ts'

const evil = `sha256:${'e'.repeat(64)}`
const id = 'a'.repeat(64)
const evilLayers = `"fsLayers":[{"blobSum":"${evil}"}],"history":[{"v1Compatibility":${JSON.stringify(JSON.stringify({ id }))}}]`

/** A document that begins with `trusted` without its last brace, and goes on with `more`. */
function forge(trusted: string, more: string): Buffer {
  const protectedHeader = Buffer.from(JSON.stringify({ formatLength: Buffer.byteLength(trusted) - 1, formatTail: Buffer.from('}').toString('base64url') })).toString('base64url')
  return Buffer.from(`${trusted.slice(0, -1)},${more},"signatures":[{"header":{},"signature":"","protected":"${protectedHeader}"}]}`)
}

const trusted = JSON.stringify({
  schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: `sha256:${'c'.repeat(64)}`, size: 2 },
  layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${'d'.repeat(64)}`, size: 2 }],
})
const forgedModern = forge(trusted, `"schemaVersion":1,"config":null,"layers":null,"name":"x/y","tag":"1",${evilLayers}`)

async function forgedOld(): Promise<Buffer> {
  const signed = Buffer.from(await writeSchema1({ name: 'x/y', tag: '1', architecture: 'amd64', layers: [{ digest: `sha256:${'b'.repeat(64)}`, v1: JSON.stringify({ id }) }] })).toString()
  return forge(`${signed.slice(0, signed.indexOf(',"signatures"'))}}`, evilLayers)
}

test('bytes that begin as a trusted manifest do not get its digest', async () => {
  for (const forged of [forgedModern, await forgedOld(), forge('{"schemaVersion":1,"FSLayers":[]}', evilLayers)]) {
    assert.throws(() => manifestDigest(forged), { code: 'BAD_MANIFEST' })
    assert.throws(() => parseSchema1(forged, 'x'), { code: 'BAD_MANIFEST' })
  }
  // What is honest stays.
  const honest = await writeSchema1({ name: 'x/y', tag: '1', architecture: 'amd64', layers: [{ digest: evil, v1: JSON.stringify({ id }) }] })
  assert.equal(parseSchema1(honest, 'x').layers[0]?.digest, evil)
})

test('a signed manifest that is nested without end is read or refused in one line: Bun has less stack than Node', () => {
  const deep = `{"schemaVersion":1,"x":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`
  const header = Buffer.from(JSON.stringify({ formatLength: deep.length - 1, formatTail: Buffer.from('}').toString('base64url') })).toString('base64url')
  try {
    assert.equal(manifestDigest(Buffer.from(`${deep.slice(0, -1)},"signatures":[{"protected":"${header}"}]}`)), digestOf(Buffer.from(deep)))
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'BAD_MANIFEST')
  }
})

test('a registry that is asked for a digest cannot give another image as schema 1', async () => {
  const server = createServer((_, response) => void response.writeHead(200, { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' }).end(forgedModern))
  after(() => void (server.closeAllConnections(), server.close()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const context = {
    registries: async () => ({ registries: [], searchRegistries: [], searchOrigin: '', shortNameMode: 'disabled', aliases: new Map(), credentialHelpers: [] }),
    credentials: { find: async () => undefined }, registriesDirectories: [],
  } as unknown as TransportContext
  const source = await openRegistrySourceByName(context, `//127.0.0.1:${(server.address() as { port: number }).port}/x/y@${digestOf(Buffer.from(trusted))}`, { tlsVerify: false, retries: 0 })
  await assert.rejects(source.getManifest(), { code: 'BAD_MANIFEST' })
  await source.close()
})

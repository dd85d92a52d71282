import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { signatureFetcher } from '../../../../src/image/trust/fetch-signature.ts'
import { readLookaside, writeLookaside } from '../../../../src/image/trust/lookaside.ts'
import type { Signature } from '../../../../src/image/types.ts'
import { parseNormalizedReference } from '../../../../src/oci/reference.ts'

const root = mkdtempSync(join(tmpdir(), 'lookaside-'))
after(() => rmSync(root, { recursive: true }))
const reference = parseNormalizedReference('r.io:5000/team/app:1')
const digest = `sha256:${'a'.repeat(64)}`
const simple = (byte: number): Signature => ({ kind: 'simple', bytes: Buffer.from([0xa3, byte]) })
const noFetch = { fetchUrl: () => Promise.reject(new Error('not asked')) }

test('a directory keeps signatures in order; fewer replace more', async () => {
  const base = `file://${root}/with%20space`
  assert.deepEqual(await readLookaside(base, reference, digest, noFetch), [])
  await writeLookaside(base, reference, digest, [simple(1), simple(2), simple(3)])
  const place = join(root, 'with space/team/app@sha256=' + 'a'.repeat(64))
  assert.deepEqual([...readFileSync(join(place, 'signature-2'))], [0xa3, 2])
  assert.deepEqual(await readLookaside(base, reference, digest, noFetch), [simple(1), simple(2), simple(3)])
  await writeLookaside(base, reference, digest, [simple(9)])
  assert.deepEqual(await readLookaside(base, reference, digest, noFetch), [simple(9)])
  assert.ok(!existsSync(join(place, 'signature-3')))
  writeFileSync(join(place, 'signature-2'), Buffer.alloc(5 * 1024 * 1024, 0xa3))
  await assert.rejects(readLookaside(base, reference, digest, noFetch), { code: 'SIGNATURE_INVALID' })
})

test('what is no place for signatures is refused', async () => {
  await assert.rejects(readLookaside('ftp://x/y', reference, digest, noFetch), { code: 'LOOKASIDE_FAILED', message: /Unsupported scheme/ })
  await assert.rejects(readLookaside('/plain/path', reference, digest, noFetch), { code: 'LOOKASIDE_FAILED', message: /Invalid signature storage URL/ })
  await assert.rejects(writeLookaside('https://x/y', reference, digest, [simple(1)]), { code: 'LOOKASIDE_FAILED', message: /Writing directly to a https lookaside/ })
  await assert.rejects(readLookaside(`file://${root}`, reference, 'sha256:../../x', noFetch), { code: 'BAD_DIGEST' })
})

test('a web server is read until it has no more; a hostile one is stopped', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    asked.push(url)
    if (url.startsWith('/good') && url.endsWith('signature-1')) response.writeHead(302, { Location: '/moved' }).end()
    else if (url === '/moved') response.end(Buffer.from([0xa3, 7]))
    else if (url.startsWith('/endless')) response.end(Buffer.from([0xa3, 7]))
    else if (url.startsWith('/loop')) response.writeHead(302, { Location: url }).end()
    else if (url.startsWith('/file')) response.writeHead(302, { Location: 'file:///etc/passwd' }).end()
    else if (url.startsWith('/huge')) response.end(Buffer.alloc(5 * 1024 * 1024, 0xa3))
    else if (url.startsWith('/broken')) response.writeHead(500).end()
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const host = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const fetcher = signatureFetcher({ tls: { insecure: true, certDirectories: [] }, stallTimeoutMs: 5000, userAgent: 'test' })
  try {
    assert.deepEqual(await readLookaside(`${host}/good/`, reference, digest, fetcher), [simple(7)])
    assert.equal(asked[0], `/good/team/app@sha256=${'a'.repeat(64)}/signature-1`)
    await assert.rejects(readLookaside(`${host}/endless`, reference, digest, fetcher), { code: 'LOOKASIDE_FAILED', message: /more than 128/ })
    await assert.rejects(readLookaside(`${host}/loop`, reference, digest, fetcher), { code: 'LOOKASIDE_FAILED', message: /redirects/ })
    await assert.rejects(readLookaside(`${host}/file`, reference, digest, fetcher), { code: 'LOOKASIDE_FAILED', message: /redirected to file:/ })
    await assert.rejects(readLookaside(`${host}/huge`, reference, digest, fetcher), { code: 'BODY_TOO_LARGE' })
    await assert.rejects(readLookaside(`${host}/broken`, reference, digest, fetcher), { code: 'LOOKASIDE_FAILED', message: /status code 500/ })
  } finally {
    fetcher.close()
    server.close()
    server.closeAllConnections()
  }
})

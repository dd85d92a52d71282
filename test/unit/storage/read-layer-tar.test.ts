/** The archive of a layer from its tar-split file, whole and damaged. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { native } from '../../../src/host/native/native.ts'
import { openStore } from '../../../src/storage/open-store.ts'

const root = mkdtempSync(join(tmpdir(), 'tpod-layer-tar-'))
after(() => rmSync(root, { recursive: true, force: true }))
const id = 'a'.repeat(64)
const store = await openStore({ graphRoot: `${root}/g`, runRoot: `${root}/r`, driver: 'overlay', driverOptions: {}, additionalImageStores: [], userXattr: false })
mkdirSync(`${root}/g/overlay/${id}/diff`, { recursive: true })
mkdirSync(`${root}/g/overlay-layers`)
writeFileSync(`${root}/g/overlay-layers/layers.json`, JSON.stringify([{ id, created: new Date().toISOString() }]))
writeFileSync(`${root}/g/overlay/${id}/diff/f`, 'content')

async function readWith(tarSplit: Uint8Array): Promise<string> {
  writeFileSync(`${root}/g/overlay-layers/${id}.tar-split.gz`, tarSplit)
  const parts: Uint8Array[] = []
  for await (const part of store.readLayerTar(id)) parts.push(part)
  return Buffer.concat(parts).toString()
}

const raw = (text: string): string => `{"type":2,"payload":"${Buffer.from(text).toString('base64')}","position":0}\n`

test('raw bytes and contents in their order, from several gzip members cut inside a line', async () => {
  const crc = new Uint8Array(8)
  native.crc64Iso(crc, Buffer.from('content'))
  const lines = Buffer.from(`${raw('head,')}{"type":1,"name":"f","size":7,"payload":"${Buffer.from(crc).toString('base64')}","position":1}\n${raw(',end')}`)
  assert.equal(await readWith(Buffer.concat([gzipSync(lines.subarray(0, 50)), gzipSync(lines.subarray(50))])), 'head,content,end')
})

test('a damaged file is LAYER_DAMAGED with a remedy, never an archive with a hole', async () => {
  const damaged: [what: string, bytes: Uint8Array][] = [
    ['no gzip', Buffer.from('no gzip')],
    ['cut', gzipSync(raw('x')).subarray(0, 20)],
    ['half a line', gzipSync('{"type":2')],
    ['null', gzipSync('null\n')],
    ['an unknown kind', gzipSync(`${raw('x')}{"type":9,"position":1}\n`)],
    ['another content', gzipSync('{"type":1,"name":"f","size":7,"payload":"AAAAAAAAAAA=","position":0}\n')],
    ['a line without end', gzipSync(Buffer.alloc(65 * 1024 * 1024, 0x20))],
  ]
  for (const [what, bytes] of damaged) {
    await assert.rejects(readWith(bytes), (error: Error & { code?: string; remedy?: string }) => error.code === 'LAYER_DAMAGED' && error.remedy !== undefined, what)
  }
})

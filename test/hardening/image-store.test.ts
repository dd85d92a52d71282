/** A read-only store of another machine: its files become mounts here, and must not lead to files of this machine. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { leadsToLayer, readLower } from '../../src/storage/overlay/layer-directory.ts'

const overlay = mkdtempSync('/var/tmp/tpod-image-store-')
after(() => rmSync(overlay, { recursive: true, force: true }))
const id = 'a'.repeat(64)
let counter = 0
const short = (): string => `l/${'ABCDEFGHIJKLMNOPQRSTUVWXY'}${'ABCDEFGHIJ'[counter++]}`

test('lower files: nothing but short links, no path and no mount option', () => {
  const layer = join(overlay, 'layer')
  mkdirSync(layer)
  const honest = [short(), short()]
  writeFileSync(join(layer, 'lower'), honest.join(':'))
  assert.deepEqual(readLower(layer), honest)
  for (const lower of ['l/../../../../etc', '/etc', `${honest[0]},upperdir=/,workdir=/tmp`, `${honest[0]}:`, `${honest[0]}\n`, `${honest[0]}/../../..`, '../etc', 'l/']) {
    writeFileSync(join(layer, 'lower'), lower)
    assert.throws(() => readLower(layer), { code: 'LAYER_DAMAGED' }, lower)
  }
})

test('short links that lead out of the store are not taken', () => {
  mkdirSync(join(overlay, 'l'))
  mkdirSync(join(overlay, id, 'diff'), { recursive: true })
  mkdirSync(join(overlay, 'linked'))
  symlinkSync('/etc', join(overlay, 'linked/diff'))
  symlinkSync('/', join(overlay, 'root'))
  const leads = (target: string): boolean => {
    const link = short()
    symlinkSync(target, join(overlay, link))
    return leadsToLayer(overlay, link)
  }
  assert.ok(leads(`../${id}/diff`))
  for (const target of ['/etc', '../../../../etc', '../../diff', `../${id}/diff/../../..`, '../linked/diff', '../root/diff', `../${id}`]) assert.ok(!leads(target), target)
  assert.ok(!leadsToLayer(overlay, 'l/missing'))
})

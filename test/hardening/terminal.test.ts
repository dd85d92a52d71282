/** What an image's author wrote does not drive the terminal of who looks at the image. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'
import { Terminal } from '../support/terminal.ts'

const host = new TestHost()
after(() => host.dispose())
const layout = join(host.directory, 'layout')
const name = 'localhost/evil:latest'
const evil = '\u001b]0;title\u0007\u009b31m'

before(() => {
  const descriptor = (document: object): { digest: string; size: number } => {
    const text = JSON.stringify(document)
    const hex = createHash('sha256').update(text).digest('hex')
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
    writeFileSync(join(layout, 'blobs/sha256', hex), text)
    return { digest: `sha256:${hex}`, size: Buffer.byteLength(text) }
  }
  const config = descriptor({ architecture: 'amd64', os: 'linux', config: { Labels: { name: evil } }, rootfs: { type: 'layers', diff_ids: [] }, history: [{ created: '2020-01-01T00:00:00Z', created_by: evil, empty_layer: true }] })
  const manifest = descriptor({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config }, layers: [] })
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest }] }))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  host.tpodOk(['tag', host.tpodOk(['pull', '-q', `oci:${layout}`]), name])
})

for (const args of [
  ['image', 'inspect', '--format', '{{.Labels}}', `oci:${layout}`],
  ['inspect', '--format', '{{.Config.Labels}}', name],
  ['history', '--no-trunc', '--format', '{{.CreatedBy}}', name],
  ['history', '--no-trunc', name],
  ['inspect', name],
]) {
  test(`tpod ${args.slice(0, -1).join(' ')}`, async () => {
    const terminal = new Terminal(host, args)
    assert.equal(await terminal.wait(), 0, terminal.output)
    assert.match(terminal.output, /title/)
    assert.doesNotMatch(terminal.output, /[^\P{Cc}\r\n\t]/u)
  })
}

test('a script gets what a template names as it is, and a template may have colours of its own', async () => {
  assert.ok(host.tpodOk(['inspect', '--format', '{{.Config.Labels}}', name]).includes(evil))
  const terminal = new Terminal(host, ['inspect', '--format', '\u001b[1m{{.Os}}\u001b[0m', name])
  assert.equal(await terminal.wait(), 0)
  assert.ok(terminal.output.includes('\u001b[1mlinux\u001b[0m'))
})

/** Puts an image from an OCI layout directory into a store through the library's store alone, as a pull does. */
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../../src/storage/types.ts'
import { expectOk } from './host.ts'
import type { TestHost } from './host.ts'

interface Descriptor { digest: string }

/** Copies an image of the host's store to an OCI layout and gives the directory. */
export function exportLayout(host: TestHost, name: string): string {
  const layout = join(host.directory, `layout-${name.replace(/\W/g, '-')}`)
  expectOk(['skopeo copy'], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', storeReference(host, name), `oci:${layout}:x`]))
  return layout
}

/** The image as skopeo names it. */
export function storeReference(host: TestHost, name: string): string {
  return `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]${name}`
}

/** Stages all layers at once, then commits them bottom-up and puts the image. Gives its id. */
export async function importLayout(store: Store, layout: string, name: string): Promise<string> {
  const blob = (digest: string) => join(layout, 'blobs/sha256', digest.slice('sha256:'.length))
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: Descriptor[] }
  const digest = index.manifests[0]!.digest
  const bytes = readFileSync(blob(digest))
  const manifest = JSON.parse(bytes.toString()) as { config: Descriptor; layers: Descriptor[] }
  const staged = await Promise.all(manifest.layers.map(layer => store.stageLayer(createReadStream(blob(layer.digest)))))
  let parent: string | undefined
  for (const layer of staged) parent = (await store.commitLayer(layer, parent)).id
  const config = readFileSync(blob(manifest.config.digest))
  const id = createHash('sha256').update(config).digest('hex')
  await store.putImage({
    id,
    digest,
    names: [name],
    ...(parent === undefined ? {} : { layer: parent }),
    bigData: new Map([[manifest.config.digest, config], [`manifest-${digest}`, bytes], ['manifest', bytes]]),
    created: (JSON.parse(config.toString()) as { created: string }).created,
  })
  return id
}

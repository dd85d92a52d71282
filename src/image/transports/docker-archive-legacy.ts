/** What docker before 1.10, and tools of that time, want in an archive: a directory per layer. */
import { createHash } from 'node:crypto'

export interface LegacyLayer {
  /** Name of its directory. */
  id: string
  /** Its file `json`. */
  json: Uint8Array
  /** Of the layer. */
  digest: string
}

const imageFields = ['architecture', 'config', 'container', 'container_config', 'created', 'docker_version', 'os']

/** Bottom first. An id depends on the layers below, and the top one's on the config, so that two images never share one wrongly. */
export function legacyLayers(digests: readonly string[], config: Uint8Array): LegacyLayer[] {
  const image = JSON.parse(Buffer.from(config).toString('utf8')) as Record<string, unknown>
  const layers: LegacyLayer[] = []
  let chain = ''
  for (const [position, digest] of digests.entries()) {
    chain = chain === '' ? digest : `sha256:${hex(`${chain} ${digest}`)}`
    const fields: Record<string, unknown> = {}
    const parent = layers.at(-1)?.id
    if (parent !== undefined) fields['parent'] = parent
    if (position === digests.length - 1) for (const field of imageFields) fields[field] = image[field] ?? null
    const id = hex(sortedJson({ ...fields, layer_id: chain }))
    layers.push({ id, json: Buffer.from(sortedJson({ ...fields, id })), digest })
  }
  return layers
}

function sortedJson(fields: Record<string, unknown>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

function hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

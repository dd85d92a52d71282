/**
 * The compressed forms in which registries have the layers of a store, so that a push moves no bytes that are there.
 * Known from the manifest and the layer's record when it was pulled, and from what earlier pushes made of it
 * (ROOT/tpod/layer-forms/DIFFID.json). Hints all: a registry is asked before one is used, and a lost file costs time.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errorCode } from '../../errors/tpod-error.ts'
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'
import { digestHex, isDigest } from '../../oci/digest.ts'
import type { ImageManifest } from '../../oci/image-types.ts'
import { isLayerMediaType, layerCompressionOf } from '../../oci/media-types.ts'
import { splitStoredName } from '../../oci/reference.ts'
import type { LayerRecord, Store } from '../../storage/types.ts'
import type { LayerForm } from '../types.ts'

const maxForms = 8
const maxRepositories = 8
const gzipType = 'application/vnd.oci.image.layer.v1.tar+gzip'
const zstdType = 'application/vnd.oci.image.layer.v1.tar+zstd'
/** containers/storage's numbers in a layer's `compression`. */
const recordedTypes: Readonly<Record<number, string>> = { 2: gzipType, 4: zstdType }

/**
 * `chain`: the image's layers, bottom first, as its manifest lists them. The manifest's own form comes first, so that an image
 * goes back as it came; but only if it was unpacked here, or made here. A layer that the store had already was not fetched:
 * the manifest's author may have listed any blob in its place, which would go out under the name of what was tested here.
 */
export async function readLayerForms(store: Store, chain: readonly LayerRecord[], manifest: ImageManifest, diffId: string, repositories: LayerRepositories): Promise<LayerForm[]> {
  const index = chain.findIndex((layer) => layer['diff-digest'] === diffId)
  const layer = chain[index]
  const forms: LayerForm[] = []
  const add = (form: LayerForm): void => {
    if (form.digest === diffId || !isDigest(form.digest)) return
    const place = forms.findIndex(({ digest }) => digest === form.digest)
    if (place < 0) forms.push(form)
    else forms[place] = { ...forms[place]!, knownAt: [...forms[place]!.knownAt, ...form.knownAt] }
  }
  const listed = manifest.layers[index]
  const recorded = layer?.['compressed-diff-digest']
  const remembered = await readRemembered(store, diffId)
  const isKnown = listed !== undefined && (listed.digest === recorded || remembered.some(({ digest }) => digest === listed.digest))
  if (isKnown && layerCompressionOf(listed.mediaType) !== 'none') add({ digest: listed.digest, sizeBytes: listed.size, mediaType: listed.mediaType, knownAt: [] })
  for (const form of remembered) add(form)
  const mediaType = recordedTypes[layer?.compression ?? 0]
  if (recorded !== undefined && mediaType !== undefined) add({ digest: recorded, sizeBytes: layer?.['compressed-size'] ?? 0, mediaType, knownAt: [] })
  if (forms.length === 0 || layer === undefined) return forms
  const named = await repositories.of(layer.id)
  return forms.map((form) => ({ ...form, knownAt: [...new Set([...form.knownAt, ...named])] }))
}

/** Remembers that `repository` (host/path) has the layer in this form. Lost by a crash at worst; never fails a copy. */
export async function rememberLayerForm(store: Store, diffId: string, { digest, sizeBytes, mediaType, knownAt }: LayerForm): Promise<void> {
  const old = await readRemembered(store, diffId)
  const same = old.find((form) => form.digest === digest)
  const repositories = [...new Set([...knownAt, ...(same?.knownAt ?? [])])].slice(0, maxRepositories)
  if (same !== undefined && old[0] === same && repositories.join(' ') === same.knownAt.join(' ')) return
  const forms = [{ digest, sizeBytes, mediaType, knownAt: repositories }, ...old.filter((form) => form !== same)].slice(0, maxForms)
  const path = pathOf(store, diffId)
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFileAtomic(path, JSON.stringify(forms), { sync: false })
  } catch {
    // A full disk or a read-only store: the next push compresses again.
  }
}

/** Forgets the forms of layers that the store no longer has. Returns how many. */
export async function pruneLayerForms(store: Store): Promise<number> {
  const directory = join(store.ownDirectory, 'layer-forms')
  const names = await readdir(directory).catch(() => [] as string[])
  if (names.length === 0) return 0
  const kept = new Set((await store.listLayers()).flatMap((layer) => (layer['diff-digest'] === undefined ? [] : [`${layer['diff-digest'].slice('sha256:'.length)}.json`])))
  const gone = names.filter((name) => !kept.has(name))
  await Promise.all(gone.map((name) => rm(join(directory, name), { force: true })))
  return gone.length
}

function pathOf(store: Store, diffId: string): string {
  return join(store.ownDirectory, 'layer-forms', `${digestHex(diffId)}.json`)
}

async function readRemembered(store: Store, diffId: string): Promise<readonly LayerForm[]> {
  try {
    const forms = JSON.parse(await readFile(pathOf(store, diffId), 'utf8')) as unknown
    return Array.isArray(forms) ? forms.filter(isForm).slice(0, maxForms) : []
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError || errorCode(error) === 'EACCES') return []
    throw error
  }
}

function isForm(value: unknown): value is LayerForm {
  const form = value as LayerForm | null
  return typeof form === 'object' && form !== null && typeof form.digest === 'string' && isDigest(form.digest) && typeof form.mediaType === 'string'
    && isLayerMediaType(form.mediaType) && Number.isSafeInteger(form.sizeBytes) && Array.isArray(form.knownAt) && form.knownAt.every((name) => typeof name === 'string')
}

/** Repositories that images with a layer are, or were, named after. */
export interface LayerRepositories {
  of(layerId: string): Promise<readonly string[]>
}

const maxNames = 100

/** Of the layers of `chain`; all are looked up together, when the first is asked for. */
export function layerRepositories(store: Store, chain: readonly LayerRecord[]): LayerRepositories {
  let found: Promise<Map<string, Set<string>>> | undefined
  return { of: async (layerId) => [...(await (found ??= findRepositories(store, chain))).get(layerId) ?? []].slice(0, maxNames) }
}

/** An image that has a layer of the chain has all below it: the highest one says it for those. */
async function findRepositories(store: Store, chain: readonly LayerRecord[]): Promise<Map<string, Set<string>>> {
  const [images, layers] = await Promise.all([store.listImages(), store.listLayers()])
  const parents = new Map(layers.map((layer) => [layer.id, layer.parent]))
  const heights = new Map(chain.map(({ id }, height) => [id, height]))
  const repositories = new Map(chain.map(({ id }) => [id, new Set<string>()]))
  for (const image of images) {
    let id = image.layer
    for (let depth = 0; id !== undefined && id !== '' && !heights.has(id) && depth < 1000; depth++) id = parents.get(id)
    const height = heights.get(id ?? '') ?? -1
    const names = [...(image.names ?? []), ...(image['names-history'] ?? [])].map((name) => splitStoredName(name).repository)
    for (const layer of chain.slice(0, height + 1)) for (const name of names) repositories.get(layer.id)!.add(name)
  }
  return repositories
}

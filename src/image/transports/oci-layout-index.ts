/** index.json of an OCI layout (image-spec, image-layout.md): which images there are, and how one is added. */
import { TpodError } from '../../errors/tpod-error.ts'
import { parseDigest } from '../../oci/digest.ts'
import { maxManifestBytes, parseJsonObject } from '../../oci/image-types.ts'
import type { Descriptor } from '../../oci/image-types.ts'
import { isIndexMediaType, isManifestMediaType, ociManifest } from '../../oci/media-types.ts'
import { isJsonObject } from '../../text/strict-json.ts'
import type { FileSet } from './file-set.ts'
import type { LayoutName } from './oci-layout-name.ts'

export const referenceAnnotation = 'org.opencontainers.image.ref.name'
export const layoutVersion = '1.0.0'

/** As in the file; what we don't know stays in it. */
export interface LayoutIndex {
  schemaVersion: number
  mediaType?: string
  manifests: Descriptor[]
  annotations?: Record<string, string>
  [other: string]: unknown
}

/** Throws NOT_A_LAYOUT when there is no index.json, BAD_MANIFEST when it is malformed. */
export async function readLayoutIndex(files: FileSet): Promise<LayoutIndex> {
  const layout = await files.read('oci-layout', maxManifestBytes)
  if (layout !== undefined) checkVersion(layout, files.description)
  const bytes = await files.read('index.json', maxManifestBytes)
  if (bytes === undefined) throw new TpodError('NOT_A_LAYOUT', `open ${files.description}/index.json: no such file or directory`, { remedy: 'it is no OCI layout; check the path' })
  return parseLayoutIndex(bytes, files.description)
}

/** Throws BAD_MANIFEST. */
export function parseLayoutIndex(bytes: Uint8Array, where: string): LayoutIndex {
  const json = parseJsonObject(bytes, `${where}/index.json`)
  if (json['schemaVersion'] !== 2) throw bad(where, `schemaVersion is ${JSON.stringify(json['schemaVersion'])}, not 2`)
  const entries = json['manifests'] ?? []
  if (!Array.isArray(entries)) throw bad(where, '"manifests" is not a list')
  const manifests = entries.map((entry: unknown, number) => checkDescriptor(entry, `${where}/index.json: manifests[${number}]`))
  return { ...json, schemaVersion: 2, manifests }
}

/** What an entry's image is called: containerd (and docker from 25) keep the full name beside the reference, which may be a mere tag. */
export function entryName({ annotations }: Descriptor): string | undefined {
  return annotations?.['io.containerd.image.name'] || annotations?.[referenceAnnotation] || undefined
}

/** Those that are images or indexes; an entry of another kind (an artifact's) is not taken for one. */
export function isImageEntry({ mediaType }: Descriptor): boolean {
  return isManifestMediaType(mediaType) || isIndexMediaType(mediaType)
}

/** Throws IMAGE_NOT_IN_LAYOUT, or AMBIGUOUS_IMAGE where a name is needed to choose, in containers/image's words. */
export function chooseLayoutEntry(index: LayoutIndex, { reference, index: number }: LayoutName, where: string): Descriptor {
  const { manifests } = index
  if (number !== undefined) {
    const entry = manifests[number]
    if (entry === undefined) throw new TpodError('IMAGE_NOT_IN_LAYOUT', `open ${where}: index ${number} is too large, only ${manifests.length} entries available`)
    return entry
  }
  if (reference !== undefined) {
    const named = manifests.filter(({ annotations }) => annotations?.[referenceAnnotation] === reference)
    const entry = named.find(isImageEntry)
    if (entry !== undefined) return entry
    if (named.length > 0) throw new TpodError('UNSUPPORTED_MANIFEST', `open ${where}: reference ${JSON.stringify(reference)} matches unsupported manifest MIME types ${JSON.stringify(named.map(({ mediaType }) => mediaType))}`)
    throw new TpodError('IMAGE_NOT_IN_LAYOUT', `open ${where}: no descriptor found for reference ${JSON.stringify(reference)}`, { remedy: namesRemedy(manifests) })
  }
  const [only] = manifests
  if (only === undefined) throw new TpodError('IMAGE_NOT_IN_LAYOUT', `open ${where}: it has no images`)
  if (manifests.length > 1) throw new TpodError('AMBIGUOUS_IMAGE', `open ${where}: more than one image in oci, choose an image`, { remedy: namesRemedy(manifests) })
  return only
}

/** Go's defaults for what writers leave out. */
export function newLayoutIndex(): LayoutIndex {
  return { schemaVersion: 2, manifests: [] }
}

/**
 * Adds an entry. An entry with the same name loses it (its image stays, nameless); a nameless entry of the same digest
 * is replaced.
 */
export function addLayoutEntry(index: LayoutIndex, entry: Descriptor): void {
  const name = entry.annotations?.[referenceAnnotation] ?? ''
  const nameOf = (other: Descriptor): string => other.annotations?.[referenceAnnotation] ?? ''
  const former = name === '' ? undefined : index.manifests.find((other) => nameOf(other) === name)
  if (former?.annotations !== undefined) {
    delete former.annotations[referenceAnnotation]
    if (Object.keys(former.annotations).length === 0) delete former.annotations
  }
  const same = index.manifests.findIndex((other) => other.digest === entry.digest && nameOf(other) === '')
  if (same >= 0) index.manifests[same] = entry
  else index.manifests.push(entry)
}

function namesRemedy(manifests: readonly Descriptor[]): string {
  const names = manifests.slice(0, 20).map(({ annotations }, number) => annotations?.[referenceAnnotation] ?? `@${number}`)
  return `there are ${names.join(', ') || 'none'}`
}

function checkVersion(bytes: Uint8Array, where: string): void {
  const { imageLayoutVersion } = parseJsonObject(bytes, `${where}/oci-layout`)
  if (imageLayoutVersion !== layoutVersion) throw new TpodError('NOT_A_LAYOUT', `read ${where}/oci-layout: version ${JSON.stringify(imageLayoutVersion)?.slice(0, 40)}, not ${layoutVersion}`)
}

function checkDescriptor(value: unknown, what: string): Descriptor {
  if (!isJsonObject(value)) throw new TpodError('BAD_MANIFEST', `read ${what}: not an object`)
  const { size, annotations } = value
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw new TpodError('BAD_MANIFEST', `read ${what}: invalid size`)
  if (annotations !== undefined && annotations !== null && !(isJsonObject(annotations) && Object.values(annotations).every((text) => typeof text === 'string'))) throw new TpodError('BAD_MANIFEST', `read ${what}: annotations are not texts`)
  const descriptor = { ...value, mediaType: typeof value['mediaType'] === 'string' ? value['mediaType'] : ociManifest, digest: parseDigest(value['digest'], what), size } as Descriptor
  if (annotations === null) delete descriptor.annotations
  return descriptor
}

function bad(where: string, why: string): TpodError {
  return new TpodError('BAD_MANIFEST', `read ${where}/index.json: ${why}`)
}

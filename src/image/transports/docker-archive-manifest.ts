/** manifest.json of a docker archive: which images there are. */
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, parseNormalizedReference, withDefaultTag } from '../../oci/reference.ts'
import type { DockerArchiveName } from './docker-archive-name.ts'
import type { FileSet } from './file-set.ts'

export interface DockerImageItem {
  /** Name of its member. */
  config: string
  tags: readonly string[]
  /** Names of members, bottom first. */
  layers: readonly string[]
}

const maxDocumentBytes = 4 * 1024 * 1024
const maxImages = 10_000

/** Throws NOT_AN_ARCHIVE where there is no manifest.json, BAD_MANIFEST where it is malformed. */
export async function readDockerManifest(files: FileSet): Promise<DockerImageItem[]> {
  const bytes = await files.read('manifest.json', maxDocumentBytes)
  if (bytes === undefined) throw await noManifest(files)
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new TpodError('BAD_MANIFEST', `read ${files.description}: decoding tar manifest.json: not valid JSON`, { cause })
  }
  if (!Array.isArray(json)) throw bad(files, 'it is no list')
  if (json.length > maxImages) throw bad(files, `it has more than ${maxImages} images`)
  return json.map((item: unknown, index) => parseItem(item, files, index))
}

/** Throws IMAGE_NOT_IN_ARCHIVE, or AMBIGUOUS_IMAGE where there is a choice and none was made; containers/image's words. */
export function chooseDockerImage(items: readonly DockerImageItem[], { path, reference, index }: DockerArchiveName): DockerImageItem {
  if (index !== undefined) {
    const item = items[index]
    if (item === undefined) throw new TpodError('IMAGE_NOT_IN_ARCHIVE', `read ${path}: Invalid source index @${index}, only ${items.length} manifest items available`)
    return item
  }
  if (reference !== undefined) {
    const wanted = formatReference(reference)
    const item = items.find(({ tags }) => tags.some((tag) => fullTag(tag, path) === wanted))
    if (item === undefined) throw new TpodError('IMAGE_NOT_IN_ARCHIVE', `read ${path}: Tag ${JSON.stringify(wanted)} not found`, { remedy: `there are ${items.flatMap(({ tags }) => tags).slice(0, 20).join(', ') || 'images without tags: use :@0'}` })
    return item
  }
  const [only] = items
  if (only === undefined) throw new TpodError('IMAGE_NOT_IN_ARCHIVE', `read ${path}: it has no images`)
  if (items.length > 1) throw new TpodError('AMBIGUOUS_IMAGE', `read ${path}: Unexpected tar manifest.json: expected 1 item, got ${items.length}`, { remedy: 'choose one with :REFERENCE or :@N' })
  return only
}

/** A name of manifest.json in full. Throws BAD_MANIFEST for one that is none. */
function fullTag(tag: string, path: string): string {
  try {
    return formatReference(withDefaultTag(parseNormalizedReference(tag)))
  } catch (cause) {
    throw new TpodError('BAD_MANIFEST', `read ${path}: Invalid tag ${JSON.stringify(tag.slice(0, 300))} in manifest.json`, { cause })
  }
}

async function noManifest(files: FileSet): Promise<TpodError> {
  const isLegacy = (await files.sizeOf('repositories')) !== undefined
  const why = isLegacy ? 'it was written by docker before 1.10' : 'it is no docker archive'
  return new TpodError('NOT_AN_ARCHIVE', `read ${files.description}: loading tar component "manifest.json": file does not exist: ${why}`, { remedy: isLegacy ? 'save the image again with a current docker' : 'check which file it is; import takes a root file system' })
}

function parseItem(value: unknown, files: FileSet, index: number): DockerImageItem {
  const item = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const { Config: config, RepoTags: tags, Layers: layers } = item
  if (typeof config !== 'string' || config === '') throw bad(files, `item ${index} has no Config`)
  return { config, tags: textList(tags, files, `RepoTags of item ${index}`), layers: textList(layers, files, `Layers of item ${index}`) }
}

function textList(value: unknown, files: FileSet, what: string): string[] {
  // Go writes an empty list as null.
  const list: unknown = value ?? []
  if (!Array.isArray(list) || !list.every((text) => typeof text === 'string')) throw bad(files, `${what} is no list of texts`)
  return list as string[]
}

function bad(files: FileSet, why: string): TpodError {
  return new TpodError('BAD_MANIFEST', `read ${files.description}: manifest.json: ${why}`)
}

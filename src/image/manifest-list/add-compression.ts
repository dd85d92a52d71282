/** Further instances of a list's images, compressed otherwise: `manifest push --add-compression`. */
import { TpodError } from '../../errors/tpod-error.ts'
import { createTemporaryDirectory } from '../../host/fs/temporary.ts'
import type { Platform } from '../../oci/image-types.ts'
import { formatPlatform } from '../../oci/platform.ts'
import type { CopyOptions } from '../copy/types.ts'
import { openDestination } from '../transports/open-destination.ts'
import type { ImageSource, TransportContext } from '../types.ts'
import type { ListDocument, ListEntry } from './list-document.ts'

export type AddedCompression = 'gzip' | 'zstd'

export interface AddedInstances {
  list: ListDocument
  /** Digests of the new entries, to where their images lie until `discard`. */
  locations: ReadonlyMap<string, string>
  discard(): Promise<void>
}

/** As containers/image marks and reads it: an entry without is gzip. */
const zstdMark = 'io.github.containers.compression.zstd'

/**
 * The list with an entry more for each platform that has none of a wanted compression, at its end: who knows no zstd takes
 * the first that suits. The images are made in a temporary directory (their whole size), which `discard` removes; what
 * a kill leaves goes with the next one.
 * Throws what reading `source` and writing there throws; nothing is left then.
 */
export async function addCompressions(context: TransportContext & { platform: Platform }, list: ListDocument, source: ImageSource, wanted: readonly AddedCompression[], options: CopyOptions): Promise<AddedInstances> {
  const { path: directory, remove: discard } = await createTemporaryDirectory(context.temporaryDirectory ?? '/var/tmp', 'compressed')
  const result: ListDocument = { ...list, entries: [...list.entries] }
  const locations = new Map<string, string>()
  try {
    for (const compression of wanted) {
      for (const entry of missing(list, compression)) {
        const place = `${directory}:${compression}-${entry.digest.slice('sha256:'.length)}`
        const { digest, size, mediaType } = await recompress(context, source, entry, compression, place, options)
        const { [zstdMark]: _mark, ...annotations } = entry.annotations ?? {}
        result.entries.push({ ...entry, digest, size, mediaType, annotations: compression === 'zstd' ? { ...annotations, [zstdMark]: 'true' } : annotations })
        locations.set(digest, `oci:${place}`)
      }
    }
  } catch (error) {
    await discard()
    throw error
  }
  return { list: result, locations, discard }
}

/** Throws BAD_FLAG, UNSUPPORTED_COMPRESSION. */
export function parseAddedCompressions(words: readonly string[]): AddedCompression[] {
  return [...new Set(words)].map((word) => {
    if (word === 'gzip' || word === 'zstd') return word
    if (word === 'zstd:chunked') throw new TpodError('UNSUPPORTED_COMPRESSION', 'compress layers with zstd:chunked: not supported', { remedy: 'choose gzip or zstd' })
    throw new TpodError('BAD_FLAG', `--add-compression ${JSON.stringify(word)}: unknown compression`, { remedy: 'choose gzip or zstd' })
  })
}

/** One entry of each platform that has none of that compression. */
function missing({ entries }: ListDocument, compression: AddedCompression): ListEntry[] {
  const byPlatform = Map.groupBy(entries, ({ platform }) => JSON.stringify([formatPlatform(platform), platform['os.version'], platform['os.features']]))
  return [...byPlatform.values()].filter((group) => group.every((entry) => compressionOf(entry) !== compression)).map((group) => group[0] as ListEntry)
}

function compressionOf(entry: ListEntry): AddedCompression {
  return entry.annotations?.[zstdMark] === 'true' ? 'zstd' : 'gzip'
}

async function recompress(context: TransportContext, source: ImageSource, entry: ListEntry, format: AddedCompression, place: string, options: CopyOptions): Promise<{ digest: string; size: number; mediaType: string }> {
  const [{ copyImage }, { parseManifest }] = await Promise.all([import('../copy/copy-image.ts'), import('../../oci/image-types.ts')])
  const destination = await openDestination(context, { transport: 'oci', details: place })
  try {
    const { level } = options.compression ?? {}
    const { manifest } = await copyImage(context, instanceOf(source, entry.digest), destination, {
      format: 'oci', removeSignatures: true, compression: { format, force: true, ...(level === undefined ? {} : { level }) },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    })
    return { digest: manifest.digest, size: manifest.bytes.length, mediaType: parseManifest(manifest.bytes, manifest.mediaType, place).mediaType }
  } finally {
    await destination.close()
  }
}

/** One image of the list as a source of its own; closing it leaves the list open. */
function instanceOf(source: ImageSource, digest: string): ImageSource {
  return {
    description: `${source.description} ${digest}`,
    identity: source.identity,
    getManifest: (asked, options) => source.getManifest(asked ?? digest, options),
    getBlob: (blob, options) => source.getBlob(blob, options),
    layersAsStored: async (manifest, manifestDigest) => source.layersAsStored?.(manifest, manifestDigest),
    close: async () => undefined,
  }
}

/** Diff ids of an image whose config doesn't tell them (schema 1), for a destination that wants the config first. */
import { decompress } from '../../archive/compression.ts'
import { detected } from '../../archive/detect-compression.ts'
import { hashed, verified } from './blob-streams.ts'
import type { CopyTask } from './copy-task.ts'
import type { SourceImage } from './source-image.ts'

/** Reads each layer that isn't empty once, to its end. */
export async function measureDiffIds({ source, options: { signal } }: CopyTask, image: SourceImage): Promise<(string | undefined)[]> {
  const known = new Map<string, string>()
  const result: (string | undefined)[] = []
  for (const [index, { digest }] of image.layers.entries()) {
    if (image.schema1?.layers[index]!.isEmpty !== true && !known.has(digest)) {
      const limits = signal === undefined ? {} : { signal }
      const incoming = verified(source.getBlob(digest, limits), { digest, what: `copy ${source.description}: layer ${digest.slice(7, 19)}`, ...limits })
      const { compression, bytes } = await detected(incoming)
      for await (const _ of hashed(decompress(compression, bytes, signal), (diffId) => known.set(digest, diffId)));
    }
    result.push(known.get(digest))
  }
  return result
}

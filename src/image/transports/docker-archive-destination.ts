/** docker-archive: one image into a new file. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { EndpointOptions, ImageDestination, TransportContext } from '../types.ts'
import { dockerArchiveIdentity, parseDockerArchiveName } from './docker-archive-name.ts'
import { DockerArchiveWriter } from './docker-archive-writer.ts'

/**
 * PATH[:REFERENCE]; the file appears at the commit. A path that is no regular file (/dev/stdout, a FIFO) gets the archive
 * as a stream. Throws BAD_IMAGE_NAME, ARCHIVE_EXISTS where the file has content, as containers/image does.
 */
export async function openDockerArchiveDestination(context: Pick<TransportContext, 'temporaryDirectory'>, details: string, options: EndpointOptions = {}): Promise<ImageDestination> {
  const name = parseDockerArchiveName(details)
  if (name.index !== undefined) throw new TpodError('BAD_IMAGE_NAME', `Destination reference must not contain a manifest index @${name.index}`)
  const tags = [...(name.reference === undefined ? [] : [name.reference]), ...(options.additionalTags ?? [])]
  const writer = DockerArchiveWriter.open(name.path, context.temporaryDirectory)
  const destination = writer.destination(dockerArchiveIdentity(name), tags)
  return {
    ...destination,
    commit: async (commitOptions) => {
      await destination.commit(commitOptions)
      await writer.finish()
    },
    close: () => writer.close(),
  }
}

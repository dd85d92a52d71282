import { TpodError } from '../../errors/tpod-error.ts'
import type { BlobOptions } from '../types.ts'
import type { FileSet } from './file-set.ts'

/** The blob kept in the file `name`. Throws BLOB_UNKNOWN, and DIGEST_MISMATCH at once when the file has another length than it should. */
export async function* streamBlob(files: FileSet, name: string, digest: string, { offset = 0, sizeBytes, signal }: BlobOptions = {}, description = files.description): AsyncGenerator<Uint8Array, void, undefined> {
  const opened = await files.open(name, { offset, ...(signal === undefined ? {} : { signal }) })
  if (opened === undefined) throw new TpodError('BLOB_UNKNOWN', `read ${description}: blob ${digest} is not in it`, { remedy: 'the image is incomplete: copy it again' })
  const { bytes } = opened
  if (sizeBytes !== undefined && opened.sizeBytes !== sizeBytes) {
    await closeUnread(bytes)
    throw new TpodError('DIGEST_MISMATCH', `read ${description}: blob ${digest} has ${opened.sizeBytes} bytes, its manifest says ${sizeBytes}`, { remedy: 'the image is damaged or forged' })
  }
  yield* bytes
}

/** A generator that was never started doesn't run its `finally`: one step makes it. */
async function closeUnread(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]()
  await iterator.next().catch(() => undefined)
  await iterator.return?.()
}

/** A blob written as a file: under a temporary name until it is whole and on the disk. */
import { closeSync, fdatasync, renameSync, unlinkSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { TpodError, throwIfAborted } from '../../errors/tpod-error.ts'
import { createTemporaryFile } from '../../host/fs/temporary.ts'
import type { TemporaryFile } from '../../host/fs/temporary.ts'
import { parseDigest } from '../../oci/digest.ts'
import type { BlobToStore, StoredBlob } from '../types.ts'
import { descriptorTarget, PieceWriter } from '../../archive/piece-writer.ts'
import { explainWrite } from './spool-file.ts'

const syncData = promisify(fdatasync)

/**
 * Reads `bytes` to the end and leaves them in `pathOf(digest)`, 0644. The digest is the caller's where it gave one (its
 * stream verifies it), else it is computed. On failure nothing stays; a kill leaves a file
 * in `directory` for sweepTemporaryFiles, whose file system must be that of `pathOf`; `shownAs` is what messages call it.
 */
export async function writeBlobFile(bytes: AsyncIterable<Uint8Array>, blob: BlobToStore, directory: string, pathOf: (digest: string) => string, shownAs = directory): Promise<StoredBlob> {
  const { fd, path: temporary } = openBlobFile(directory, shownAs)
  try {
    const stored = await writeAll(fd, bytes, blob)
    await syncData(fd)
    renameSync(temporary, pathOf(stored.digest))
    return stored
  } catch (error) {
    removeQuietly(temporary)
    throw explainWrite(error, shownAs)
  } finally {
    closeSync(fd)
  }
}

async function writeAll(fd: number, bytes: AsyncIterable<Uint8Array>, { digest, sizeBytes, signal }: BlobToStore): Promise<StoredBlob> {
  const hash = digest === undefined ? createHash('sha256') : undefined
  const writer = new PieceWriter(descriptorTarget(fd))
  try {
    for await (const chunk of bytes) {
      throwIfAborted(signal)
      hash?.update(chunk)
      await writer.write(chunk)
    }
    await writer.end()
  } finally {
    await writer.abandon()
  }
  if (sizeBytes !== undefined && writer.written !== sizeBytes) throw new TpodError('DIGEST_MISMATCH', `store blob ${digest ?? ''}: it has ${writer.written} bytes instead of ${sizeBytes}`)
  return { digest: hash === undefined ? parseDigest(digest, 'store blob') : `sha256:${hash.digest('hex')}`, sizeBytes: writer.written }
}

function openBlobFile(directory: string, shownAs: string): TemporaryFile {
  try {
    return createTemporaryFile(directory, 'blob', 0o644)
  } catch (error) {
    throw explainWrite(error, shownAs)
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // The first error is the one to report.
  }
}

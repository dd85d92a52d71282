import { closeSync, constants, openSync } from 'node:fs'
import { errorMessage, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { describeErrno } from '../../image/transports/file-set.ts'
import type { Engine } from '../engine.ts'
import { withContainerLock } from '../state/container-lock.ts'
import { getContainer } from '../state/find-container.ts'

export interface ExportOptions {
  signal?: AbortSignal
}

/**
 * Writes the container's file system as a tar archive to `path` (made, or cut to nothing first) or an open descriptor.
 * The container may run: what changes meanwhile is taken as it is found, and its links never lead out of it. Volumes and
 * other mounts of the container are not part of it. Locks only while mounting and unmounting.
 * Throws NO_SUCH_CONTAINER, NO_SPACE, EXPORT_FAILED.
 */
export async function exportContainer(engine: Engine, nameOrId: string, output: string | number, { signal }: ExportOptions = {}): Promise<void> {
  const { id } = await getContainer(engine, nameOrId)
  const { tarDirectory } = await import('../../archive/tar-directory.ts')
  const { descriptorTarget, PieceWriter } = await import('../../archive/piece-writer.ts')
  const mountpoint = await withContainerLock(engine.state, id, () => engine.store.mountContainer(id))
  try {
    const fd = typeof output === 'number' ? output : openOutput(output)
    const writer = new PieceWriter(descriptorTarget(fd))
    try {
      for await (const chunk of tarDirectory(mountpoint, { whiteouts: 'keep', ...(signal === undefined ? {} : { signal }) })) await writer.write(chunk)
      await writer.end()
    } finally {
      if (typeof output === 'string') await writer.abandon().then(() => closeSync(fd))
    }
  } catch (cause) {
    throwIfAborted(signal)
    if (cause instanceof TpodError) throw cause
    throw new TpodError('EXPORT_FAILED', `export ${nameOrId}: ${errorMessage(cause)}`, { cause })
  } finally {
    await withContainerLock(engine.state, id, () => engine.store.unmountContainer(id))
  }
}

function openOutput(path: string): number {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o666)
  } catch (cause) {
    throw new TpodError('EXPORT_FAILED', `creating file ${JSON.stringify(path)}: ${describeErrno(cause)}`, { cause })
  }
}

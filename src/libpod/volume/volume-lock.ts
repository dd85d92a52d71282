import { createHash } from 'node:crypto'
import { LockFile } from '../../host/lock/lock-file.ts'
import type { VolumePaths } from './volume-store.ts'

/**
 * Runs `action` with the volume's lock. Lock files are never removed (others may wait on them), so volumes share 64:
 * an action must not take a second volume's lock.
 */
export async function withVolumeLock<T>(paths: VolumePaths, name: string, action: () => Promise<T>): Promise<T> {
  const slot = (createHash('sha256').update(name).digest()[0] as number) & 63
  const lock = await LockFile.acquire(`${paths.recordDirectory}/locks/${slot.toString(16).padStart(2, '0')}`, 'write')
  try {
    return await action()
  } finally {
    lock.release()
  }
}

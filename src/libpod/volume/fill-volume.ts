/** Copy-up: an empty new volume takes what the image has at its place, once. */
import { chownSync, closeSync, constants } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'
import { openInRoot } from '../../host/fs/in-root.ts'
import { lookupUser } from '../../host/user/lookup-user.ts'
import { copyTree } from '../../host/fs/copy-tree.ts'
import { withVolumeLock } from './volume-lock.ts'
import { hasEntries, readRecord, volumeMountpoint, writeRecord } from './volume-store.ts'
import type { VolumePaths } from './volume-store.ts'

/**
 * Fills volume `name` from `containerPath` of the mounted root file system, with owners, modes, times and xattrs; the volume's
 * own directory takes the image directory's owner and mode. Does nothing when the volume was filled or used before, or holds
 * anything (CVE-2020-1726). Where the image has no such directory, a new volume belongs to `user` (`--user`'s text), who could not
 * write to it otherwise. Takes the volume's lock. After a crash in the middle the next call completes it: the record says `isFilling`.
 */
export async function fillVolume(paths: VolumePaths, name: string, rootfs: string, containerPath: string, user = ''): Promise<void> {
  await withVolumeLock(paths, name, async () => {
    const record = readRecord(paths, name) as FillingRecord | undefined
    if (record === undefined || record.isFilled) return
    const target = volumeMountpoint(paths, name)
    const isEmpty = !hasEntries(target)
    if (isEmpty || record.isFilling) {
      const source = openDirectory(rootfs, containerPath)
      if (source === undefined) {
        const { uid, gid } = lookupUser(rootfs, user)
        if (isEmpty && uid + gid > 0) chownSync(target, uid, gid)
        // Another image may have something there.
        if (isEmpty && record.isUsed !== true) await writeRecord(paths, { ...record, isUsed: true })
        if (isEmpty) return
      } else {
        await writeRecord(paths, { ...record, isFilling: true } as FillingRecord)
        try {
          await copyTree(source, target)
        } finally {
          closeSync(source)
        }
      }
    }
    const { isFilling: _done, ...rest } = record
    await writeRecord(paths, { ...rest, isFilled: true })
  })
}

type FillingRecord = NonNullable<ReturnType<typeof readRecord>> & { isFilling?: boolean }

function openDirectory(rootfs: string, path: string): number | undefined {
  try {
    return openInRoot(rootfs, path, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    // ENOTDIR: the image has a file there; a volume cannot take that, podman leaves it empty too.
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

import { lstatSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import { removeTree } from '../../host/fs/remove-tree.ts'

/**
 * Removes what builds with buildah's library (podman build too) keep for `RUN --mount=type=cache`: TMP/buildah-cache-UID.
 * Undefined when there is none. Throws BUILD_CACHE_FOREIGN for one that somebody else put into that shared directory.
 */
export async function pruneBuildCache(temporaryDirectory: string, options: { dryRun: boolean }): Promise<{ path: string; freedBytes: number } | undefined> {
  const uid = process.getuid?.() ?? 0
  const path = `${temporaryDirectory}/buildah-cache-${uid}`
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if (!stat.isDirectory() || stat.uid !== uid) throw new TpodError('BUILD_CACHE_FOREIGN', `prune build cache ${path}: it is not a directory of this user`, { remedy: `look who made it: ls -ld ${path}` })
  const { measureTree } = await import('../../storage/measure-tree.ts')
  const freedBytes = measureTree(path)
  if (!options.dryRun) await removeTree(path)
  return { path, freedBytes }
}

/** Links where a file is to be replaced, by the rule that the kernel has for /tmp (protected_symlinks). */
import { lstatSync, readlinkSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { TpodError } from '../../errors/tpod-error.ts'

const maxLinks = 40

/**
 * What `path` leads to, so that a link stays one when the file is replaced; itself if it is no link. The kernel does not see
 * links that we read ourselves, so its protection is repeated here: only links of our own and of root's are followed, as
 * others' would choose the file that is replaced. What is at the end need not exist. Throws FOREIGN_LINK.
 */
export function followOwnLinks(path: string): string {
  let at = path
  for (let count = 0; count < maxLinks; count++) {
    const stats = lstatSync(at, { throwIfNoEntry: false })
    if (stats?.isSymbolicLink() !== true) return at
    if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) {
      throw new TpodError('FOREIGN_LINK', `write ${path}: ${at} is a symbolic link of another user (${stats.uid})`, { remedy: 'name another file, or remove the link' })
    }
    at = resolve(dirname(at), readlinkSync(at))
  }
  throw new TpodError('FOREIGN_LINK', `write ${path}: too many symbolic links`)
}

import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'

/** Entries handled before the event loop gets a turn. */
const ENTRIES_PER_TURN = 2000
const MAXIMUM_ATTEMPTS = 6

/** Text, or the bytes of a path with a name that is not UTF-8. */
type Path = string | Buffer

/**
 * Removes a file or a whole tree. Success means "it is not there", not "this call removed it": others may be removing
 * the same tree. Symbolic links are removed, never followed; directories without permission bits are opened up first;
 * names may be any bytes. Synchronous calls with a turn of the event loop every few thousand entries: half the processor
 * time of `fs.promises.rm` on Node (10,000 files: 120 against 210 ms), the same on Bun.
 * Throws the system error (EBUSY: a mount point inside, EPERM: immutable file); what was removed by then stays removed.
 */
export async function removeTree(path: string): Promise<void> {
  const budget = { left: ENTRIES_PER_TURN }
  if (!unlinkEntry(path)) await removeDirectory(path, budget)
}

async function removeDirectory(directory: Path, budget: { left: number }): Promise<void> {
  // A concurrent writer may add entries between listing and rmdir; a tree that keeps growing is an error at last.
  for (let attempt = 1; ; attempt++) {
    // What text could not name is found as bytes in the second round: such names are rare, and bytes are slow.
    const entries = attempt === 1 && typeof directory === 'string' ? listEntries(directory) : listBytes(directory)
    for (const { path, isDirectory: isKnownDirectory } of entries) {
      if (--budget.left <= 0) {
        budget.left = ENTRIES_PER_TURN
        await new Promise<void>(resolve => {
          setImmediate(resolve)
        })
      }
      if (isKnownDirectory || !unlinkEntry(path)) await removeDirectory(path, budget)
    }
    try {
      rmdirSync(directory)
      return
    } catch (error) {
      const code = errorCode(error)
      if (code === 'ENOENT') return
      if (code !== 'ENOTEMPTY' || attempt >= MAXIMUM_ATTEMPTS) throw error
    }
  }
}

function listEntries(directory: string): { path: Path; isDirectory: boolean }[] {
  return listing(directory, () =>
    readdirSync(directory, { withFileTypes: true })
      .filter(entry => !entry.name.includes('\ufffd'))
      .map(entry => ({ path: `${directory}/${entry.name}`, isDirectory: entry.isDirectory() })),
  )
}

function listBytes(directory: Path): { path: Path; isDirectory: boolean }[] {
  const prefix = Buffer.concat([Buffer.from(directory), Buffer.from('/')])
  return listing(directory, () =>
    readdirSync(directory, { encoding: 'buffer' }).map(name => ({ path: Buffer.concat([prefix, name]), isDirectory: false })),
  )
}

function listing<T>(directory: Path, read: () => T[]): T[] {
  try {
    return read()
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') return []
    if (code !== 'EACCES') throw error
    // lstat first: chmod follows symbolic links, and a racing writer may have put one here.
    if (!lstatSync(directory).isDirectory()) throw error
    chmodSync(directory, 0o700)
    return read()
  }
}

/** True when the entry is gone; false when it is a directory. */
function unlinkEntry(path: Path): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') return true
    // Linux says EISDIR, POSIX (and some file systems) EPERM.
    if (code === 'EISDIR' || (code === 'EPERM' && isDirectory(path))) return false
    if (code === 'EACCES' && openUpParent(path)) return unlinkEntry(path)
    throw error
  }
}

/** Gives the owner write permission on the directory that holds path; false when it had it already. */
function openUpParent(path: Path): boolean {
  const parent = path.slice(0, path.lastIndexOf('/'))
  const stat = lstatSync(parent, { throwIfNoEntry: false })
  if (!stat?.isDirectory() || (stat.mode & 0o700) === 0o700) return false
  chmodSync(parent, 0o700)
  return true
}

function isDirectory(path: Path): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

import { closeSync, constants, fchmodSync, fdatasync, fdatasyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'

const fdatasyncAsync = promisify(fdatasync)

export interface WriteOptions {
  /** Permission bits, independent of the umask. Default 0600. */
  mode?: number
  /** fdatasync before the rename. Default true; false for what need not outlive a power cut. */
  sync?: boolean
  /** A lock of the caller's keeps other writers away: what a crash leaves is one file at most, which the next write takes over. */
  isLocked?: boolean
}

/**
 * Replaces `path` by `data` in one step: a reader sees the old bytes or the new ones, never a mixture, also after a
 * crash or (with sync) a power cut. A crash may leave `.tmp-NAME…` beside it, which nobody reads.
 * The directory itself is not synced: after a power cut the old content may stand, whole.
 * Throws NO_SPACE, or the system error of the failing call; then the old content stands and no temporary file is left.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
  if (options.sync === false) {
    writeFileAtomicSync(path, data, options)
    return
  }
  const temporary = temporaryName(path, options)
  const fd = writeTemporary(temporary, data, options)
  try {
    try {
      await fdatasyncAsync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    removeQuietly(temporary)
    throw error
  }
}

/** The same contract, blocking the thread: for short critical sections where a turn of the event loop costs more. */
export function writeFileAtomicSync(path: string, data: string | Uint8Array, options: WriteOptions = {}): void {
  const temporary = temporaryName(path, options)
  const fd = writeTemporary(temporary, data, options)
  try {
    try {
      if (options.sync !== false) fdatasyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    removeQuietly(temporary)
    throw error
  }
}

/** Creates the temporary file, full, and returns its descriptor. */
function writeTemporary(temporary: string, data: string | Uint8Array, { mode = 0o600, isLocked }: WriteOptions): number {
  const fd = createFile(temporary, mode, isLocked === true)
  try {
    fchmodSync(fd, mode)
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset, bytes.length - offset)
    return fd
  } catch (error) {
    closeSync(fd)
    removeQuietly(temporary)
    if (errorCode(error) !== 'ENOSPC' && errorCode(error) !== 'EDQUOT') throw error
    const directory = temporary.slice(0, temporary.lastIndexOf('/'))
    throw new TpodError('NO_SPACE', `write to ${directory}: ${errorMessage(error)}`, { cause: error, remedy: 'free some space on that file system' })
  }
}

/** What is there already is replaced, not used: where others may write it could be theirs, open in their hands. */
function createFile(path: string, mode: number, mayReplace: boolean): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_EXCL, mode)
  } catch (error) {
    if (!mayReplace || errorCode(error) !== 'EEXIST') throw error
    unlinkSync(path)
    return openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_EXCL, mode)
  }
}

function temporaryName(path: string, { isLocked }: WriteOptions): string {
  const slash = path.lastIndexOf('/') + 1
  return `${path.slice(0, slash)}.tmp-${path.slice(slash)}${isLocked === true ? '' : randomBytes(6).toString('hex')}`
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // The first error is the one to report.
  }
}

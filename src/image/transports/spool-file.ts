/** A temporary file without a name, for what must be seekable: nothing stays when the process is killed. */
import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'

const O_TMPFILE = 0o20200000
const O_CLOEXEC = 0o2000000

export interface SpoolFile {
  fd: number
  sizeBytes: number
}

/** `directory`: default /var/tmp, as bulky data has no place in a memory file system. The caller closes the descriptor. */
export function openTemporaryFile(directory = '/var/tmp'): number {
  try {
    return openNameless(directory)
  } catch (cause) {
    throw new TpodError('TEMPORARY_FILE', `make a temporary file in ${directory}: ${errorCode(cause) ?? 'failed'}`, { cause, remedy: 'make the directory writable, or choose another with TMPDIR' })
  }
}

function openNameless(directory: string): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    return openSync(directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0o600)
  } catch (error) {
    // File systems that cannot make such files: NFS, FUSE, old overlays. There a kill between the next two lines leaves an empty one.
    if (!['EOPNOTSUPP', 'EISDIR', 'EINVAL', 'ENOTSUP'].includes(errorCode(error) ?? '')) throw error
  }
  const path = `${directory}/tpod-${randomBytes(8).toString('hex')}`
  const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
  unlinkSync(path)
  return fd
}

/** Writes all of `bytes` to a temporary file. On failure the file is gone; throws NO_SPACE, or what `bytes` throws. */
export async function spoolToFile(bytes: AsyncIterable<Uint8Array>, directory?: string): Promise<SpoolFile> {
  const fd = openTemporaryFile(directory)
  try {
    let sizeBytes = 0
    for await (const chunk of bytes) {
      sizeBytes += chunk.length
      writeFully(fd, chunk)
    }
    return { fd, sizeBytes }
  } catch (error) {
    closeSync(fd)
    throw explainWrite(error, `a temporary file in ${directory ?? '/var/tmp'}`)
  }
}

export function writeFully(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position === undefined ? null : position + done)
  }
}

/** A full disk gets its name; other errors pass. */
export function explainWrite(error: unknown, what: string): unknown {
  const code = errorCode(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new TpodError('NO_SPACE', `write ${what}: no space left on the file system`, { cause: error, remedy: 'free some space there, or write elsewhere' })
}

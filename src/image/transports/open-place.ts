/** A directory to write to, held by a descriptor: who changes its path meanwhile changes nothing for us. */
import { closeSync } from 'node:fs'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { At, Open, Resolve } from '../../host/native/constants.ts'
import { native } from '../../host/native/native.ts'

export interface Place {
  /** Below which its files are reached, until `close`. */
  path: string
  /** Idempotent. */
  close(): void
}

/** Follows links, as the path is the user's. Throws the system's error. */
export function openPlace(path: string): Place {
  return placeOf(native.openat2(At.AT_FDCWD, path, flags, 0, 0))
}

/**
 * A directory of a directory, without following links: the content may be another's, who would choose where we write.
 * Throws OUTSIDE_LAYOUT, or the system's error.
 */
export function openPlaceWithin(place: Place, name: string, shownAs: string): Place {
  const outer = native.openat2(At.AT_FDCWD, place.path, flags, 0, 0)
  try {
    return placeOf(native.openat2(outer, name, flags, 0, Resolve.RESOLVE_BENEATH | Resolve.RESOLVE_NO_SYMLINKS))
  } catch (cause) {
    if (errorCode(cause) !== 'ELOOP' && errorCode(cause) !== 'EXDEV') throw cause
    throw new TpodError('OUTSIDE_LAYOUT', `write to ${shownAs}: ${name} is a symbolic link`, { cause, remedy: 'replace the link by a directory; a place for the blobs of several layouts is named with --dest-shared-blob-dir' })
  } finally {
    closeSync(outer)
  }
}

const flags = Open.O_PATH | Open.O_DIRECTORY | Open.O_CLOEXEC

function placeOf(fd: number): Place {
  let isOpen = true
  return {
    path: `/proc/self/fd/${fd}`,
    close() {
      if (isOpen) closeSync(fd)
      isOpen = false
    },
  }
}

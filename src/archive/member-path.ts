/** Names of archive members as paths below the layer's root. */
import { TpodError } from '../errors/tpod-error.ts'
import { toDisplay } from './byte-string.ts'
import type { ByteString } from './byte-string.ts'

/**
 * The path of a member below the root, lexically cleaned as Go's filepath.Clean does: without leading slash, `.`, `//`
 * or trailing slash; '' is the root itself. `..` at the very start of a relative name throws ARCHIVE_ESCAPE (an
 * absolute name's is dropped); a NUL throws ARCHIVE_INVALID. Cleaning is for sameness with other tools, not for
 * safety: that is the worker's chroot.
 */
export function cleanMemberPath(name: ByteString): ByteString {
  if (isCleanName.test(name)) return name
  if (name.includes('\0')) throw new TpodError('ARCHIVE_INVALID', `unpack ${toDisplay(name)}: its name holds a NUL`)
  const isAbsolute = name.startsWith('/')
  const parts: ByteString[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.length > 0) parts.pop()
    else if (!isAbsolute) {
      throw new TpodError('ARCHIVE_ESCAPE', `unpack ${toDisplay(name)}: the name leads out of the layer`, {
        remedy: 'do not trust the origin of this image',
      })
    }
  }
  return parts.join('/')
}

// No empty part, and none that starts with a dot (which hidden files do too: those take the slow way).
const isCleanName = /^[^/.\0][^/\0]*(\/[^/.\0][^/\0]*)*$/

export function parentPath(path: ByteString): ByteString {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}

export function baseName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1)
}

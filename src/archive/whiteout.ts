/** Whiteouts: how a deleted file is spelled in an OCI layer (`.wh.NAME`) and on overlayfs (char device 0:0). */
import { TpodError } from '../errors/tpod-error.ts'
import { toDisplay } from './byte-string.ts'
import type { ByteString } from './byte-string.ts'
import type { StageLayerOptions } from './types.ts'

export const whiteoutPrefix = '.wh.'
const opaqueName = '.wh..wh..opq'
/** AUFS kept its own records under such names; they mean nothing in a layer. */
const metadataPrefix = '.wh..wh.'

export type WhiteoutTarget = { kind: 'opaque' } | { kind: 'metadata' } | { kind: 'hidden'; name: ByteString }

/** What a whiteout's base name says. Throws ARCHIVE_INVALID for one that would name a directory's own links. */
export function whiteoutTarget(base: ByteString): WhiteoutTarget {
  if (base === opaqueName) return { kind: 'opaque' }
  if (base.startsWith(metadataPrefix)) return { kind: 'metadata' }
  const name = base.slice(whiteoutPrefix.length)
  if (name === '' || name === '.' || name === '..') {
    throw new TpodError('ARCHIVE_INVALID', `unpack whiteout ${toDisplay(base)}: it names no file`, {
      remedy: 'do not trust the origin of this image',
    })
  }
  return { kind: 'hidden', name }
}

/** undefined: the store's mount program reads AUFS files, nothing is translated. */
export function opaqueXattrName(whiteouts: StageLayerOptions['whiteouts']): string | undefined {
  if (whiteouts === 'overlay-trusted') return 'trusted.overlay.opaque'
  return whiteouts === 'overlay-user' ? 'user.overlay.opaque' : undefined
}

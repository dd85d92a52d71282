/** Compression of layer blobs, found by magic number as OCI media types cannot be relied on. */
import type { Transform } from 'node:stream'
import { TpodError, errorCode, errorMessage } from '../errors/tpod-error.ts'
import { passThrough } from './pass-through.ts'
import type { CompressionName } from './types.ts'

/** Bytes that `detectCompression` wants to see. */
export const magicBytes = 6

const magics: readonly (readonly [CompressionName, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
]

/** What the first bytes of a stream say; 'none' for anything unknown, which must then be a tar. */
export function detectCompression(start: Uint8Array): CompressionName {
  for (const [name, magic] of magics) {
    if (magic.every((byte, index) => start[index] === byte)) return name
  }
  // zstd:chunked blobs and pzstd output may begin with a skippable frame: 0x184D2A50 to 0x184D2A5F.
  const first = start[0] ?? 0
  if (first >= 0x50 && first <= 0x5f && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18) return 'zstd'
  return 'none'
}

/** 2^27: zstd's own default ceiling, what `zstd --long` writes. A larger window is refused, since it is held in memory. */
const zstdWindowLogMaximum = 27
const chunkBytes = 64 * 1024

/**
 * The decompressed stream; every member or frame of it. gzip and zstd are the runtime's, on its thread pool; bzip2 and
 * xz the host's programs. Errors: ARCHIVE_INVALID, ARCHIVE_TRUNCATED, DECOMPRESSOR_MISSING, or what `blob` throws.
 * A chunk is overwritten or freed once the next one is asked for, and `blob` may do the same with its own.
 */
export async function* decompress(
  name: CompressionName,
  blob: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (name === 'none') yield* blob
  else if (name === 'bzip2' || name === 'xz') {
    const { decompressExternally } = await import('./external-decompressor.ts')
    yield* decompressExternally(name, blob, signal)
  } else yield* decompressWithRuntime(name, blob)
}

async function* decompressWithRuntime(name: 'gzip' | 'zstd', blob: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* passThrough(await openDecompressor(name), blob, (error) => describe(error, name))
}

async function openDecompressor(name: 'gzip' | 'zstd'): Promise<Transform> {
  const zlib = await import('node:zlib')
  if (name === 'gzip') return zlib.createGunzip({ chunkSize: chunkBytes })
  const params = { [zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLogMaximum }
  return zlib.createZstdDecompress({ chunkSize: chunkBytes, params })
}

function describe(error: unknown, name: CompressionName): TpodError {
  const isShort = errorCode(error) === 'Z_BUF_ERROR'
  const why = isShort ? 'the data ends early' : errorMessage(error)
  return new TpodError(isShort ? 'ARCHIVE_TRUNCATED' : 'ARCHIVE_INVALID', `decompress ${name}: ${why}`, {
    cause: error,
    remedy: 'fetch the image again',
  })
}

/** Guards against decompression bombs. gzip cannot exceed 1032:1 and zstd of real files does not. */
const maximumRatio = 1_200
/** Below this no ratio is judged. */
const judgedFromBytes = 256 * 1024 * 1024

/** Throws ARCHIVE_LIMIT when a stream grew beyond what real data does. */
export function checkExpansion(compressedBytes: number, expandedBytes: number): void {
  if (expandedBytes < judgedFromBytes || expandedBytes <= compressedBytes * maximumRatio) return
  throw new TpodError('ARCHIVE_LIMIT', `decompress the layer: ${compressedBytes} bytes became more than ${expandedBytes}`, {
    remedy: 'do not trust the origin of this image',
  })
}

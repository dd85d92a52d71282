/** Compression of layer blobs: gzip on all processors, zstd by the runtime. */
import { TpodError } from '../errors/tpod-error.ts'
import { passThrough } from './pass-through.ts'

export type LayerCompressor = 'gzip' | 'zstd'

export interface CompressOptions {
  /** gzip: 0 to 9; zstd: 1 to 22. Absent or -1: gzip by our own compressor (about zlib's level 3 in size), zstd's level 3. */
  level?: number
}

/**
 * The compressed stream of `bytes`: one gzip member, or one zstd frame. The same bytes and level give the same output
 * every time, so that an interrupted upload can go on after its first part was made again; with a level, and for zstd,
 * only while the runtime stays the same: whose upload does not fit begins it anew. A chunk of `bytes` is no longer used
 * once the next is asked for; a chunk given out is overwritten once the next is. Memory: gzip about 3 MB for each
 * processor; zstd by its level: 100 MB at 19, up to 800 MB at 22, and 128 MB for whoever reads the latter.
 * Throws BAD_COMPRESSION_LEVEL, and what `bytes` throws.
 */
export async function* compress(format: LayerCompressor, bytes: AsyncIterable<Uint8Array>, options: CompressOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const level = options.level === -1 ? undefined : options.level
  checkCompressionLevel(format, level)
  if (format === 'gzip') yield* gzip(bytes, level)
  else yield* zstd(bytes, level)
}

/** Throws BAD_COMPRESSION_LEVEL in the words of containers/image. */
function checkCompressionLevel(format: LayerCompressor, level: number | undefined): void {
  const [lowest, highest] = format === 'gzip' ? [0, 9] : [1, 22]
  if (level === undefined || level === -1 || (Number.isInteger(level) && level >= lowest && level <= highest)) return
  throw new TpodError('BAD_COMPRESSION_LEVEL', `${format}: invalid compression level: ${level}`, { remedy: `choose ${lowest} to ${highest}` })
}

/** Pieces are compressed apart, each with the end of the one before as dictionary, which costs next to no size. */
const pieceBytes = 1024 * 1024
const dictionaryBytes = 32 * 1024

interface Slot {
  /** Dictionary, then the piece. */
  input: Buffer
  output: Buffer
}

type CompressPiece = (slot: Slot, dictionary: number, length: number) => Promise<Uint8Array>

async function* gzip(bytes: AsyncIterable<Uint8Array>, level: number | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  const [{ crc32 }, { availableParallelism }] = await Promise.all([import('node:zlib'), import('node:os')])
  const { compressPiece, outputBytes } = level === undefined ? await ownCompressor() : await zlibCompressor(level)
  const makeSlot = (): Slot => ({ input: Buffer.allocUnsafeSlow(dictionaryBytes + pieceBytes), output: Buffer.allocUnsafeSlow(outputBytes) })
  const depth = Math.min(8, availableParallelism() + 1)
  const free: Slot[] = []
  const running: { slot: Slot; result: Promise<Uint8Array> }[] = []
  let slot = makeSlot()
  let dictionary = 0
  let filled = 0
  let crc = 0
  let total = 0
  const start = (): void => {
    const result = compressPiece(slot, dictionary, filled)
    // Whoever stops reading leaves it behind.
    result.catch(() => undefined)
    running.push({ slot, result })
    const next = free.pop() ?? makeSlot()
    // Pieces before the last are full: there is always enough for a dictionary.
    slot.input.copy(next.input, 0, pieceBytes, pieceBytes + dictionaryBytes)
    slot = next
    dictionary = dictionaryBytes
    filled = 0
  }
  // Neither time nor name: the same layer is the same blob.
  yield Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff)
  for await (const chunk of bytes) {
    crc = crc32(chunk, crc)
    total += chunk.length
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(chunk.length - at, pieceBytes - filled)
      slot.input.set(chunk.subarray(at, at + taken), dictionaryBytes + filled)
      filled += taken
      at += taken
      if (filled < pieceBytes) continue
      if (running.length >= depth) {
        const first = running.shift()!
        yield await first.result
        free.push(first.slot)
      }
      start()
    }
  }
  if (filled > 0) start()
  for (const { result } of running) yield await result
  const end = Buffer.alloc(10)
  // An empty last block; then checksum and size.
  end[0] = 3
  end.writeUInt32LE(crc, 2)
  end.writeUInt32LE(total % 2 ** 32, 6)
  yield end
}

async function ownCompressor(): Promise<{ compressPiece: CompressPiece; outputBytes: number }> {
  const { native } = await import('../host/native/native.ts')
  return {
    outputBytes: native.deflateBound(pieceBytes),
    compressPiece: async ({ input, output }, dictionary, length) => {
      const written = await native.deflatePiece(input.subarray(dictionaryBytes - dictionary, dictionaryBytes + length), dictionary, output)
      return output.subarray(0, written)
    },
  }
}

async function zlibCompressor(level: number): Promise<{ compressPiece: CompressPiece; outputBytes: number }> {
  const { deflateRaw, constants } = await import('node:zlib')
  return {
    outputBytes: 0,
    compressPiece: ({ input }, dictionary, length) =>
      new Promise((resolve, reject) => {
        const options = {
          level,
          finishFlush: constants.Z_SYNC_FLUSH,
          ...(dictionary === 0 ? {} : { dictionary: input.subarray(0, dictionaryBytes) }),
        }
        deflateRaw(input.subarray(dictionaryBytes, dictionaryBytes + length), options, (error, result) => (error === null ? resolve(result) : reject(error)))
      }),
  }
}

async function* zstd(bytes: AsyncIterable<Uint8Array>, level = 3): AsyncGenerator<Uint8Array, void, undefined> {
  const { constants, createZstdCompress } = await import('node:zlib')
  const stream = createZstdCompress({ chunkSize: 128 * 1024, params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 } })
  yield* passThrough(stream, bytes)
}

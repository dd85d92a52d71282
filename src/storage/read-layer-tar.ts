import { closeSync, constants, createReadStream, existsSync, openSync, readSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { TpodError, errorCode, errorMessage } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { layerChain } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { layerDirectory, tarSplitPath } from './store-paths.ts'

const CHUNK_BYTES = 256 * 1024
const RESOLVE_IN_ROOT = 0x10
const O_PATH = 0o10000000
/** A read-only store's file is another machine's word. Our own lines are cut at some 1.4 MB. */
const maxLineBytes = 64 * 1024 * 1024
const remedy = 'remove the images that use the layer and pull them again'

/** One line of a tar-split file: raw bytes of the archive, or a file whose content is on disk. */
interface SplitEntry {
  type: number
  name?: string
  name_raw?: string
  size?: number
  payload?: string | null
}

/**
 * The archive a layer was made from, byte for byte: headers and padding from the tar-split file, contents from the
 * layer's diff directory, each checked by its CRC. Memory: one line of the file at most. Holds no lock: a layer deleted meanwhile ends it with an error.
 * Throws NO_SUCH_LAYER, TAR_SPLIT_MISSING (a container's layer has none), LAYER_DAMAGED naming the file.
 */
export async function* readLayerTarBytes(context: StoreContext, layerId: string): AsyncGenerator<Uint8Array> {
  const chain = layerChain(context, layerId)
  const top = chain[0]
  if (top === undefined) throw new TpodError('NO_SUCH_LAYER', `read layer ${layerId}: it is not in the store`)
  const path = tarSplitPath(top.store.paths, layerId)
  if (!existsSync(path)) {
    throw new TpodError('TAR_SPLIT_MISSING', `read layer ${layerId.slice(0, 12)}: ${path} is missing, the original archive cannot be rebuilt`, {
      remedy: 'pull the image again after removing it',
    })
  }
  // A file that a later entry of the same archive deleted may still be found below.
  const roots = chain.map(({ record, store }) => `${layerDirectory(store.paths, record.id)}/diff`)
  const descriptors: number[] = []
  try {
    for (const root of roots) if (existsSync(root)) descriptors.push(openSync(root, O_PATH | constants.O_DIRECTORY))
    for await (const entry of splitEntries(path)) {
      if (entry.type === 2) {
        if (entry.payload) yield Buffer.from(entry.payload, 'base64')
      } else if ((entry.size ?? 0) > 0) {
        yield* fileBytes(layerId, descriptors, entry)
      }
    }
  } finally {
    for (const fd of descriptors) closeSync(fd)
  }
}

async function* splitEntries(path: string): AsyncGenerator<SplitEntry> {
  const file = createReadStream(path)
  const lines = file.pipe(createGunzip())
  file.on('error', error => lines.destroy(error))
  let rest: Buffer[] = []
  let restBytes = 0
  try {
    for await (const chunk of lines as AsyncIterable<Buffer>) {
      let start = 0
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
        rest.push(chunk.subarray(start, end))
        yield parseEntry(path, Buffer.concat(rest))
        rest = []
        restBytes = 0
        start = end + 1
      }
      if (start === chunk.length) continue
      rest.push(Buffer.from(chunk.subarray(start)))
      restBytes += chunk.length - start
      if (restBytes > maxLineBytes) throw unreadable(path, `a line has more than ${maxLineBytes} bytes`)
    }
  } catch (error) {
    if (error instanceof TpodError) throw error
    throw unreadable(path, errorMessage(error), error)
  } finally {
    file.destroy()
  }
  const last = Buffer.concat(rest)
  if (last.length > 0) yield parseEntry(path, last)
}

function parseEntry(path: string, line: Buffer): SplitEntry {
  let entry: SplitEntry | null
  try {
    entry = JSON.parse(line.toString('utf8')) as SplitEntry | null
  } catch (error) {
    throw unreadable(path, 'a line is not JSON', error)
  }
  // An entry of a kind that we don't know would leave a hole in the archive.
  if (entry?.type !== 1 && entry?.type !== 2) throw unreadable(path, 'a line is no entry of a tar-split file')
  return entry
}

function unreadable(path: string, why: string, cause?: unknown): TpodError {
  return new TpodError('LAYER_DAMAGED', `read ${path}: ${why}`, { cause, remedy })
}

function* fileBytes(layerId: string, descriptors: readonly number[], entry: SplitEntry): Generator<Uint8Array> {
  const name = entry.name_raw === undefined ? (entry.name ?? '') : Buffer.from(entry.name_raw, 'base64')
  const expected = Buffer.from(entry.payload ?? '', 'base64')
  const fd = openInLayers(layerId, descriptors, name)
  const crc = new Uint8Array(8)
  try {
    for (let left = entry.size ?? 0; left > 0; ) {
      const buffer = Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES))
      const count = readSync(fd, buffer, 0, buffer.length, null)
      if (count === 0) throw damaged(layerId, name, `${left} bytes are missing`)
      const part = buffer.subarray(0, count)
      native.crc64Iso(crc, part)
      left -= count
      yield part
    }
  } finally {
    closeSync(fd)
  }
  if (!expected.equals(crc)) throw damaged(layerId, name, 'its content changed')
}

/** Opens the file inside the layer, links resolved as the container would: an absolute one must not lead to the host. */
function openInLayers(layerId: string, descriptors: readonly number[], name: string | Buffer): number {
  let first: unknown
  for (const fd of descriptors) {
    try {
      return native.openat2(fd, name, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0, RESOLVE_IN_ROOT)
    } catch (error) {
      first ??= error
      const code = errorCode(error)
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') throw error
    }
  }
  throw damaged(layerId, name, errorMessage(first))
}

function damaged(layerId: string, name: string | Buffer, why: string): TpodError {
  return new TpodError('LAYER_DAMAGED', `read layer ${layerId.slice(0, 12)}, file ${name.toString()}: ${why}`, { remedy })
}

/**
 * What has arrived of large blobs, kept until their layers are in the store: an interrupted pull goes on from there in the
 * next run, after kill -9 too. One file per digest in ROOT/tpod/partial-blobs, under a lock of whoever fetches the blob;
 * a second process fetches for itself instead of waiting. The bytes count for nothing until the whole blob has its digest.
 */
import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { errorCode, throwIfAborted } from '../../errors/tpod-error.ts'
import { listHexNames } from '../../host/fs/list-hex-names.ts'
import { LockType, native } from '../../host/native/native.ts'
import { digestHex, parseDigest } from '../../oci/digest.ts'
import type { Store } from '../../storage/types.ts'
import type { BlobOptions, ImageSource } from '../types.ts'

/** Smaller blobs are fetched again in the time that keeping them takes. */
const minimumBytes = 4 * 1024 * 1024
const readChunkBytes = 256 * 1024
const dayMs = 24 * 60 * 60 * 1000
/** A pull that nobody repeats within a week is not worth its disk space. */
const expiryMs = 7 * dayMs
const O_CLOEXEC = 0o2000000

export interface PartialBlobs {
  /** The source, whose large blobs go on from what is kept, and are kept. */
  resuming(source: ImageSource): ImageSource
  /** The layer is in the store: its bytes are needed no more. */
  drop(digest: string): void
  /** All that this pull kept or went on from: it was wrong, or its space is needed. True if some of it came from an earlier run. */
  dropAll(): boolean
  /** Leaves what is not dropped for the next run. Idempotent. */
  close(): void
}

/** For one pull into the store. Makes nothing until a large blob comes. */
export function openPartialBlobs(store: Store): PartialBlobs {
  const directory = partialDirectory(store)
  const files = new Map<string, PartialFile>()
  const drop = (digest: string): void => {
    files.get(digest)?.remove()
    files.delete(digest)
  }
  return {
    resuming: (source) => withBlobs(source, (digest, options = {}) => readResuming(directory, files, source, digest, options)),
    drop,
    dropAll: () => {
      const resumed = [...files.values()].some(({ keptBytes }) => keptBytes > 0)
      for (const digest of files.keys()) drop(digest)
      return resumed
    },
    close: () => {
      for (const file of files.values()) file.close()
      files.clear()
    },
  }
}

/** Removes partial blobs that nobody is fetching and that were last written `olderThanMs` ago (default: a week). Gives the bytes freed. */
export async function prunePartialBlobs(store: Store, options: { olderThanMs?: number } = {}): Promise<number> {
  const directory = partialDirectory(store)
  const before = Date.now() - (options.olderThanMs ?? expiryMs)
  let freed = 0
  for (const name of listHexNames(directory)) {
    const file = openUnlessForbidden(`${directory}/${name}`, { mustExist: true })
    if (file === undefined) continue
    if (file.modifiedMs <= before) {
      freed += file.keptBytes
      file.remove()
    } else file.close()
  }
  return freed
}

function partialDirectory(store: Store): string {
  return `${store.ownDirectory}/partial-blobs`
}

/** The source with other blobs. */
export function withBlobs(source: ImageSource, getBlob: ImageSource['getBlob']): ImageSource {
  return {
    description: source.description,
    identity: source.identity,
    getManifest: (digest, options) => source.getManifest(digest, options),
    getBlob,
    ...(source.layersAsStored === undefined ? {} : { layersAsStored: (manifest, digest) => source.layersAsStored!(manifest, digest) }),
    ...(source.getSignatures === undefined ? {} : { getSignatures: (digest, options) => source.getSignatures!(digest, options) }),
    close: () => source.close(),
  }
}

async function* readResuming(directory: string, files: Map<string, PartialFile>, source: ImageSource, digest: string, options: BlobOptions): AsyncGenerator<Uint8Array> {
  const { sizeBytes, signal } = options
  if (sizeBytes === undefined || sizeBytes < minimumBytes || (options.offset ?? 0) > 0) return yield* source.getBlob(digest, options)
  // Asked for again in the same pull: what the first attempt wrote is there.
  files.get(digest)?.close()
  const file = openIn(directory, digest)
  if (file === undefined) return yield* source.getBlob(digest, options)
  // Kept bytes must not take the space that the layer itself needs.
  if (file.keptBytes === 0 && isScarce(directory, sizeBytes)) {
    file.close()
    return yield* source.getBlob(digest, options)
  }
  files.set(digest, file)
  if (file.keptBytes > sizeBytes) file.truncate(0)
  for (let position = 0; position < file.keptBytes; ) {
    throwIfAborted(signal)
    const chunk = file.read(position)
    position += chunk.length
    yield chunk
  }
  if (file.keptBytes === sizeBytes) return
  for await (const chunk of source.getBlob(digest, { ...options, offset: file.keptBytes })) {
    file.append(chunk)
    yield chunk
  }
}

/** Other layers come at the same time, and all unpack to more than they have come as. */
function isScarce(directory: string, sizeBytes: number): boolean {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize < 6 * sizeBytes
}

function openIn(directory: string, digest: string): PartialFile | undefined {
  const path = `${directory}/${digestHex(parseDigest(digest, 'partial blob'))}`
  return openUnlessForbidden(path, { makeDirectory: directory })
}

function openUnlessForbidden(path: string, { makeDirectory, mustExist }: { makeDirectory?: string; mustExist?: boolean }): PartialFile | undefined {
  try {
    if (makeDirectory !== undefined) mkdirSync(makeDirectory, { recursive: true, mode: 0o700 })
    return PartialFile.open(path, mustExist === undefined ? {} : { mustExist })
  } catch (error) {
    // Resuming is a comfort: a full disk or a read-only place does not stop the pull here.
    if (['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'ELOOP', 'EMFILE', 'EISDIR', 'ENOTDIR', 'EEXIST'].includes(errorCode(error) ?? '')) return undefined
    throw error
  }
}

class PartialFile {
  /** Bytes that were there when it was opened. */
  keptBytes: number
  readonly modifiedMs: number
  readonly #path: string
  #fd: number
  #length: number
  #isFull = false

  private constructor(path: string, fd: number) {
    const { size, mtimeMs } = fstatSync(fd)
    this.#path = path
    this.#fd = fd
    this.#length = size
    this.keptBytes = size
    this.modifiedMs = mtimeMs
  }

  /** The file, locked; undefined while somebody else has it. */
  static open(path: string, options: { mustExist?: boolean } = {}): PartialFile | undefined {
    for (;;) {
      const fd = openOrUndefined(path, options.mustExist === true)
      if (fd === undefined) return undefined
      if (!fstatSync(fd).isFile()) {
        // A FIFO or the like is nobody's partial blob.
        closeSync(fd)
        unlinkSync(path)
        continue
      }
      if (!native.tryOfdLock(fd, LockType.write)) {
        closeSync(fd)
        return undefined
      }
      // Removed by its former owner between our open and our lock.
      if (isStillAt(path, fd)) return new PartialFile(path, fd)
      closeSync(fd)
    }
  }

  read(position: number): Uint8Array {
    const buffer = Buffer.allocUnsafeSlow(Math.min(readChunkBytes, this.keptBytes - position))
    const count = readSync(this.#fd, buffer, 0, buffer.length, position)
    if (count === 0) throw new Error(`${this.#path} became shorter while it was locked`)
    return buffer.subarray(0, count)
  }

  /** Stops keeping when the disk is full: the layer needs the space more. */
  append(chunk: Uint8Array): void {
    if (this.#isFull || this.#fd < 0) return
    try {
      for (let done = 0; done < chunk.length; ) done += writeSync(this.#fd, chunk, done, chunk.length - done, this.#length + done)
      this.#length += chunk.length
    } catch (error) {
      if (!['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'].includes(errorCode(error) ?? '')) throw error
      this.#isFull = true
      this.truncate(0)
    }
  }

  truncate(length: number): void {
    ftruncateSync(this.#fd, length)
    this.#length = length
    this.keptBytes = Math.min(this.keptBytes, length)
  }

  /** Its lock goes with it. Idempotent. */
  remove(): void {
    if (this.#fd < 0) return
    try {
      unlinkSync(this.#path)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    } finally {
      this.#release()
    }
  }

  close(): void {
    if (this.#fd < 0) return
    if (this.#length === 0) return this.remove()
    this.#release()
  }

  #release(): void {
    const fd = this.#fd
    this.#fd = -1
    closeSync(fd)
  }
}

function openOrUndefined(path: string, mustExist: boolean): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC | (mustExist ? 0 : constants.O_CREAT), 0o600)
  } catch (error) {
    if (mustExist && errorCode(error) === 'ENOENT') return undefined
    if (errorCode(error) === 'ELOOP' || errorCode(error) === 'ENXIO') {
      // A link or a socket.
      unlinkSync(path)
      return openOrUndefined(path, mustExist)
    }
    throw error
  }
}

function isStillAt(path: string, fd: number): boolean {
  try {
    return statSync(path).ino === fstatSync(fd).ino
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

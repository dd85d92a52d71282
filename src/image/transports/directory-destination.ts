/** Writing dir: images. */
import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { sweepTemporaryFiles } from '../../host/fs/temporary.ts'
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'
import { LockType, native } from '../../host/native/native.ts'
import { digestHex, parseDigest } from '../../oci/digest.ts'
import { dockerList, ociIndex } from '../../oci/media-types.ts'
import { encodeSignatureBlob } from '../trust/signature-blob.ts'
import type { EndpointOptions, ImageDestination, ImageIdentity, RawManifest, Signature } from '../types.ts'
import { directoryVersion } from './directory.ts'
import { describeErrno } from './file-set.ts'
import { openPlace } from './open-place.ts'
import type { Place } from './open-place.ts'
import { writeBlobFile } from './write-blob.ts'

/** A child that inherits the descriptor would hold the lock. */
const O_CLOEXEC = 0o2000000

/**
 * The new image's files come beside those of an image that is there already; at the commit manifest.json is replaced and
 * what belongs to the former image removed. A directory that holds anything but a dir: image is refused,
 * and so is one that somebody is writing to: its `version` is locked until `close`. Whatever becomes of its path meanwhile,
 * it is this directory that is written to and cleared.
 */
export function directoryDestination(path: string, identity: ImageIdentity, options: EndpointOptions): ImageDestination {
  const { place, version } = prepareDirectory(path)
  let isOpen = true
  const written = new Map<string, number>()
  const documents = new Map<string, Uint8Array>()
  const layers = options.layers ?? 'as-is'
  const pathOf = (digest: string): string => `${place.path}/${digestHex(parseDigest(digest, `write dir:${path}`))}`
  let own: RawManifest | undefined
  return {
    description: `dir:${path}`,
    identity,
    traits: { manifestTypes: [], indexTypes: [ociIndex, dockerList], layers, parallelBlobs: 4 },
    reuseBlob: async ({ digest }) => {
      const sizeBytes = digest === undefined ? undefined : written.get(digest)
      return digest === undefined || sizeBytes === undefined ? undefined : { digest, sizeBytes }
    },
    putBlob: async (bytes, blob) => {
      const stored = await writeBlobFile(bytes, blob, place.path, pathOf, path)
      written.set(stored.digest, stored.sizeBytes)
      return stored
    },
    putManifest: async (manifest, { isInstance }) => {
      if (isInstance) documents.set(`${digestHex(manifest.digest)}.manifest.json`, manifest.bytes)
      else own = manifest
    },
    putSignatures: async (signatures, manifestDigest) => {
      const prefix = manifestDigest === own?.digest ? '' : `${digestHex(parseDigest(manifestDigest, `write dir:${path}`))}-`
      for (const [name, bytes] of signatureFiles(signatures, prefix)) documents.set(name, bytes)
    },
    commit: async () => {
      if (own === undefined) throw new Error('an image was committed without its manifest')
      await commitDirectory(place.path, own, documents, new Set([...written.keys()].map(digestHex)))
    },
    close: async () => {
      if (isOpen) closeSync(version)
      isOpen = false
      place.close()
    },
  }
}

async function commitDirectory(path: string, own: RawManifest, documents: ReadonlyMap<string, Uint8Array>, blobs: ReadonlySet<string>): Promise<void> {
  // Without a manifest there is no image: better none for a moment than one with another's signatures.
  removeFile(`${path}/manifest.json`)
  for (const [name, bytes] of documents) await writeFileAtomic(`${path}/${name}`, bytes, { mode: 0o644 })
  for (const name of readdirSync(path)) {
    if (name === 'version' || blobs.has(name) || documents.has(name)) continue
    removeFile(`${path}/${name}`)
  }
  await writeFileAtomic(`${path}/manifest.json`, own.bytes, { mode: 0o644 })
}

/** No image has directories: what is in one is not ours to remove. */
function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!['ENOENT', 'EISDIR'].includes(errorCode(error) ?? '')) throw error
  }
}

function* signatureFiles(signatures: readonly Signature[], prefix: string): Generator<[string, Uint8Array]> {
  for (const [number, signature] of signatures.entries()) yield [`${prefix}signature-${number + 1}`, encodeSignatureBlob(signature)]
}

/** The directory, and its open `version`, with a lock that keeps other writers away. */
function prepareDirectory(path: string): { place: Place; version: number } {
  let fd: number | undefined
  let place: Place | undefined
  try {
    if (!existsSync(path)) mkdirSync(path, { recursive: true, mode: 0o755 })
    place = openPlace(path)
    const others = readdirSync(place.path).filter((name) => name !== 'version').length
    if (others > 0 && !existsSync(`${place.path}/version`)) throw foreign(path)
    const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
    fd = openSync(`${place.path}/version`, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
    if (!tryLock(fd)) throw new TpodError('DESTINATION_BUSY', `write dir:${path}: somebody else is writing an image there`, { remedy: 'wait for that, or name another directory' })
    const present = readFileSync(fd, 'utf8')
    // Empty: made just now, or by somebody who died right then.
    if (present === '' && others === 0) writeSync(fd, directoryVersion, 0)
    else if (present !== directoryVersion) throw foreign(path)
    sweepTemporaryFiles(place.path)
    return { place, version: fd }
  } catch (cause) {
    if (fd !== undefined) closeSync(fd)
    place?.close()
    if (cause instanceof TpodError) throw cause
    throw new TpodError('NO_SUCH_IMAGE_PATH', `write dir:${path}: ${describeErrno(cause)}`, { cause })
  }
}

function tryLock(fd: number): boolean {
  try {
    return native.tryOfdLock(fd, LockType.write)
  } catch {
    // A file system without locks.
    return true
  }
}

function foreign(path: string): TpodError {
  return new TpodError('NOT_AN_IMAGE_DIRECTORY', `write dir:${path}: not a containers image directory, don't want to overwrite important data`, { remedy: 'name an empty or a new directory' })
}

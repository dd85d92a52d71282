/** Writing dir: images. */
import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import { removeTree } from '../../host/fs/remove-tree.ts'
import { sweepTemporaryFiles } from '../../host/fs/temporary.ts'
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'
import { LockType, native } from '../../host/native/native.ts'
import { digestHex, parseDigest } from '../../oci/digest.ts'
import { dockerList, ociIndex } from '../../oci/media-types.ts'
import { encodeSignatureBlob } from '../trust/signature-blob.ts'
import type { EndpointOptions, ImageDestination, ImageIdentity, RawManifest, Signature } from '../types.ts'
import { directoryVersion } from './directory.ts'
import { describeErrno } from './file-set.ts'
import { writeBlobFile } from './write-blob.ts'

/** A child that inherits the descriptor would hold the lock. */
const O_CLOEXEC = 0o2000000

/**
 * The new image's files come beside those of an image that is there already; at the commit manifest.json is replaced and
 * what belongs to the former image removed. A directory that holds anything but a dir: image is refused,
 * and so is one that somebody is writing to: its `version` is locked until `close`.
 */
export function directoryDestination(path: string, identity: ImageIdentity, options: EndpointOptions): ImageDestination {
  const version = prepareDirectory(path)
  let isOpen = true
  const written = new Map<string, number>()
  const documents = new Map<string, Uint8Array>()
  const layers = options.layers ?? 'as-is'
  const pathOf = (digest: string): string => `${path}/${digestHex(parseDigest(digest, `write dir:${path}`))}`
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
      const stored = await writeBlobFile(bytes, blob, path, pathOf)
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
      await commitDirectory(path, own, documents, new Set([...written.keys()].map(digestHex)))
    },
    close: async () => {
      if (isOpen) closeSync(version)
      isOpen = false
    },
  }
}

async function commitDirectory(path: string, own: RawManifest, documents: ReadonlyMap<string, Uint8Array>, blobs: ReadonlySet<string>): Promise<void> {
  // Without a manifest there is no image: better none for a moment than one with another's signatures.
  await removeTree(`${path}/manifest.json`)
  for (const [name, bytes] of documents) await writeFileAtomic(`${path}/${name}`, bytes, { mode: 0o644 })
  for (const name of readdirSync(path)) {
    if (name === 'version' || blobs.has(name) || documents.has(name)) continue
    await removeTree(`${path}/${name}`)
  }
  await writeFileAtomic(`${path}/manifest.json`, own.bytes, { mode: 0o644 })
}

function* signatureFiles(signatures: readonly Signature[], prefix: string): Generator<[string, Uint8Array]> {
  for (const [number, signature] of signatures.entries()) yield [`${prefix}signature-${number + 1}`, encodeSignatureBlob(signature)]
}

/** The open `version`, with a lock that keeps other writers away. */
function prepareDirectory(path: string): number {
  let fd: number | undefined
  try {
    if (!existsSync(path)) mkdirSync(path, { recursive: true, mode: 0o755 })
    const others = readdirSync(path).filter((name) => name !== 'version').length
    if (others > 0 && !existsSync(`${path}/version`)) throw foreign(path)
    const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
    fd = openSync(`${path}/version`, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
    if (!tryLock(fd)) throw new TpodError('DESTINATION_BUSY', `write dir:${path}: somebody else is writing an image there`, { remedy: 'wait for that, or name another directory' })
    const present = readFileSync(fd, 'utf8')
    // Empty: made just now, or by somebody who died right then.
    if (present === '' && others === 0) writeSync(fd, directoryVersion, 0)
    else if (present !== directoryVersion) throw foreign(path)
    sweepTemporaryFiles(path)
    return fd
  } catch (cause) {
    if (fd !== undefined) closeSync(fd)
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

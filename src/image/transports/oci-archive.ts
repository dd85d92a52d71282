/** oci-archive: an OCI layout as a tar file, read and written in place. */
import { createHash } from 'node:crypto'
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex, parseDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/image-types.ts'
import { pathPolicyScopes } from '../trust/policy-scopes.ts'
import type { BlobToStore, EndpointOptions, ImageDestination, ImageIdentity, ImageSource, StoredBlob, TransportContext } from '../types.ts'
import { openArchiveFiles } from './archive-files.ts'
import { layoutEntry, layoutTraits } from './oci-layout-destination.ts'
import { addLayoutEntry, chooseLayoutEntry, entryName, layoutVersion, newLayoutIndex, readLayoutIndex } from './oci-layout-index.ts'
import { formatLayoutName, parseLayoutName } from './oci-layout-name.ts'
import type { LayoutName } from './oci-layout-name.ts'
import { layoutSource } from './oci-layout-source.ts'
import { TarOutput } from './tar-output.ts'

/** PATH[:REFERENCE|:@N], any compression. Throws as openOciLayoutSource, and ARCHIVE_* for what is no such archive. */
export async function openOciArchiveSource(context: Pick<TransportContext, 'temporaryDirectory'>, details: string, options: EndpointOptions = {}): Promise<ImageSource> {
  const name = parseLayoutName('oci-archive', details)
  const identity = identityOf(name)
  const files = await openArchiveFiles(name.path, { temporaryDirectory: context.temporaryDirectory, signal: options.signal })
  try {
    return layoutSource({ files, entry: chooseLayoutEntry(await readLayoutIndex(files), name, name.path), identity })
  } catch (error) {
    await files.close()
    throw error
  }
}

/** What the archive's index calls the image that `details` means: containerd's full name, or the reference name. */
export async function readArchivedName(context: Pick<TransportContext, 'temporaryDirectory'>, details: string, options: EndpointOptions = {}): Promise<string | undefined> {
  const name = parseLayoutName('oci-archive', details)
  const files = await openArchiveFiles(name.path, { temporaryDirectory: context.temporaryDirectory, signal: options.signal })
  try {
    return entryName(chooseLayoutEntry(await readLayoutIndex(files), name, name.path))
  } finally {
    await files.close()
  }
}

/**
 * PATH[:REFERENCE]. The archive appears at its commit, in the place of what was there; a path that is no regular file
 * (/dev/stdout, a FIFO) gets it as a stream.
 */
export async function openOciArchiveDestination(context: Pick<TransportContext, 'temporaryDirectory'>, details: string, options: EndpointOptions = {}): Promise<ImageDestination> {
  const name = parseLayoutName('oci-archive', details)
  if (name.index !== undefined) throw new TpodError('BAD_IMAGE_NAME', `Destination reference must not contain a manifest index @${name.index}`)
  const identity = identityOf(name)
  const output = TarOutput.open(name.path, context.temporaryDirectory)
  const archive = new LayoutArchive(output)
  let entry: Descriptor | undefined
  return {
    description: `oci-archive:${formatLayoutName(name)}`,
    identity,
    traits: { ...layoutTraits, parallelBlobs: 1, ...(options.acceptUncompressedLayers === true ? { layers: 'as-is' } : {}) },
    reuseBlob: async ({ digest }) => (digest === undefined ? undefined : archive.find(digest)),
    putBlob: (bytes, blob) => archive.add(bytes, blob),
    putManifest: async (manifest, { isInstance }) => {
      await archive.addBytes(manifest.digest, manifest.bytes)
      if (!isInstance) entry = layoutEntry(manifest, name.reference)
    },
    commit: async () => {
      if (entry === undefined) throw new Error('an image was committed without its manifest')
      const index = newLayoutIndex()
      addLayoutEntry(index, entry)
      await output.addBytes('index.json', Buffer.from(JSON.stringify(index)))
      await output.addBytes('oci-layout', Buffer.from(JSON.stringify({ imageLayoutVersion: layoutVersion })))
      await output.finish()
    },
    close: () => output.close(),
  }
}

/** The blobs written so far, one at a time. */
class LayoutArchive {
  readonly #output: TarOutput
  readonly #sizes = new Map<string, number>()

  constructor(output: TarOutput) {
    this.#output = output
  }

  find(digest: string): StoredBlob | undefined {
    const sizeBytes = this.#sizes.get(digest)
    return sizeBytes === undefined ? undefined : { digest, sizeBytes }
  }

  async addBytes(digest: string, bytes: Uint8Array): Promise<void> {
    if (this.#sizes.has(digest)) return
    await this.#output.addBytes(blobName(digest), bytes)
    this.#sizes.set(digest, bytes.length)
  }

  async add(bytes: AsyncIterable<Uint8Array>, { digest, sizeBytes }: BlobToStore): Promise<StoredBlob> {
    if (digest !== undefined && sizeBytes !== undefined && !this.#sizes.has(digest)) {
      await this.#output.addStream(blobName(digest), sizeBytes, bytes)
      this.#sizes.set(digest, sizeBytes)
      return { digest, sizeBytes }
    }
    const hash = createHash('sha256')
    let found = digest ?? ''
    const { sizeBytes: length } = await this.#output.addUnsized(digest === undefined ? hashed(bytes, hash) : bytes, () => {
      found = digest ?? `sha256:${hash.digest('hex')}`
      return this.#sizes.has(found) ? undefined : blobName(found)
    })
    this.#sizes.set(found, length)
    return { digest: found, sizeBytes: length }
  }
}

async function* hashed(bytes: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    hash.update(chunk)
    yield chunk
  }
}

function blobName(digest: string): string {
  return `blobs/sha256/${digestHex(parseDigest(digest, 'write the archive'))}`
}

function identityOf(name: LayoutName): ImageIdentity {
  return { transport: 'oci-archive', name: formatLayoutName(name), policyScopes: pathPolicyScopes(name.path) }
}

/** Reading OCI layouts: oci:, and the same from an archive (oci-archive.ts). */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex, digestOf, parseDigest } from '../../oci/digest.ts'
import { maxManifestBytes } from '../../oci/image-types.ts'
import type { Descriptor } from '../../oci/image-types.ts'
import { pathPolicyScopes } from '../trust/policy-scopes.ts'
import type { BlobOptions, EndpointOptions, ImageIdentity, ImageSource, RawManifest } from '../types.ts'
import { openDirectoryFiles } from './file-set.ts'
import type { FileSet } from './file-set.ts'
import { guessMediaType } from './guess-media-type.ts'
import { streamBlob } from './stream-blob.ts'
import { chooseLayoutEntry, readLayoutIndex } from './oci-layout-index.ts'
import { formatLayoutName, parseLayoutName } from './oci-layout-name.ts'

/**
 * PATH[:REFERENCE|:@N]. Foreign files stay closed: blobs that are links out of the layout are refused.
 * Throws BAD_IMAGE_NAME, NO_SUCH_IMAGE_PATH, NOT_A_LAYOUT, BAD_MANIFEST, IMAGE_NOT_IN_LAYOUT, AMBIGUOUS_IMAGE.
 */
export async function openOciLayoutSource(details: string, options: EndpointOptions = {}): Promise<ImageSource> {
  const name = parseLayoutName('oci', details)
  const files = openDirectoryFiles(name.path)
  const identity: ImageIdentity = { transport: 'oci', name: formatLayoutName(name), policyScopes: pathPolicyScopes(name.path) }
  const shared = options.sharedBlobDirectory
  let sharedFiles: FileSet | undefined
  try {
    sharedFiles = shared === undefined ? undefined : openDirectoryFiles(shared)
    const entry = chooseLayoutEntry(await readLayoutIndex(files), name, name.path)
    return layoutSource({ files, entry, identity, ...(sharedFiles === undefined ? {} : { sharedFiles }) })
  } catch (error) {
    await files.close()
    await sharedFiles?.close()
    throw error
  }
}

export interface LayoutSourceParts {
  files: FileSet
  /** The image's entry in index.json. */
  entry: Descriptor
  identity: ImageIdentity
  /** Holds `sha256/HEX` for several layouts. */
  sharedFiles?: FileSet
  /** Closed with the source; default `files` and `sharedFiles`. */
  close?: () => Promise<void>
}

/** The source of one entry; owns the files from here on. */
export function layoutSource({ files, entry, identity, sharedFiles, close }: LayoutSourceParts): ImageSource {
  const description = `${identity.transport}:${identity.name}`
  const where = sharedFiles === undefined ? { files, prefix: 'blobs/sha256' } : { files: sharedFiles, prefix: 'sha256' }
  return {
    description,
    identity,
    getManifest: async (digest) => readManifest(where, digest ?? entry.digest, digest === undefined || digest === entry.digest ? entry.mediaType : '', description),
    getBlob: (digest, options) => readLayoutBlob(where, digest, options, description),
    close: close ?? (async () => {
      await files.close()
      await sharedFiles?.close()
    }),
  }
}

interface BlobPlace {
  files: FileSet
  prefix: string
}

async function readManifest({ files, prefix }: BlobPlace, wanted: string, mediaType: string, description: string): Promise<RawManifest> {
  const digest = parseDigest(wanted, description)
  const bytes = await files.read(`${prefix}/${digestHex(digest)}`, maxManifestBytes)
  if (bytes === undefined) throw new TpodError('MANIFEST_UNKNOWN', `read ${description}: manifest ${digest} is not in it`)
  const actual = digestOf(bytes)
  if (actual !== digest) throw new TpodError('DIGEST_MISMATCH', `read ${description}: manifest ${digest} has digest ${actual}`, { remedy: 'the layout is damaged or forged' })
  return { bytes, digest, mediaType: mediaType === '' ? guessMediaType(bytes) : mediaType }
}

function readLayoutBlob({ files, prefix }: BlobPlace, wanted: string, options: BlobOptions | undefined, description: string): AsyncIterable<Uint8Array> {
  const digest = parseDigest(wanted, description)
  return streamBlob(files, `${prefix}/${digestHex(digest)}`, digest, options, description)
}

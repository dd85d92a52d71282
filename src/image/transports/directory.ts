/** dir: an image as plain files, without names (containers/image's "Directory Transport Version: 1.1"). */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex, digestOf, parseDigest } from '../../oci/digest.ts'
import { maxManifestBytes } from '../../oci/image-types.ts'
import { pathPolicyScopes } from '../trust/policy-scopes.ts'
import { decodeSignatureBlob, maxSignatureBytes, signatureBudget } from '../trust/signature-blob.ts'
import type { EndpointOptions, ImageDestination, ImageIdentity, ImageSource, RawManifest, Signature } from '../types.ts'
import { openDirectoryFiles } from './file-set.ts'
import type { FileSet } from './file-set.ts'
import { guessMediaType } from './guess-media-type.ts'
import { streamBlob } from './stream-blob.ts'

export const directoryVersion = 'Directory Transport Version: 1.1\n'
const maxSignatures = 1000

/** Throws BAD_IMAGE_NAME, NO_SUCH_IMAGE_PATH. That it holds an image shows when the manifest is read. */
export async function openDirectorySource(path: string): Promise<ImageSource> {
  const identity = directoryIdentity(path)
  const files = openDirectoryFiles(path)
  const description = `dir:${path}`
  let own: Promise<RawManifest> | undefined
  const getOwn = (): Promise<RawManifest> => (own ??= readManifest(files, 'manifest.json', undefined, description))
  return {
    description,
    identity,
    getManifest: async (digest) => {
      if (digest === undefined) return getOwn()
      const name = `${digestHex(parseDigest(digest, description))}.manifest.json`
      if ((await files.sizeOf(name)) !== undefined) return readManifest(files, name, digest, description)
      const top = await getOwn()
      if (top.digest === digest) return top
      throw new TpodError('MANIFEST_UNKNOWN', `read ${description}: open ${path}/${name}: no such file or directory`)
    },
    getBlob: (digest, options) => streamBlob(files, digestHex(parseDigest(digest, description)), digest, options, description),
    getSignatures: async (digest) => readSignatures(files, (await getOwn()).digest === digest ? '' : `${digestHex(parseDigest(digest, description))}-`),
    close: () => files.close(),
  }
}

/** Throws BAD_IMAGE_NAME, NOT_AN_IMAGE_DIRECTORY (it holds something else), NO_SPACE. */
export async function openDirectoryDestination(path: string, options: EndpointOptions = {}): Promise<ImageDestination> {
  const identity = directoryIdentity(path)
  const { directoryDestination } = await import('./directory-destination.ts')
  return directoryDestination(path, identity, options)
}

function directoryIdentity(path: string): ImageIdentity {
  if (path === '') throw new TpodError('BAD_IMAGE_NAME', 'Invalid image name "dir:": the path is empty')
  return { transport: 'dir', name: path, policyScopes: pathPolicyScopes(path) }
}

async function readManifest(files: FileSet, name: string, digest: string | undefined, description: string): Promise<RawManifest> {
  const bytes = await files.read(name, maxManifestBytes)
  if (bytes === undefined) throw new TpodError('MANIFEST_UNKNOWN', `read ${description}: open ${files.description}/${name}: no such file or directory`, { remedy: 'it is no dir: image; check the path' })
  const actual = digestOf(bytes)
  if (digest !== undefined && actual !== digest) throw new TpodError('DIGEST_MISMATCH', `read ${description}: ${name} has digest ${actual}`, { remedy: 'the directory is damaged or forged' })
  return { bytes, digest: actual, mediaType: guessMediaType(bytes) }
}

async function readSignatures(files: FileSet, prefix: string): Promise<Signature[]> {
  const signatures: Signature[] = []
  const spend = signatureBudget(files.description)
  for (let number = 1; number <= maxSignatures; number++) {
    const name = `${prefix}signature-${number}`
    const bytes = await files.read(name, maxSignatureBytes)
    if (bytes === undefined) break
    spend(bytes.length)
    signatures.push(decodeSignatureBlob(bytes, `${files.description}/${name}`))
  }
  return signatures
}

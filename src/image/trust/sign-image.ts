/** Signing an image where it lies; the signature goes to the lookaside storage that registries.d names, or to a directory. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { findSignaturePlace, loadRegistriesD } from '../../config/registries-d.ts'
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { parseManifest } from '../../oci/image-types.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import { parseImageName } from '../transports/image-name.ts'
import { openSource } from '../transports/open-source.ts'
import type { EndpointOptions, ImageSource, RawManifest, Signer, TransportContext } from '../types.ts'
import { appendToLookaside } from './lookaside.ts'
import { dockerPolicyScopes } from './policy-scopes.ts'

export interface SignImageOptions {
  signer: Signer
  /** The images of an index instead of the index. */
  all?: boolean
  /** Must exist; instead of the storage of registries.d. */
  directory?: string
  endpoint?: EndpointOptions
}

/**
 * Adds a signature of the image `name` (`transport:details`), for the name it has where it lies, to those in storage.
 * Returns the files written. Throws BAD_IMAGE_NAME, NO_SUCH_DIRECTORY, SIGNING_FAILED, LOOKASIDE_FAILED and what reaching the image throws.
 */
export async function signImage(context: TransportContext, name: string, options: SignImageOptions): Promise<string[]> {
  const base = options.directory === undefined ? undefined : await directoryUrl(options.directory)
  const source = await openSource(context, parseImageName(name), options.endpoint)
  try {
    const reference = source.identity.dockerReference
    if (reference === undefined) throw new TpodError('BAD_REFERENCE', `cannot determine canonical Docker reference for destination ${name}`, { remedy: 'sign an image on a registry: docker://…' })
    const place = base ?? (await configuredPlace(context, reference))
    const files: string[] = []
    for (const manifest of await manifestsToSign(source, name, options)) {
      const signature = await options.signer.sign(manifest, reference)
      files.push(await appendToLookaside(place, reference, manifest.digest, signature))
    }
    return files
  } finally {
    await source.close()
  }
}

async function manifestsToSign(source: ImageSource, name: string, { all, endpoint }: SignImageOptions): Promise<RawManifest[]> {
  const watched = endpoint?.signal === undefined ? {} : { signal: endpoint.signal }
  const top = await source.getManifest(undefined, watched)
  if (all !== true) return [top]
  const index = parseManifest(top.bytes, top.mediaType, name)
  if (index.kind !== 'index') throw new TpodError('NOT_AN_INDEX', `${name} is not a multi-architecture image (manifest type ${index.mediaType})`, { remedy: 'leave --all away' })
  const manifests: RawManifest[] = []
  for (const { digest } of index.manifests) manifests.push(await source.getManifest(digest, watched))
  return manifests
}

async function configuredPlace(context: TransportContext, reference: QualifiedReference): Promise<string> {
  const registries = await loadRegistriesD(context.registriesDirectories ?? ['/etc/containers/registries.d'])
  return findSignaturePlace(registries, dockerPolicyScopes(reference)).write ?? pathToFileURL(context.lookasideDirectory ?? '/var/lib/containers/sigstore').href
}

async function directoryUrl(directory: string): Promise<string> {
  const path = resolve(directory)
  try {
    if (!(await stat(path)).isDirectory()) throw new Error('not a directory')
  } catch (cause) {
    throw new TpodError('NO_SUCH_DIRECTORY', `stat ${directory}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorMessage(cause)}`, { cause })
  }
  return pathToFileURL(path).href
}

/** Trust by the configuration that an environment names: who may sign what, and signing itself. */
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { imagePlaces } from '../../config/paths.ts'
import type { ImagePlaces } from '../../config/paths.ts'
import { setPolicyRule } from '../../config/policy-edit.ts'
import type { PolicyRuleInput } from '../../config/policy-edit.ts'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import type { PolicyRow } from '../../image/trust/describe-policy.ts'
import type { TrustExplanation } from '../../image/trust/explain-trust.ts'
import type { EndpointOptions, ImageIdentity, ImageSource, RawManifest, TransportContext } from '../../image/types.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface TrustFiles {
  /** policy.json, instead of the user's or the system's. */
  policyPath?: string
  /** registries.d, instead of the user's or the system's. */
  registriesDirectory?: string
}

/** Contract and errors as setPolicyRule; key files must exist and get their absolute paths. */
export async function setTrust(env: Env, input: PolicyRuleInput, files: TrustFiles = {}): Promise<void> {
  for (const path of input.keyFiles) {
    if (!(await exists(path))) throw new TpodError('BAD_FLAG', `stat ${path}: no such file or directory`, { remedy: 'the public key must be there before it is trusted' })
  }
  await setPolicyRule(files.policyPath ?? (await policyPathOf(env)), { ...input, keyFiles: input.keyFiles.map((path) => resolve(path)) })
}

export interface ShownTrust {
  /** The policy file's own bytes. */
  raw: Uint8Array
  rows: readonly PolicyRow[]
}

/**
 * The policy in force. With `registry`: the rules of that host, namespace or repository and of what lies below it; if
 * there are none, the one that decides. With `rawOnly` the file as it is, valid or not, and no rows. Throws POLICY_INVALID, also where there is no file, and REGISTRIES_D_INVALID.
 */
export async function showTrust(env: Env, options: TrustFiles & { registry?: string; rawOnly?: boolean; onWarning?: (text: string) => void; signal?: AbortSignal } = {}): Promise<ShownTrust> {
  const path = options.policyPath ?? (await policyPathOf(env))
  const [{ parsePolicy }, { loadRegistriesD }, { describePolicy }] = await Promise.all([import('../../config/policy.ts'), import('../../config/registries-d.ts'), import('../../image/trust/describe-policy.ts')])
  let raw: Uint8Array
  try {
    raw = await readFile(path)
  } catch (cause) {
    throw new TpodError('POLICY_INVALID', `open ${path}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorCode(cause)}`, { cause, remedy: 'without a policy file every image is accepted; `tpod image trust set` makes one' })
  }
  if (options.rawOnly === true) return { raw, rows: [] }
  const registries = await loadRegistriesD(options.registriesDirectory === undefined ? placesOf(env).registriesDirectories : [options.registriesDirectory])
  const rows = await describePolicy(parsePolicy(raw, path), registries, options)
  return { raw, rows: options.registry === undefined ? rows : rowsFor(rows, options.registry) }
}

/** Signs each image with a GPG key of the user's; stops at the first failure. Throws as signImage and gpgSigner. */
export async function signImages(context: TransportContext, names: readonly string[], options: { signBy: string; env: Env; all?: boolean; directory?: string; endpoint: EndpointOptions }): Promise<string[]> {
  const [{ signImage }, { gpgSigner }] = await Promise.all([import('../../image/trust/sign-image.ts'), import('../../image/trust/gpg-signer.ts')])
  const { signBy, env, all, directory, endpoint } = options
  const signer = gpgSigner({ fingerprint: signBy, env, ...(context.userAgent === undefined ? {} : { creator: context.userAgent }), ...(endpoint.signal === undefined ? {} : { signal: endpoint.signal }) })
  const files: string[] = []
  for (const name of names) files.push(...await signImage(context, name, { signer, endpoint, ...(all === undefined ? {} : { all }), ...(directory === undefined ? {} : { directory }) }))
  return files
}

export interface ExplainedTrust extends TrustExplanation {
  /** Where a registry's image has its signatures; absent for other transports. */
  signatures?: { lookaside: string; useSigstoreAttachments: boolean }
}

/**
 * Which rule of policy.json decides about `name` (with a transport, or as pull takes it), without asking anybody; with
 * `verify` the image's signatures are fetched and each is judged. Throws what names, files and registries throw.
 */
export async function explainImage(context: TransportContext, name: string, options: { verify?: boolean; endpoint?: EndpointOptions } = {}): Promise<ExplainedTrust> {
  const { explainImageTrust, explainTrust } = await import('../../image/trust/explain-trust.ts')
  const policy = await context.policy()
  const fullName = await withTransport(context, name)
  const registry = fullName.startsWith('docker:') ? await registryIdentity(fullName.slice('docker:'.length)) : undefined
  const signatures = registry === undefined ? {} : { signatures: await signaturePlaceOf(context, registry.policyScopes) }
  if (registry !== undefined && options.verify !== true) return { ...explainTrust(policy, registry), ...signatures }
  const [{ parseImageName }, { openSource }] = await Promise.all([import('../../image/transports/image-name.ts'), import('../../image/transports/open-source.ts')])
  const source = await openSource(context, parseImageName(fullName), options.endpoint)
  try {
    if (options.verify !== true) return explainTrust(policy, source.identity)
    const watched = options.endpoint?.signal === undefined ? {} : { signal: options.endpoint.signal }
    return { ...(await explainImageTrust(policy, source, await manifestToTrust(context, source, watched), watched)), ...signatures }
  } finally {
    await source.close()
  }
}

/** Of an index the image that a pull would take: that one is checked, not the index. */
async function manifestToTrust(context: TransportContext, source: ImageSource, watched: { signal?: AbortSignal }): Promise<RawManifest> {
  const [{ parseManifest }, { chooseInstance }, { isSchema1 }] = await Promise.all([import('../../oci/image-types.ts'), import('../../oci/platform.ts'), import('../../oci/schema1.ts')])
  const top = await source.getManifest(undefined, watched)
  const parsed = isSchema1(top.bytes) ? undefined : parseManifest(top.bytes, top.mediaType, source.description)
  if (parsed?.kind !== 'index') return top
  const instance = chooseInstance(parsed.manifests, context.platform) ?? parsed.manifests.find(({ platform }) => platform === undefined)
  return instance === undefined ? top : source.getManifest(instance.digest, watched)
}

async function withTransport(context: TransportContext, name: string): Promise<string> {
  const { transportOf } = await import('../../image/transports/image-name.ts')
  if (transportOf(name) !== undefined) return name
  const { resolvePullCandidates } = await import('../../image/pull/short-names.ts')
  const [first] = (await resolvePullCandidates(name, await context.registries())).candidates
  return `docker://${formatReference(first ?? parseReference(name))}`
}

async function registryIdentity(details: string): Promise<ImageIdentity> {
  const [{ parseRegistryName }, { dockerPolicyScopes }] = await Promise.all([import('../../image/registry/open-registry.ts'), import('../../image/trust/policy-scopes.ts')])
  const dockerReference = parseRegistryName(details)
  return { transport: 'docker', name: `//${formatReference(dockerReference)}`, dockerReference, policyScopes: dockerPolicyScopes(dockerReference) }
}

async function signaturePlaceOf(context: TransportContext, scopes: readonly string[]): Promise<{ lookaside: string; useSigstoreAttachments: boolean }> {
  const { findSignaturePlace, loadRegistriesD } = await import('../../config/registries-d.ts')
  const { read, useSigstoreAttachments } = findSignaturePlace(await loadRegistriesD(context.registriesDirectories ?? []), scopes)
  return { lookaside: read ?? `file://${context.lookasideDirectory ?? '/var/lib/containers/sigstore'}`, useSigstoreAttachments }
}

/** The file that decides: the user's if there is one, else the system's. */
async function policyPathOf(env: Env): Promise<string> {
  const [own, systems] = placesOf(env).policyPaths
  return (await exists(own)) ? own : systems
}

function placesOf(env: Env): ImagePlaces {
  return imagePlaces({ env, home: env['HOME'] || '/root', uid: process.getuid?.() ?? 0 })
}

function rowsFor(rows: readonly PolicyRow[], registry: string): PolicyRow[] {
  const own = rows.filter(({ repo_name: name }) => name === registry || name.startsWith(`${registry}/`) || name.startsWith(`${registry}:`) || name.startsWith(`${registry}@`))
  if (own.length > 0) return own
  for (let at = registry; at.includes('/'); ) {
    at = at.slice(0, at.lastIndexOf('/'))
    const above = rows.filter(({ transport, repo_name: name }) => transport === 'repository' && name === at)
    if (above.length > 0) return above
  }
  return rows.filter(({ transport }) => transport === 'all')
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}

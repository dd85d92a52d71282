/** Scopes of policy.json that cover an image, most specific first, as containers-policy.json(5) has them for each transport. The transport's default '' is not among them. */
import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { formatReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'

/** docker: and docker-daemon: the image, its repository, each namespace above, the host, then wildcards of the host's domains. */
export function dockerPolicyScopes(reference: QualifiedReference): string[] {
  const scopes = [formatReference(exactReference(reference)), ...namespacesOf(reference)]
  const labels = reference.domain.replace(/:.*$/s, '').split('.')
  for (let start = 1; start < labels.length; start++) scopes.push('*.' + labels.slice(start).join('.'))
  return scopes
}

/** dir:, oci:, oci-archive: the path without links and each directory above it, but not /. The path need not exist. */
export function pathPolicyScopes(path: string): string[] {
  const scopes: string[] = []
  const real = realPath(resolve(path))
  // Bun's realpath of a pipe (/dev/stdout) is `pipe:[1234]`, above which there is nothing but itself.
  for (let at = real.startsWith('/') ? real : resolve(path); at !== '/'; at = dirname(at)) scopes.push(at)
  return scopes
}

export interface StoredImageName {
  driver: string
  graphRoot: string
  reference?: QualifiedReference
  /** 64 hex digits. */
  imageId?: string
}

/** containers-storage: `[driver@root]name@id`, shorter and shorter, then the store with and without its driver. */
export function storagePolicyScopes({ driver, graphRoot, reference, imageId }: StoredImageName): string[] {
  const store = `[${driver}@${graphRoot}]`
  const scopes: string[] = []
  const name = reference === undefined ? '' : formatReference(reference)
  if (imageId !== undefined) scopes.push(`${store}${name}@${imageId}`)
  if (reference !== undefined) {
    scopes.push(store + name)
    if (reference.tag !== undefined && reference.digest !== undefined) scopes.push(`${store}${reference.name}:${reference.tag}`)
    scopes.push(...namespacesOf(reference).map((namespace) => store + namespace))
  }
  scopes.push(store, `[${graphRoot}]`)
  return scopes
}

/** By its digest alone where it has one, else by its tag, `latest` if none is given. */
function exactReference(reference: QualifiedReference): QualifiedReference {
  const { tag, ...untagged } = reference
  return reference.digest === undefined ? { ...untagged, tag: tag ?? 'latest' } : untagged
}

function namespacesOf(reference: QualifiedReference): string[] {
  const parts = reference.name.split('/')
  return parts.map((_, above) => parts.slice(0, parts.length - above).join('/'))
}

/** Links are resolved as far as the path exists: a destination's last parts may be new. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(realPath(parent), basename(path))
  }
}

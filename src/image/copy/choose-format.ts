/**
 * Which format a copied manifest gets: containers/image's order, so that digests come out as skopeo's. What the source
 * has is kept wherever the destination takes it.
 */
import { TpodError } from '../../errors/tpod-error.ts'
import { dockerList, dockerManifest, dockerSchema1, dockerSchema1Signed, ociIndex, ociManifest } from '../../oci/media-types.ts'
import type { ManifestFormat } from './types.ts'

const formats: Readonly<Record<string, ManifestFormat>> = { [ociManifest]: 'oci', [dockerManifest]: 'v2s2', [dockerSchema1Signed]: 'v2s1', [dockerSchema1]: 'v2s1' }
/** Schema 2 first: it need not change when it is copied to another name. */
const preferred: readonly ManifestFormat[] = ['v2s2', 'v2s1']

export interface FormatChoice {
  source: ManifestFormat
  /** The destination's media types, best first; empty: any. */
  accepted: readonly string[]
  forced?: ManifestFormat
  /** Why the manifest must stay as it is; then it does, and the destination may refuse it. */
  unchangeable?: string
  /** Layers will be compressed with zstd, which OCI alone can say. */
  needsZstd: boolean
}

/** Formats to try, best first; never empty. Throws UNSUPPORTED_MANIFEST if zstd was asked for where no format has it. */
export function chooseFormats({ source, accepted, forced, unchangeable, needsZstd }: FormatChoice): readonly ManifestFormat[] {
  if (unchangeable !== undefined) return [source]
  const possible = forced === undefined ? accepted.map((type) => formats[type]).filter((format) => format !== undefined) : [forced]
  const suits = (format: ManifestFormat): boolean => !needsZstd || format === 'oci'
  if (possible.length === 0) return [suits(source) ? source : 'oci']
  const ordered = [...(possible.includes(source) ? [source] : []), ...preferred.filter((format) => possible.includes(format)), ...possible]
  const suitable = [...new Set(ordered)].filter(suits)
  if (suitable.length > 0) return suitable
  throw new TpodError('UNSUPPORTED_MANIFEST', 'zstd compression is not supported for docker images', { remedy: 'choose the format oci, or gzip' })
}

/** Types of the index to try, best first; `accepted`: the destination's, which are not empty. */
export function chooseIndexTypes(source: string, accepted: readonly string[], forced: ManifestFormat | undefined): readonly string[] {
  const possible = forced === undefined ? accepted : [forced === 'oci' ? ociIndex : dockerList]
  return [...new Set([...(possible.includes(source) ? [source] : []), ...possible])]
}

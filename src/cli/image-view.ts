/** How `images` shows an image: podman's template fields, columns and JSON. */
import type { ImageEntry, ImageRow } from '../image/local/list.ts'
import { formatHumanDuration } from '../text/duration.ts'
import { formatSizeSpaced } from '../text/units.ts'

export const imageHeaders = {
  ID: 'IMAGE ID', Repository: 'REPOSITORY', Tag: 'TAG', Digest: 'DIGEST', Created: 'CREATED', CreatedAt: 'CREATED AT', CreatedSince: 'CREATED', CreatedTime: 'CREATED AT',
  Size: 'SIZE', ReadOnly: 'R/O', History: 'HISTORY',
}

export interface ImageViewOptions { noTrunc: boolean; nowMs: number }

/** What costs files or comparisons: read only for templates that ask. */
export interface CostlyFacts { labels: Record<string, string>; parentId: string; isDangling: boolean }

/** Undefined where a template, or the default listing, asks for none of it. */
export async function costlyFacts(entry: ImageEntry, format: string | undefined): Promise<CostlyFacts | undefined> {
  if (format === undefined || !/\.(?:Labels|ParentId|Is?Dangling)\b|\bjson\b|\{\{\s*\.\s*\}\}/.test(format)) return undefined
  const [labels, parentId, isDangling] = await Promise.all([entry.labels(), entry.parentId(), entry.isDangling()])
  return { labels, parentId, isDangling }
}

const noFacts: CostlyFacts = { labels: {}, parentId: '', isDangling: false }

/** Fields by their names in podman's templates. */
export function imageFields({ repository, tag, digest, entry }: ImageRow, options: ImageViewOptions, { labels, parentId, isDangling }: CostlyFacts = noFacts) {
  const { image } = entry
  const created = `${new Date(entry.createdMs).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`
  const since = `${formatHumanDuration(options.nowMs - entry.createdMs)} ago`
  return {
    ID: options.noTrunc ? `sha256:${image.id}` : image.id.slice(0, 12), Id: image.id, Repository: repository, Tag: tag, Digest: digest,
    Created: since, CreatedSince: since, CreatedAt: created, CreatedTime: created,
    Size: formatSizeSpaced(entry.sizeBytes), ReadOnly: entry.isReadOnly, IsReadOnly: entry.isReadOnly, ParentId: parentId, Names: entry.names, RepoTags: entry.names, RepoDigests: entry.repoDigests,
    Containers: entry.containers, Dangling: isDangling, IsDangling: isDangling, Labels: new Map(Object.entries(labels)), History: (image['names-history'] ?? []).join(', '),
    VirtualSize: entry.sizeBytes, SharedSize: 0,
  }
}

/** One element of `images --format json`. */
export async function imageJson(entry: ImageEntry): Promise<Record<string, unknown>> {
  const { image } = entry
  return {
    Id: image.id, ParentId: await entry.parentId(), RepoTags: null, RepoDigests: entry.repoDigests, Size: entry.sizeBytes, SharedSize: 0,
    VirtualSize: entry.sizeBytes, Labels: orNull(await entry.labels()), Containers: entry.containers, ...(entry.isReadOnly ? { ReadOnly: true } : {}),
    ...((await entry.isDangling()) ? { Dangling: true } : {}),
    ...(entry.names.length === 0 ? {} : { Names: entry.names }), Digest: image.digest ?? '', History: image['names-history'] ?? [],
    Created: Math.floor(entry.createdMs / 1000), CreatedAt: new Date(entry.createdMs).toISOString().replace(/\.\d+Z$/, 'Z'),
  }
}

function orNull(labels: Record<string, string>): Record<string, string> | null {
  return Object.keys(labels).length === 0 ? null : labels
}

export const imageSortKeys = ['created', 'id', 'repository', 'size', 'tag'] as const

export function sortImageRows(rows: readonly ImageRow[], key: string): ImageRow[] {
  const orders: Record<string, (a: ImageRow, b: ImageRow) => number> = {
    created: (a, b) => b.entry.createdMs - a.entry.createdMs,
    id: (a, b) => compare(a.entry.image.id, b.entry.image.id),
    repository: (a, b) => compare(a.repository, b.repository) || compare(a.tag, b.tag),
    size: (a, b) => a.entry.sizeBytes - b.entry.sizeBytes,
    tag: (a, b) => compare(a.tag, b.tag),
  }
  return rows.toSorted(orders[key])
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

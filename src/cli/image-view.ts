/** How `images` shows an image: podman's template fields, columns and JSON. */
import type { ImageEntry, ImageRow } from '../image/list.ts'
import { formatHumanDuration } from '../text/duration.ts'
import { formatSizeSpaced } from '../text/units.ts'

export const imageHeaders = {
  ID: 'IMAGE ID', Repository: 'REPOSITORY', Tag: 'TAG', Digest: 'DIGEST', Created: 'CREATED', CreatedAt: 'CREATED AT', CreatedSince: 'CREATED', CreatedTime: 'CREATED AT',
  Size: 'SIZE', ReadOnly: 'R/O', History: 'HISTORY',
}

export interface ImageViewOptions { noTrunc: boolean; nowMs: number }

/** Fields by their names in podman's templates; `labels` only where the template asks (they cost a file each). */
export function imageFields({ repository, tag, digest, entry }: ImageRow, options: ImageViewOptions, labels: Record<string, string> = {}) {
  const { image } = entry
  const since = `${formatHumanDuration(options.nowMs - entry.createdMs)} ago`
  return {
    ID: options.noTrunc ? `sha256:${image.id}` : image.id.slice(0, 12), Id: image.id, Repository: repository, Tag: tag, Digest: digest,
    Created: since, CreatedSince: since, CreatedAt: image.created, CreatedTime: image.created,
    Size: formatSizeSpaced(entry.sizeBytes), ReadOnly: entry.isReadOnly, Names: entry.names, RepoTags: entry.names, RepoDigests: entry.repoDigests,
    Containers: entry.containers, Dangling: entry.names.length === 0, Labels: new Map(Object.entries(labels)), History: (image['names-history'] ?? []).join(', '),
    VirtualSize: entry.sizeBytes, SharedSize: 0,
  }
}

/** One element of `images --format json`. */
export async function imageJson(entry: ImageEntry): Promise<Record<string, unknown>> {
  const { image } = entry
  return {
    Id: image.id, ParentId: await entry.parentId(), RepoTags: null, RepoDigests: entry.repoDigests, Size: entry.sizeBytes, SharedSize: 0,
    VirtualSize: entry.sizeBytes, Labels: orNull(await entry.labels()), Containers: entry.containers, ...(entry.isReadOnly ? { ReadOnly: true } : {}),
    ...(entry.names.length === 0 ? { Dangling: true } : {}),
    Names: entry.names, Digest: image.digest ?? '', History: image['names-history'] ?? [],
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

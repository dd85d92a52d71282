/** What a sync is made of: sources are looked into first, then each image found is copied. */
import type { CopyBetweenOptions } from '../copy/copy-between.ts'
import type { EndpointOptions } from '../types.ts'

export type SyncSourceKind = 'docker' | 'dir' | 'yaml'
export type SyncDestinationKind = 'docker' | 'dir'

/** One image to copy. */
export interface SyncImage {
  /** `docker://host/path:tag` or `dir:/path`, for opening it. */
  from: string
  /** As skopeo shows it: docker.io's own names are short. */
  shownFrom: string
  /** Path below the destination when scoped; else its last component counts. */
  suffix: string
  /** How its source is reached, where a source file says so. */
  endpoint: EndpointOptions
  /** `2/5` within its repository. */
  place: string
}

export interface SyncPlan {
  images: SyncImage[]
  /** Repositories, or directories, that had images. */
  sources: number
}

export interface SyncRequest extends Omit<CopyBetweenOptions, 'digestFile' | 'multiArch' | 'signIdentity'> {
  sourceKind: SyncSourceKind
  destinationKind: SyncDestinationKind
  /** docker: a repository or an image; dir: a directory; yaml: a file. */
  from: string
  /** docker: HOST/PATH; dir: a directory. */
  to: string
  /** The whole name of the source goes below the destination, not its last component alone. */
  scoped?: boolean
  /** Put behind the destination's tags. */
  appendSuffix?: string
  /** A failed image doesn't stop the others. */
  keepGoing?: boolean
  /** Nothing is written. */
  dryRun?: boolean
  /** Images copied at once; default 1. */
  parallel?: number
  /** Gets `DIGEST NAME` per image, in the order of the plan. */
  digestFile?: string
  /** Gets the result as JSON, even of a sync that failed. */
  reportFile?: string
  onEvent?: (event: SyncEvent) => void
}

/** What happens, in skopeo's words. */
export interface SyncEvent {
  level: 'info' | 'warning' | 'error'
  message: string
  fields: Readonly<Record<string, string>>
}

/** Also the JSON of `reportFile`. */
export interface SyncResult {
  sources: number
  dryRun: boolean
  synced: { from: string; to: string; digest?: string }[]
  failed: { from: string; to: string; code: string; error: string }[]
  /** Not tried, after a failure without `keepGoing`. */
  skipped: { from: string }[]
}

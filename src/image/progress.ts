/** What a pull reports while it runs; drawing is the command line's. */

export type BlobState = 'waiting' | 'present' | 'downloading' | 'downloaded' | 'committing' | 'done' | 'failed'

export type PullProgress =
  /** Which reference is tried, where short names or mirrors leave a choice. */
  | { type: 'trying'; reference: string; endpoint: string }
  /** A short name became a full one: podman prints the reason. */
  | { type: 'resolved'; shortName: string; reason: string }
  | { type: 'blob'; kind: 'config' | 'layer'; digest: string; state: BlobState; bytes: number; total: number }
  /** All blobs are there, the image record is being written. */
  | { type: 'manifest'; digest: string }
  /** A line of containers/image's report between those of blobs and manifests: "Getting image source signatures", … */
  | { type: 'step'; text: string }
  | { type: 'warning'; message: string }
  | { type: 'retry'; what: string; why: string; attempt: number; delayMs: number }

export type OnPullProgress = (event: PullProgress) => void

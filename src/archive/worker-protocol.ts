/** Messages between stage-layer.ts and its worker thread. */
import type { CompressionName, StageLayerOptions, StagedContent } from './types.ts'

export interface WorkerInput extends Pick<StageLayerOptions, 'directory' | 'tarSplitPath' | 'whiteouts' | 'idMaps' | 'ignoreChownErrors'> {
  compression: CompressionName
}

export type ToWorker =
  /** `length` bytes of a buffer that changes hands and comes back with 'used'. */
  | { kind: 'chunk'; buffer: ArrayBuffer; length: number }
  | { kind: 'end' }
  | { kind: 'abort' }

export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'used'; buffer: ArrayBuffer }
  | { kind: 'done'; content: StagedContent }
  | { kind: 'failed'; error: SerializedError }

export interface SerializedError {
  code: string | undefined
  message: string
  remedy: string | undefined
}

/** Messages between stage-layer.ts and its worker thread. */
import type { UnpackedTar } from './layer-unpacker.ts'
import type { UnpackOptions } from './unpacker.ts'

export interface WorkerInput extends UnpackOptions {
  directory: string
  tarSplitPath: string
}

export type ToWorker =
  /** `length` bytes of tar in a buffer that changes hands and comes back with 'used'. */
  | { kind: 'chunk'; buffer: ArrayBuffer; length: number }
  | { kind: 'end' }
  | { kind: 'abort' }

export type FromWorker =
  | { kind: 'used'; buffer: ArrayBuffer }
  | { kind: 'done'; content: UnpackedTar }
  | { kind: 'failed'; error: SerializedError }

export interface SerializedError {
  code: string | undefined
  message: string
  remedy: string | undefined
}

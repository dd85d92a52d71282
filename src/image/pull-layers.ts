/** The layers of one image: fetched and unpacked several at a time, committed from the bottom up. */
import { freeChunk } from '../archive/free-chunk.ts'
import { errorCode, errorMessage, throwIfAborted, TpodError } from '../errors/tpod-error.ts'
import type { Descriptor } from '../oci/image-types.ts'
import type { StagedLayer, Store } from '../storage/types.ts'
import type { BlobState, OnPullProgress } from './progress.ts'
import type { ImageSource } from './types.ts'

export interface LayerWork {
  store: Store
  source: ImageSource
  /** Bottom first, each with the digest its uncompressed tar must have. */
  layers: readonly { blob: Descriptor; diffId: string }[]
  /** The image's name, for messages. */
  shownAs: string
  parallel: number
  signal?: AbortSignal
  onProgress?: OnPullProgress
}

interface LayerState {
  blob: Descriptor
  diffId: string
  id: string
  parentId: string | undefined
  staged?: StagedLayer
}

const maxParentRaces = 8

/**
 * Makes all layers exist in the store and calls `finish` with the top one's id (undefined without layers), all again
 * when somebody deletes a layer in between (LAYER_PARENT_GONE): a parallel rmi costs time, not the pull. What has been
 * unpacked is kept over such rounds.
 *
 * On failure staged layers are discarded; layers already committed stay for the next attempt to reuse. They are no
 * image, so nothing lists them, and podman leaves them in the same way.
 */
export async function withLayers<T>(work: LayerWork, finish: (topLayerId: string | undefined) => Promise<T>): Promise<T> {
  const states = planLayers(work)
  try {
    for (let race = 1; ; race++) {
      try {
        await applyLayers(work, states)
        return await finish(states.at(-1)?.id)
      } catch (error) {
        if (errorCode(error) !== 'LAYER_PARENT_GONE' || race >= maxParentRaces) throw error
        throwIfAborted(work.signal)
      }
    }
  } finally {
    await Promise.all(states.map((state) => state.staged?.discard()))
  }
}

function planLayers({ store, layers }: LayerWork): LayerState[] {
  let parentId: string | undefined
  return layers.map(({ blob, diffId }) => {
    const state: LayerState = { blob, diffId, id: store.layerIdFor(parentId, diffId), parentId }
    parentId = state.id
    return state
  })
}

async function applyLayers(work: LayerWork, states: readonly LayerState[]): Promise<void> {
  const present = new Set<string>()
  for (const state of states) {
    if ((await work.store.findLayer(state.id)) === undefined) continue
    present.add(state.id)
    report(work, state, 'present', state.blob.size)
  }
  const missing = states.filter(({ id }) => !present.has(id))
  for (const state of missing) if (state.staged === undefined) report(work, state, 'waiting', 0)
  const stop = new AbortController()
  const signal = work.signal === undefined ? stop.signal : AbortSignal.any([work.signal, stop.signal])
  // Biggest first: it takes longest, and the small ones fit in beside it.
  const queue = missing.filter(({ staged }) => staged === undefined).toSorted((a, b) => b.blob.size - a.blob.size)
  const committer = bottomUpCommitter(work, missing)
  const worker = async (): Promise<void> => {
    for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
      state.staged = await stageBlob(work, state, signal)
      await committer()
    }
  }
  const fail = (error: unknown): void => stop.abort(error)
  const workers = Array.from({ length: Math.min(work.parallel, queue.length) }, () => worker().catch((error: unknown) => void fail(error)))
  await Promise.all(workers)
  if (stop.signal.aborted) throw work.signal?.aborted ? work.signal.reason : stop.signal.reason
  await committer()
}

/** A function that commits, in order and one at a time, whatever is ready. */
function bottomUpCommitter(work: LayerWork, missing: readonly LayerState[]): () => Promise<void> {
  let next = 0
  let running: Promise<void> = Promise.resolve()
  const commitReady = async (): Promise<void> => {
    for (let state = missing[next]; state?.staged !== undefined; state = missing[next]) {
      report(work, state, 'committing', state.blob.size)
      await work.store.commitLayer(state.staged, state.parentId)
      await state.staged.discard()
      delete state.staged
      next++
      report(work, state, 'done', state.blob.size)
    }
  }
  return () => (running = running.then(commitReady))
}

async function stageBlob(work: LayerWork, state: LayerState, signal: AbortSignal): Promise<StagedLayer> {
  const { blob } = state
  const what = `pull ${work.shownAs}: layer ${blob.digest.slice(7, 19)}`
  const transfer = watchTransfer(work.source.getBlob(blob.digest, { sizeBytes: blob.size, signal }), (bytes) => report(work, state, 'downloading', bytes))
  let staged: StagedLayer
  try {
    staged = await work.store.stageLayer(transfer.bytes, { signal })
  } catch (error) {
    report(work, state, 'failed', 0)
    throw explainFailure(transfer.failure() ?? error, what)
  }
  if (staged.blobDigest !== blob.digest) {
    await staged.discard()
    throw new TpodError('DIGEST_MISMATCH', `${what}: its bytes have digest ${staged.blobDigest}`, { remedy: 'the registry or a proxy before it is broken or hostile' })
  }
  if (staged.diffId !== state.diffId) {
    await staged.discard()
    throw new TpodError('DIGEST_MISMATCH', `${what}: unpacked it has digest ${staged.diffId}, but the image config says ${state.diffId}`, { remedy: 'the image is damaged or forged: ask who made it' })
  }
  report(work, state, 'downloaded', blob.size)
  return staged
}

/**
 * Passes bytes on, counts them, and remembers what broke them: a reader may report the break in its own words. A chunk
 * is freed once the next one is asked for, as the unpacker allows.
 */
function watchTransfer(source: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): { bytes: AsyncIterable<Uint8Array>; failure: () => unknown } {
  let failure: unknown
  async function* pass(): AsyncGenerator<Uint8Array> {
    let bytes = 0
    onBytes(0)
    try {
      for await (const chunk of source) {
        bytes += chunk.length
        onBytes(bytes)
        yield chunk
        freeChunk(chunk)
      }
    } catch (error) {
      failure = error
      throw error
    }
  }
  return { bytes: pass(), failure: () => failure }
}

function explainFailure(error: unknown, what: string): unknown {
  if (isDiskFull(error)) return new TpodError('DISK_FULL', `${what}: no space left on the store's file system`, { cause: error, remedy: 'free space (rmi, rm), or use another --root' })
  if (error instanceof TpodError && !error.message.startsWith('pull ') && error.code.startsWith('ARCHIVE_')) {
    return new TpodError(error.code, `${what}: corrupt or invalid: ${errorMessage(error)}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
  return error
}

export function isDiskFull(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const code = errorCode(cause)
    if (code === 'ENOSPC' || code === 'EDQUOT') return true
  }
  return false
}

function report(work: LayerWork, { blob }: LayerState, state: BlobState, bytes: number): void {
  work.onProgress?.({ type: 'blob', kind: 'layer', digest: blob.digest, state, bytes, total: blob.size })
}

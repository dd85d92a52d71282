/** The layers of one image on their way into a store: each staged when it comes, committed when all below it are. */
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { StagedLayer, Store } from '../../storage/types.ts'
import { markNewLayer, unmarkNewLayers } from '../pull/new-layers.ts'
import type { BlobToStore, StoredBlob } from '../types.ts'

interface LayerState {
  diffId: string
  id: string
  parentId: string | undefined
  staged?: StagedLayer
  /** In the store when we last looked. */
  isThere: boolean
}

/** Safe for calls at the same time. */
export class StoredLayers {
  readonly #store: Store
  readonly #shownAs: string
  readonly #onCommitted: (blobDigest: string) => void
  #states: LayerState[] = []
  /** By their place: layers that came before the config, which docker's schema 1 lets be computed from them only. */
  readonly #early = new Map<number, StagedLayer>()
  #commits: Promise<void> = Promise.resolve()
  /** Ids of layers that were not there before. */
  readonly #added: string[] = []
  /** A parent vanished under us: nothing is committed any more before commitAll has said so and all is asked for again. */
  #gone: unknown

  constructor(store: Store, shownAs: string, onCommitted: (blobDigest: string) => void = () => undefined) {
    this.#store = store
    this.#shownAs = shownAs
    this.#onCommitted = onCommitted
  }

  /** `diffIds` of the image's config, bottom first: with them each layer's id is known. The same ones again change nothing. */
  plan(diffIds: readonly string[]): void {
    if (this.#states.length === diffIds.length && this.#states.every(({ diffId }, index) => diffId === diffIds[index])) return
    if (this.#states.some(({ staged, isThere }) => isThere || staged !== undefined)) throw new Error('plan: layers of another config have come already')
    let parentId: string | undefined
    this.#states = diffIds.map((diffId) => {
      const state: LayerState = { diffId, id: this.#store.layerIdFor(parentId, diffId), parentId, isThere: false }
      parentId = state.id
      return state
    })
    for (const [index, staged] of this.#early) {
      if (this.#states[index]?.diffId !== staged.diffId) continue
      this.#states[index].staged = staged
      this.#early.delete(index)
    }
  }

  /** The layer if it is there, or if another image has the same content on other layers: that is unpacked again, from disk. */
  async reuse(blob: BlobToStore): Promise<StoredBlob | undefined> {
    const state = this.#stateOf(blob)
    const { digest } = blob
    if (digest === undefined) return undefined
    const stored: StoredBlob = { digest, sizeBytes: blob.sizeBytes ?? 0 }
    // Asked for again after BLOBS_GONE, what has been unpacked is kept.
    state.isThere = (await this.#store.findLayer(state.id)) !== undefined
    if (state.isThere || state.staged !== undefined) return stored
    return (await this.#stageCopy(state, blob)) ? stored : undefined
  }

  async put(bytes: AsyncIterable<Uint8Array>, blob: BlobToStore): Promise<StoredBlob> {
    const state = this.#states.length === 0 ? undefined : this.#stateOf(blob)
    const what = `store ${this.#shownAs}: layer ${(blob.digest ?? blob.diffId)?.slice(7, 19) ?? ''}`
    const transfer = watch(bytes)
    let staged: StagedLayer
    try {
      staged = await this.#store.stageLayer(transfer.bytes, {
        ...(blob.digest === undefined ? {} : { verifiedDigest: blob.digest }),
        ...(blob.signal === undefined ? {} : { signal: blob.signal }),
      })
    } catch (error) {
      // The disk that a source finds full is another one.
      throw transfer.failure() === undefined ? diskFullError(error, what, this.#store) ?? explain(error, what) : explain(transfer.failure(), what)
    }
    if (state === undefined) {
      this.#early.set(blob.layerIndex!, staged)
      return { digest: staged.blobDigest, sizeBytes: staged.blobSizeBytes }
    }
    if (staged.diffId !== state.diffId) {
      await staged.discard()
      throw new TpodError('DIGEST_MISMATCH', `${what}: unpacked it has digest ${staged.diffId}, but the image config says ${state.diffId}`, { remedy: 'the image is damaged or forged: ask who made it' })
    }
    await state.staged?.discard()
    state.staged = staged
    await this.#commitReady().catch((error: unknown) => {
      throw diskFullError(error, what, this.#store) ?? error
    })
    return { digest: staged.blobDigest, sizeBytes: staged.blobSizeBytes }
  }

  /** Commits the rest; gives the top layer's id, undefined without layers. Throws LAYER_PARENT_GONE. */
  async commitAll(count: number): Promise<string | undefined> {
    if (count !== this.#states.length) throw new TpodError('BAD_MANIFEST', `store ${this.#shownAs}: the manifest has ${count} layers, its config ${this.#states.length}`)
    await this.#commitReady()
    const gone = this.#gone
    this.#gone = undefined
    if (gone !== undefined) throw gone
    const missing = this.#states.find(({ isThere }) => !isThere)
    if (missing !== undefined) throw new TpodError('BAD_MANIFEST', `store ${this.#shownAs}: layer ${missing.diffId} did not come`)
    return this.#states.at(-1)?.id
  }

  /** An image has the layers now. */
  settle(): void {
    unmarkNewLayers(this.#store, this.#states.map(({ id }) => id))
  }

  /** Removes what was unpacked and not committed. Idempotent. */
  async discard(): Promise<void> {
    await this.#commits.catch(() => undefined)
    await Promise.all([...this.#states.map(({ staged }) => staged), ...this.#early.values()].map((staged) => staged?.discard()))
  }

  /** Takes back what it put into the store, where nobody has come to use it since: on a full disk that is in the way. */
  async withdraw(): Promise<void> {
    await this.discard()
    const ids = this.#added.splice(0)
    if (ids.length === 0) return
    await this.#store.deleteUnusedLayers(ids)
    unmarkNewLayers(this.#store, ids)
  }

  #stateOf({ layerIndex }: BlobToStore): LayerState {
    const state = layerIndex === undefined ? undefined : this.#states[layerIndex]
    if (state !== undefined) return state
    if (layerIndex === undefined) throw new Error('a store wants to know which layer comes')
    throw new TpodError('BAD_MANIFEST', `store ${this.#shownAs}: the manifest has more layers than its config, which has ${this.#states.length}`)
  }

  /** In order and one at a time, whatever is ready. */
  #commitReady(): Promise<void> {
    return (this.#commits = this.#commits.then(async () => {
      for (const state of this.#states) {
        if (this.#gone !== undefined || !(state.isThere || state.staged !== undefined)) return
        if (!state.isThere) await this.#commit(state)
      }
    }))
  }

  async #commit(state: LayerState): Promise<void> {
    try {
      markNewLayer(this.#store, state.id)
      await this.#store.commitLayer(state.staged!, state.parentId)
    } catch (error) {
      if (errorCode(error) !== 'LAYER_PARENT_GONE') throw error
      this.#gone = error
      for (const each of this.#states) each.isThere = false
      return
    }
    state.isThere = true
    this.#added.push(state.id)
    const { blobDigest } = state.staged!
    await state.staged!.discard()
    delete state.staged
    this.#onCommitted(blobDigest)
  }

  async #stageCopy(state: LayerState, blob: BlobToStore): Promise<boolean> {
    const twin = (await this.#store.listLayers()).find((layer) => layer['diff-digest'] === state.diffId)
    if (twin === undefined) return false
    try {
      const staged = await this.#store.stageLayer(this.#store.readLayerTar(twin.id), blob.signal === undefined ? {} : { signal: blob.signal })
      if (staged.diffId !== state.diffId) {
        await staged.discard()
        return false
      }
      state.staged = staged
    } catch (error) {
      // Damaged, without its tar-split, or just being deleted: the bytes come from outside then.
      if (blob.signal?.aborted === true) throw error
      const full = diskFullError(error, `store ${this.#shownAs}: layer ${state.diffId.slice(7, 19)}`, this.#store)
      if (full !== undefined) throw full
      return false
    }
    await this.#commitReady()
    return true
  }
}

/** Passes bytes on and remembers what broke them: a reader may report the break in its own words. */
function watch(source: AsyncIterable<Uint8Array>): { bytes: AsyncIterable<Uint8Array>; failure: () => unknown } {
  let failure: unknown
  async function* pass(): AsyncGenerator<Uint8Array> {
    try {
      yield* source
    } catch (error) {
      failure = error
      throw error
    }
  }
  return { bytes: pass(), failure: () => failure }
}

function explain(error: unknown, what: string): unknown {
  if (error instanceof TpodError && error.code.startsWith('ARCHIVE_')) {
    return new TpodError(error.code, `${what}: corrupt or invalid: ${errorMessage(error)}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
  return error
}

/** Undefined for other errors. `error`: of writing to the store. */
export function diskFullError(error: unknown, what: string, store: Store): TpodError | undefined {
  if (!isDiskFull(error)) return undefined
  return new TpodError('DISK_FULL', `${what}: no space left on device: the file system of ${store.graphRoot} is full`, { cause: error, remedy: 'free space (tpod rmi, tpod image prune), or use another --root' })
}

function isDiskFull(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const code = errorCode(cause)
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'NO_SPACE') return true
  }
  return false
}

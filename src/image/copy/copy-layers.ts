/** All layers of an image, several at once. */
import { copyLayer } from './copy-layer.ts'
import type { CopiedLayer, LayerJob } from './copy-layer.ts'

/**
 * Copies the layers, `parallel` at a time (1: in their order). Equal ones one after another, so that the second finds
 * what the first stored. The first failure stops the others and is thrown once they have stopped.
 */
export async function copyLayers(jobs: readonly LayerJob[], parallel: number, signal: AbortSignal | undefined): Promise<CopiedLayer[]> {
  const stop = new AbortController()
  const signals = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const results: CopiedLayer[] = []
  const running = new Map<string, Promise<void>>()
  const queue = [...jobs.entries()]
  for (const { layer, onProgress } of jobs) onProgress?.({ type: 'blob', kind: 'layer', digest: layer.digest, state: 'waiting', bytes: 0, total: layer.sizeBytes ?? 0 })
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      signals.throwIfAborted()
      const [position, job] = next
      const { digest } = job.layer
      const done = (running.get(digest) ?? Promise.resolve()).then(async () => {
        results[position] = await copyLayer({ ...job, signal: signals })
      })
      running.set(digest, done)
      await done
    }
  }
  const workers = Array.from({ length: Math.min(parallel, jobs.length) }, () => worker().catch((error: unknown) => stop.abort(error)))
  await Promise.all(workers)
  if (stop.signal.aborted) throw signal?.aborted ? signal.reason : stop.signal.reason
  return results
}

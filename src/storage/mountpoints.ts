/** RUN/overlay-layers/mountpoints.json: how often each layer is mounted, shared by all tools. A hint: the kernel's table is the truth. */
import { mkdirSync } from 'node:fs'
import { readTextIfExists } from '../host/fs/read-optional.ts'
import { writeFileAtomicSync } from '../host/fs/write-file-atomic.ts'
import { withFileLock } from '../host/lock/lock-file.ts'
import type { StorePaths } from './store-paths.ts'

interface MountPoint {
  id: string
  path: string
  count: number
}

/** Counts while their lock is held. Entries of layers we do not know are kept. */
export class MountCounts {
  #points: MountPoint[]
  #isChanged = false

  constructor(points: MountPoint[]) {
    this.#points = points
  }

  get(layerId: string): number {
    return this.#points.find(point => point.id === layerId)?.count ?? 0
  }

  /** Zero removes the entry. */
  set(layerId: string, path: string, count: number): void {
    this.#points = this.#points.filter(point => point.id !== layerId)
    if (count > 0) this.#points.push({ id: layerId, path, count })
    this.#isChanged = true
  }

  get points(): readonly MountPoint[] {
    return this.#points
  }

  get isChanged(): boolean {
    return this.#isChanged
  }
}

/**
 * Runs fn under mountpoints.lock and saves what it changed, also when it throws. The innermost lock: fn takes no other.
 * Caller holds layers.lock. The file does not outlive the boot: written without sync, and an unreadable one starts anew.
 */
export async function withMountCounts<T>(paths: Pick<StorePaths, 'runLayers'>, fn: (counts: MountCounts) => Promise<T> | T): Promise<T> {
  mkdirSync(paths.runLayers, { recursive: true, mode: 0o700 })
  return withFileLock(`${paths.runLayers}/mountpoints.lock`, 'write', async lock => {
    const file = `${paths.runLayers}/mountpoints.json`
    const counts = new MountCounts(parsePoints(readTextIfExists(file)))
    try {
      return await fn(counts)
    } finally {
      if (counts.isChanged) {
        lock.writeToken()
        writeFileAtomicSync(file, JSON.stringify(counts.points), { sync: false, isLocked: true })
      }
    }
  })
}

function parsePoints(text: string | undefined): MountPoint[] {
  if (text === undefined) return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? (value as MountPoint[]) : []
  } catch {
    return []
  }
}

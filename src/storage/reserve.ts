/**
 * ROOT/tpod/reserve: disk space kept back for removals. Deleting an image begins with writing the new list of images
 * beside the old one, which a full disk does not permit: then the reserve goes first, and comes back at the end.
 */
import { randomFillSync } from 'node:crypto'
import { closeSync, constants, mkdirSync, openSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs'
import type { StorePaths } from './store-paths.ts'

const minimumBytes = 1024 * 1024
/** Below, the disk counts as full. */
const scarceBytes = 8 * 1024 * 1024
const O_CLOEXEC = 0o2000000

/** Runs `remove` with the reserve's space, if the disk is full. */
export async function withReserve<T>(paths: StorePaths, remove: () => Promise<T>): Promise<T> {
  if (freeBytes(paths) < scarceBytes) quietly(() => unlinkSync(reservePath(paths)))
  try {
    return await remove()
  } finally {
    keepReserve(paths)
  }
}

/** Makes the reserve where there is none and enough space. Never throws, and waits for nothing. */
export function keepReserve(paths: StorePaths): void {
  quietly(() => {
    if (statSync(reservePath(paths), { throwIfNoEntry: false }) !== undefined) return
    const tables = [`${paths.images}/images.json`, `${paths.layers}/layers.json`].map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0)
    // Each may be written several times in one removal, beside itself.
    const bytes = minimumBytes + 2 * Math.max(...tables)
    if (freeBytes(paths) < bytes + scarceBytes / 4) return
    mkdirSync(`${paths.root}/tpod`, { recursive: true, mode: 0o700 })
    write(reservePath(paths), bytes)
  })
}

function write(path: string, bytes: number): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
  try {
    // Random, or a compressing file system would keep nothing back.
    const piece = randomFillSync(Buffer.allocUnsafe(minimumBytes))
    for (let done = 0; done < bytes; ) done += writeSync(fd, piece, 0, Math.min(piece.length, bytes - done))
  } catch (error) {
    unlinkSync(path)
    throw error
  } finally {
    closeSync(fd)
  }
}

function reservePath({ root }: StorePaths): string {
  return `${root}/tpod/reserve`
}

/** Infinity where it cannot be known. */
function freeBytes({ root }: StorePaths): number {
  try {
    const { bavail, bsize } = statfsSync(root)
    return bavail * bsize
  } catch {
    return Infinity
  }
}

function quietly(act: () => void): void {
  try {
    act()
  } catch {
    // A comfort: without it removals need some free space.
  }
}

import { lstatSync, readdirSync } from 'node:fs'
import { errorCode } from '../errors/tpod-error.ts'

/** Sum of the sizes of all regular files and links below a directory, bytes; hard links counted once. Vanishing files are fine. */
export function measureTree(directory: string): number {
  const counted = new Set<string>()
  let sizeBytes = 0
  const pending = [directory]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const entry of list(path)) {
      const child = `${path}/${entry.name}`
      if (entry.isDirectory()) {
        pending.push(child)
        continue
      }
      const stat = lstatSync(child, { throwIfNoEntry: false })
      if (stat === undefined) continue
      if (stat.nlink > 1) {
        const key = `${stat.dev}:${stat.ino}`
        if (counted.has(key)) continue
        counted.add(key)
      }
      sizeBytes += stat.size
    }
  }
  return sizeBytes
}

function list(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

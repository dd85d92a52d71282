import { accessSync, constants, statSync } from 'node:fs'

/**
 * The path of the first executable regular file called `name` in `directories`; a name with a slash is taken as it
 * is. Undefined when there is none.
 */
export function findExecutable(name: string, directories: readonly string[]): string | undefined {
  const candidates = name.includes('/') ? [name] : directories.map((directory) => `${directory}/${name}`)
  return candidates.find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

import { readFileSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'

/** The file's bytes, or undefined when it (or a directory above it) does not exist. Other failures throw. */
export function readFileIfExists(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/** As readFileIfExists, UTF-8. */
export function readTextIfExists(path: string): string | undefined {
  return readFileIfExists(path)?.toString('utf8')
}

/**
 * The parsed file, or undefined when it does not exist. Text that is not JSON (also an empty file) throws FILE_CORRUPT
 * naming the file. The type is the caller's promise: nothing is validated here.
 */
export function readJsonIfExists<T = unknown>(path: string): T | undefined {
  const text = readTextIfExists(path)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch (error) {
    throw new TpodError('FILE_CORRUPT', `read ${path}: not valid JSON (${text.length} bytes)`, { cause: error })
  }
}

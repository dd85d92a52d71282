import { readdirSync } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'

/** Names in `directory` that are 64 hex digits, ids or digests, and nothing else that lies there; none where it does not exist. */
export function listHexNames(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => /^[0-9a-f]{64}$/.test(name))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

import { statSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'

/** An --authfile that is not there is an error, as podman's, also where the registry would have asked for no login. */
export function existingAuthFile(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return path
  try {
    statSync(path)
  } catch (cause) {
    throw new TpodError('AUTH_FILE_MISSING', `stat ${path}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorCode(cause)}`, { cause, remedy: 'log in first, or leave --authfile away' })
  }
  return path
}

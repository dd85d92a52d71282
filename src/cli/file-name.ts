import { TpodError } from '../errors/tpod-error.ts'

/** podman takes no file name with a colon where it takes references too. Throws BAD_FLAG in its words. */
export function checkFileName(name: string): void {
  if (name.includes(':')) throw new TpodError('BAD_FLAG', `invalid filename (should not contain ':') ${JSON.stringify(name)}`)
}

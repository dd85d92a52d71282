import { TpodError } from '../../errors/tpod-error.ts'

/** podman's rule and words. Throws BAD_NAME. */
export function checkContainerName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) return
  throw new TpodError('BAD_NAME', `container name ${JSON.stringify(name)}: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument`)
}

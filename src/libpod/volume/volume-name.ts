import { TpodError } from '../../errors/tpod-error.ts'

/**
 * Throws BAD_NAME unless `name` can be a volume's: it becomes a directory's name below ROOT/volumes, so nothing
 * that walks (`..`, `/`), hides or looks like an option passes.
 */
export function checkVolumeName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) && name.length <= 255) return
  throw new TpodError('BAD_NAME', `volume name ${JSON.stringify(name)}: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument`)
}

import { TpodError } from '../../../errors/tpod-error.ts'

/** One line that names the flag, its value and what is wrong with it. Code BAD_FLAG, exit status 125. */
export function flagError(flag: string, value: string, why: string, remedy?: string): TpodError {
  return new TpodError('BAD_FLAG', `invalid --${flag} ${JSON.stringify(value)}: ${why}`, remedy === undefined ? {} : { remedy })
}

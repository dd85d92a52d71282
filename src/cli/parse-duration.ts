import { TpodError } from '../errors/tpod-error.ts'
import { parseDurationMs } from '../text/duration.ts'

/** Milliseconds of a Go duration (`250ms`, `1h30m`); a bare number counts milliseconds, as podman takes it. Throws BAD_FLAG. */
export function parseFlagDurationMs(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  try {
    return parseDurationMs(text)
  } catch (error) {
    throw new TpodError('BAD_FLAG', `invalid value "${text}" for --${flag}: not a duration such as 250ms or 1m30s`, { cause: error })
  }
}

import { TpodError } from '../errors/tpod-error.ts'
import { parseDurationMs } from '../text/duration.ts'

/** Milliseconds since 1970 of --since and --until: a duration before now (`10m`), RFC 3339 or parts of it, or Unix seconds. Throws BAD_FLAG. */
export function parseTimeFlag(flag: string, text: string, nowMs: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?(Z|[+-]\d{2}:?\d{2})?$/.exec(text)
  if (match) {
    const [, date = '', clock = '00:00:00', zone = ''] = match
    const time = Date.parse(`${date}T${clock}${zone}`)
    if (!Number.isNaN(time)) return time
  } else {
    try {
      return nowMs - parseDurationMs(text)
    } catch {
      // Neither: said below.
    }
  }
  throw new TpodError('BAD_FLAG', `invalid value "${text}" for --${flag}: neither a time (RFC 3339, Unix seconds) nor a duration such as 10m`)
}

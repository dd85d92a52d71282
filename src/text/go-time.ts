/** Points in time as Go writes them: RFC 3339 with up to nine digits (JSON), and time.String(). JavaScript's Date has three. */
import { TpodError } from '../errors/tpod-error.ts'

export interface GoTime {
  /** Whole seconds since 1970; negative before. */
  seconds: number
  /** 0 to 999999999. */
  nanoseconds: number
  /** Minutes east of Greenwich that the text is written with. */
  offsetMinutes: number
}

/** Go's zero time.Time, "not set". */
export const zeroTimeText = '0001-01-01T00:00:00Z'
const zeroTimeSeconds = -62135596800

export function isZeroTime(time: GoTime): boolean {
  return time.seconds === zeroTimeSeconds && time.nanoseconds === 0
}

/** Throws INVALID_TIME. */
export function parseGoTime(text: string): GoTime {
  const match = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))$/.exec(text)
  if (match === null) throw new TpodError('INVALID_TIME', `invalid time: "${text}"`, { remedy: 'give it as 2026-01-31T12:00:00Z' })
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number]
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 60) {
    throw new TpodError('INVALID_TIME', `invalid time: "${text}": no such date or hour`)
  }
  const offsetMinutes = match[8] === undefined ? 0 : (Number(match[9]) * 60 + Number(match[10])) * (match[8] === '-' ? -1 : 1)
  return {
    seconds: date.getTime() / 1000 - offsetMinutes * 60,
    nanoseconds: Number((match[7] ?? '').padEnd(9, '0')),
    offsetMinutes,
  }
}

export function goTimeToMs(time: GoTime): number {
  return time.seconds * 1000 + time.nanoseconds / 1e6
}

/** From milliseconds since 1970 (fractions count); UTC unless an offset is given. */
export function goTimeFromMs(milliseconds: number, offsetMinutes = 0): GoTime {
  const seconds = Math.floor(milliseconds / 1000)
  return { seconds, nanoseconds: Math.min(999_999_999, Math.round((milliseconds - seconds * 1000) * 1e6)), offsetMinutes }
}

/** Now, with the microseconds that the runtime knows, in local time as Go's time.Now(). */
export function goTimeNow(): GoTime {
  const milliseconds = performance.timeOrigin + performance.now()
  // timeOrigin ages with a suspended or adjusted clock.
  const now = Date.now()
  return goTimeFromMs(Math.abs(milliseconds - now) < 5 ? milliseconds : now, -new Date(now).getTimezoneOffset())
}

function civil(time: GoTime): { date: string; clock: string } {
  const iso = new Date((time.seconds + time.offsetMinutes * 60) * 1000).toISOString()
  return { date: iso.slice(0, iso.indexOf('T')), clock: iso.slice(iso.indexOf('T') + 1, iso.indexOf('.')) }
}

function fraction(nanoseconds: number): string {
  return nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`
}

function offset(minutes: number, separator: string): string {
  const absolute = Math.abs(minutes)
  const hours = String(Math.floor(absolute / 60)).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${hours}${separator}${String(absolute % 60).padStart(2, '0')}`
}

/** `2026-01-31T12:00:00.123456789Z`: Go's RFC3339Nano, what encoding/json writes. */
export function formatRfc3339Nano(time: GoTime): string {
  const { date, clock } = civil(time)
  return `${date}T${clock}${fraction(time.nanoseconds)}${time.offsetMinutes === 0 ? 'Z' : offset(time.offsetMinutes, ':')}`
}

/** `2026-01-31 12:00:00.123456789 +0000 UTC`: Go's time.String(). Zones without a known name show their offset twice, as Go does. */
export function formatGoTime(time: GoTime): string {
  const { date, clock } = civil(time)
  const zone = offset(time.offsetMinutes, '')
  return `${date} ${clock}${fraction(time.nanoseconds)} ${zone} ${time.offsetMinutes === 0 ? 'UTC' : zone}`
}

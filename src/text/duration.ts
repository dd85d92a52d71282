/** Durations as Go reads and writes them (time.ParseDuration, Duration.String), and as people say them. */
import { TpodError } from '../errors/tpod-error.ts'

const nanosecondsPerUnit: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** Nanoseconds of `1h2m3.5s`, `-300ms`, `0`. Throws INVALID_DURATION. Exact up to 104 days. */
export function parseDurationNs(text: string): number {
  const match = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text)
  if (match === null) {
    throw new TpodError('INVALID_DURATION', `invalid duration: "${text}"`, { remedy: 'give numbers with units, such as 1h30m or 500ms' })
  }
  let total = 0
  for (const [, number, unit] of (match[2] ?? '').matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(number) * (nanosecondsPerUnit[unit ?? ''] ?? 0)
  }
  return Math.round(total) * (match[1] === '-' && total > 0 ? -1 : 1)
}

export function parseDurationMs(text: string): number {
  return parseDurationNs(text) / 1e6
}

function withFraction(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.?0+$/, '')
}

/** `1h2m3.5s`, `1.5ms`, `0s`: Go's Duration.String(). */
export function formatDurationNs(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s'
  if (nanoseconds < 0) return `-${formatDurationNs(-nanoseconds)}`
  if (nanoseconds < 1e3) return `${nanoseconds}ns`
  if (nanoseconds < 1e6) return `${withFraction(nanoseconds / 1e3, 3)}µs`
  if (nanoseconds < 1e9) return `${withFraction(nanoseconds / 1e6, 6)}ms`
  const minutes = Math.floor(nanoseconds / 60e9)
  const rest = nanoseconds - minutes * 60e9
  const fraction = rest % 1e9
  const seconds = `${Math.floor(rest / 1e9)}${fraction === 0 ? '' : `.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`}s`
  if (minutes === 0) return seconds
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`
}

/** `Less than a second`, `3 seconds`, `About an hour`, `2 weeks`: go-units HumanDuration. Negative spans count as none. */
export function formatHumanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.floor(seconds / 60)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.floor(milliseconds / 3_600_000 + 0.5)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`
  // Go's longest duration: what has no date is as old as that.
  return `${Math.min(292, Math.floor(milliseconds / 3_600_000 / 24 / 365))} years`
}

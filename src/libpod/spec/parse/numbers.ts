/** Sizes, CPU shares, signals and the other single values of run and create. */
import { TpodError } from '../../../errors/tpod-error.ts'
import { findSignal } from '../../../oci/signals.ts'
import { parseDecimalSize, parseMemorySize } from '../../../text/units.ts'
import { flagError } from './flag-error.ts'

/** Bytes of `512m`, `1.5g`, `100` (b, k, m, g, t; `kb` and `KiB` too). Throws BAD_FLAG. */
export function parseSizeBytes(flag: string, text: string): number {
  return parseSize(() => parseMemorySize(text), flag, text, text, 'a number with b, k, m or g behind it, such as 512m')
}

/** --log-opt max-size: decimal units, as podman reads it. Throws BAD_FLAG. */
export function parseLogSize(text: string): number {
  return parseSize(() => parseDecimalSize(text), 'log-opt', `max-size=${text}`, text, 'a number with k, m or g behind it, such as 10m')
}

function parseSize(parse: () => number, flag: string, value: string, text: string, remedy: string): number {
  try {
    return parse()
  } catch {
    throw flagError(flag, value, `invalid size: '${text}'`, remedy)
  }
}

/** --memory, --memory-reservation, --memory-swap, --kernel-memory. `-1` (unlimited) is for memory-swap alone. */
export function parseMemory(flag: string, text: string): number {
  if (text === '-1' && flag === 'memory-swap') return -1
  const bytes = parseSizeBytes(flag, text)
  if (flag === 'memory' && bytes > 0 && bytes < 524288) throw flagError(flag, text, 'minimum memory limit allowed is 512KB')
  return bytes
}

/** --shm-size; 0 means no limit. */
export function parseShmSize(text: string): number {
  return parseSizeBytes('shm-size', text)
}

/** --cpus as a quota over 100 ms. 0 sets nothing. Throws BAD_FLAG. */
export function parseCpus(text: string): { cpuPeriodUs: number; cpuQuotaUs: number } | undefined {
  const cpus = Number(text)
  if (!/^\d*\.?\d+$/.test(text) || !Number.isFinite(cpus)) throw flagError('cpus', text, 'must be a number of processors, such as 1.5')
  if (cpus === 0) return undefined
  const cpuQuotaUs = Math.floor(cpus * 100_000)
  if (cpuQuotaUs < 1000) throw flagError('cpus', text, 'the smallest share is 0.01')
  return { cpuPeriodUs: 100_000, cpuQuotaUs }
}

/** --cpuset-cpus, --cpuset-mems: `0-3,5`. */
export function parseCpuset(flag: string, text: string): string {
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) throw flagError(flag, text, 'must be a list such as 0-3,5')
  return text
}

/** An integer within [min, max]. */
export function parseInteger(flag: string, text: string, min: number, max: number): number {
  const number = Number(text)
  if (!/^-?\d+$/.test(text) || number < min || number > max) throw flagError(flag, text, `must be a whole number from ${min} to ${max}`)
  return number
}

/** --pids-limit: -1 (or 0) is unlimited. */
export function parsePidsLimit(text: string): number {
  const limit = parseInteger('pids-limit', text, -1, Number.MAX_SAFE_INTEGER)
  return limit === 0 ? -1 : limit
}

/** --stop-signal, kill --signal: the text, without a leading dash, when it names a signal. Throws BAD_FLAG. */
export function parseStopSignal(text: string): string {
  const name = text.replace(/^-/, '')
  if (findSignal(name) !== undefined) return name
  // podman's words, in which scripts look for them.
  const isRange = /^\d+$/.test(name) && Number(name) > 0
  throw new TpodError('BAD_FLAG', isRange ? 'valid signals are 1 through 64' : `invalid signal: ${name}`)
}

/** --umask: octal, at most 0777. */
export function parseUmask(text: string): string {
  if (!/^0?[0-7]{1,3}$|^0[0-7]{3}$/.test(text)) throw flagError('umask', text, 'must be octal, such as 0022')
  return text
}

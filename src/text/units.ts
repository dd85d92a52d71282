/** Sizes as docker/go-units spells them. */
import { TpodError } from '../errors/tpod-error.ts'

const decimalUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const

function scale(bytes: number, base: number, units: readonly string[], precision: number): [number: string, unit: string] {
  let index = 0
  let size = bytes
  // Rounding can reach the next unit: 999.9 kB with three digits is 1 MB.
  while (index < units.length - 1 && Number(size.toPrecision(precision)) >= base) {
    size /= base
    index++
  }
  return [String(Number(size.toPrecision(precision))), units[index] ?? '']
}

/** `7.75MB`: decimal units, three significant digits unless told otherwise (docker, `podman ps --size`). */
export function formatSize(bytes: number, precision = 3): string {
  return scale(bytes, 1000, decimalUnits, precision).join('')
}

/** `7.75 MB`: as `podman images` prints it. */
export function formatSizeSpaced(bytes: number, precision = 3): string {
  return scale(bytes, 1000, decimalUnits, precision).join(' ')
}

function parse(text: string, base: number): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+) ?([kmgtpe]?)(i?)b?$/i.exec(text.trim())
  const exponent = match === null ? -1 : ['', 'k', 'm', 'g', 't', 'p', 'e'].indexOf((match[2] ?? '').toLowerCase())
  const bytes = Math.floor(Number(match?.[1]) * base ** exponent)
  if (exponent < 0 || (match?.[3] === 'i' && exponent === 0) || !Number.isSafeInteger(bytes)) {
    throw new TpodError('INVALID_SIZE', `invalid size: "${text}"`, { remedy: 'give a number with a unit, such as 512m or 1.5g' })
  }
  return bytes
}

/** Bytes of `512m`, `1g`, `1.5GiB`, `64kb`, `1024`: every unit is a power of 1024 (go-units RAMInBytes). Throws INVALID_SIZE. */
export function parseMemorySize(text: string): number {
  return parse(text, 1024)
}

/** The same with powers of 1000 (go-units FromHumanSize). Throws INVALID_SIZE. */
export function parseDecimalSize(text: string): number {
  return parse(text, 1000)
}

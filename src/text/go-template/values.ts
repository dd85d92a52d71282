/** How Go sees and prints the values of JavaScript: truth, kinds, fmt's %v. */

/**
 * Objects stand for Go's structs and maps. A map: a Map, an object without prototype, an empty object, or one with a
 * key that is no exported Go name (`io.label`, `80/tcp`). A missing key of a map is no value, of a struct an error.
 */
export function isGoMap(value: object): boolean {
  if (value instanceof Map) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === null) return true
  if (prototype !== Object.prototype) return false
  const keys = Object.keys(value)
  return keys.length === 0 || keys.some((key) => !/^[A-Z]\w*$/.test(key))
}

/** Sorted by key, as Go prints and ranges over maps. */
export function mapEntries(value: object): [string, unknown][] {
  const entries: [string, unknown][] = value instanceof Map ? [...value].map(([key, entry]) => [String(key), entry]) : Object.entries(value)
  return entries.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

export type Kind = 'nil' | 'bool' | 'number' | 'string' | 'slice' | 'map' | 'struct' | 'func'

export function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'number':
    case 'bigint':
      return 'number'
    case 'string':
      return 'string'
    case 'function':
      return 'func'
    case 'object':
      if (value === null) return 'nil'
      if (Array.isArray(value)) return 'slice'
      return isGoMap(value) ? 'map' : 'struct'
    default:
      return 'nil'
  }
}

/** False for zero values and whatever is empty; structs are always true. */
export function isTrue(value: unknown): boolean {
  switch (kindOf(value)) {
    case 'nil':
      return false
    case 'slice':
      return (value as unknown[]).length > 0
    case 'map':
      return mapEntries(value as object).length > 0
    case 'struct':
      return true
    default:
      return Boolean(value)
  }
}

/** A Go-like name for messages. */
export function typeName(value: unknown): string {
  const kind = kindOf(value)
  if (kind === 'number') return Number.isInteger(value) || typeof value === 'bigint' ? 'int' : 'float64'
  if (kind === 'slice') return '[]interface {}'
  if (kind === 'map') return 'map[string]interface {}'
  if (kind === 'struct') {
    const name: unknown = (value as object).constructor?.name
    return typeof name === 'string' && name !== 'Object' ? name : 'struct'
  }
  return kind
}

function formatNumber(value: number): string {
  // What fits an int64 was an int in Go, presumably.
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return String(value)
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const magnitude = Math.abs(value)
  // %g with the shortest digits: an exponent (of two digits at least) below 1e-4 and from 1e6 on.
  if (magnitude >= 1e-4 && magnitude < 1e6) return String(value)
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

function hasOwnText(value: object): boolean {
  const text: unknown = (value as { toString?: unknown }).toString
  return typeof text === 'function' && text !== Object.prototype.toString && !Array.isArray(value) && !(value instanceof Map)
}

/** fmt's %v: `[a b]`, `map[a:1 b:2]`, `{x y}` for structs (`{A:x B:y}` with names: %+v), `<nil>`. */
export function formatValue(value: unknown, withNames = false): string {
  switch (kindOf(value)) {
    case 'nil':
      return '<nil>'
    case 'number':
      return typeof value === 'number' ? formatNumber(value) : String(value)
    case 'slice':
      return `[${(value as unknown[]).map((entry) => formatValue(entry, withNames)).join(' ')}]`
    case 'map':
      return `map[${mapEntries(value as object)
        .map(([key, entry]) => `${key}:${formatValue(entry, withNames)}`)
        .join(' ')}]`
    case 'struct': {
      if (hasOwnText(value as object)) return String(value)
      const fields = Object.entries(value as object).filter(([, entry]) => typeof entry !== 'function')
      return `{${fields.map(([key, entry]) => (withNames ? `${key}:` : '') + formatValue(entry, withNames)).join(' ')}}`
    }
    case 'func':
      return '<func>'
    default:
      return String(value)
  }
}

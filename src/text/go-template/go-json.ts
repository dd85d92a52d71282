/** encoding/json without HTML escaping, as the `json` function of podman and docker prints. */
import { isGoMap, mapEntries } from './values.ts'

function quote(text: string): string {
  return JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}

/** Maps are sorted by key; methods and undefined fields are left out. `indent` as in JSON.stringify, '' for one line. */
export function formatGoJson(value: unknown, indent = '', prefix = '\n'): string {
  if (value === null || value === undefined || typeof value === 'function') return 'null'
  if (typeof value === 'string') return quote(value)
  if (typeof value !== 'object') return String(value)
  if ('toJSON' in value && typeof value.toJSON === 'function') return formatGoJson(value.toJSON(), indent, prefix)
  const inner = prefix + indent
  const isArray = Array.isArray(value)
  const parts: string[] = []
  if (isArray) {
    for (const entry of value) parts.push(formatGoJson(entry, indent, inner))
  } else {
    for (const [key, entry] of isGoMap(value) ? mapEntries(value) : Object.entries(value)) {
      if (entry === undefined || typeof entry === 'function') continue
      parts.push(`${quote(key)}:${indent === '' ? '' : ' '}${formatGoJson(entry, indent, inner)}`)
    }
  }
  const [open, close] = isArray ? '[]' : '{}'
  if (parts.length === 0 || indent === '') return `${open}${parts.join(',')}${close}`
  return `${open}${inner}${parts.join(`,${inner}`)}${prefix}${close}`
}

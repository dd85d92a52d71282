/** The functions of text/template, and those podman and docker add. */
import { formatGoJson } from './go-json.ts'
import { sprint, sprintf, sprintln } from './printf.ts'
import { formatValue, isTrue, kindOf, mapEntries, typeName } from './values.ts'

export type TemplateFunction = (...args: unknown[]) => unknown

// `and` and `or` stand here for their names; the evaluator does them itself, for they skip operands.
export const builtinFunctions: Readonly<Record<string, TemplateFunction>> = {
  and: (...args) => args.find((value) => !isTrue(value)) ?? args.at(-1),
  or: (...args) => args.find(isTrue) ?? args.at(-1),
  not: (value) => !isTrue(value),
  len: length,
  index: (value, ...keys) => keys.reduce(indexOne, value),
  slice,
  call: (value, ...args) => callFunction(value, args),
  print: (...args) => sprint(args),
  printf: (format, ...args) => sprintf(asString(format, 'printf'), args),
  println: (...args) => sprintln(args),
  html: (...args) => escapeHtml(sprintOne(args)),
  js: (...args) => escapeJs(sprintOne(args)),
  urlquery: (...args) => encodeURIComponent(sprintOne(args)).replace(/[!'()*]/g, percent).replaceAll('%20', '+'),
  eq: (first, ...others) => {
    if (others.length === 0) throw new Error('missing argument for comparison')
    return others.some((other) => isEqual(first, other))
  },
  ne: (first, second) => !isEqual(first, second),
  lt: (first, second) => compare(first, second) < 0,
  le: (first, second) => compare(first, second) <= 0,
  gt: (first, second) => compare(first, second) > 0,
  ge: (first, second) => compare(first, second) >= 0,
  json: (value) => formatGoJson(value),
  jsonPretty: (value) => formatGoJson(value, '    '),
  lower: (text) => asString(text, 'lower').toLowerCase(),
  upper: (text) => asString(text, 'upper').toUpperCase(),
  title: (text) => asString(text, 'title').replace(/(^|[^\p{L}\p{Nd}_])(\p{Ll})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
  split: (text, separator) => split(asString(text, 'split'), asString(separator, 'split')),
  join: (list, separator) => asList(list).map((entry) => formatValue(entry)).join(asString(separator, 'join')),
  pad: (text, before, after) => pad(asString(text, 'pad'), before, after),
  truncate: (text, limit) => [...asString(text, 'truncate')].slice(0, asIndex(limit)).join(''),
  replace: (text, from, to) => asString(text, 'replace').replaceAll(asString(from, 'replace'), () => asString(to, 'replace')),
  trim: (text) => asString(text, 'trim').trim(),
  contains: (text, part) => asString(text, 'contains').includes(asString(part, 'contains')),
  hasPrefix: (text, part) => asString(text, 'hasPrefix').startsWith(asString(part, 'hasPrefix')),
  hasSuffix: (text, part) => asString(text, 'hasSuffix').endsWith(asString(part, 'hasSuffix')),
}

/** How many arguments each function takes, where that is fixed. */
export const builtinArity: Readonly<Record<string, number>> = {
  not: 1, len: 1, ne: 2, lt: 2, le: 2, gt: 2, ge: 2, json: 1, jsonPretty: 1, lower: 1, upper: 1, title: 1, split: 2, join: 2, pad: 3,
  truncate: 2, replace: 3, trim: 1, contains: 2, hasPrefix: 2, hasSuffix: 2,
}

function asString(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  throw new Error(`wrong type for value; expected string; got ${typeName(value)} in ${name}`)
}

function asIndex(value: unknown): number {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new Error(`cannot index slice/array with type ${typeName(value)}`)
  if (value < 0) throw new Error(`index out of range: ${value}`)
  return value
}

/** Go's nil slice is empty. */
function asList(value: unknown): unknown[] {
  if (Array.isArray(value)) return value
  if (value === null || value === undefined) return []
  throw new Error(`wrong type for value; expected []string; got ${typeName(value)}`)
}

function split(text: string, separator: string): string[] {
  return separator === '' ? [...text] : text.split(separator)
}

function pad(text: string, before: unknown, after: unknown): string {
  if (text === '') return text
  return ' '.repeat(padCount(before)) + text + ' '.repeat(padCount(after))
}

/** Bounded: a template must not be able to ask for gigabytes. */
function padCount(value: unknown): number {
  return Math.min(asIndex(value), 10_000)
}

function sprintOne(args: readonly unknown[]): string {
  return args.length === 1 && typeof args[0] === 'string' ? args[0] : sprint(args)
}

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
}

function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = { '"': '&#34;', "'": '&#39;', '&': '&amp;', '<': '&lt;', '>': '&gt;', '\0': '\uFFFD' }
  return text.replace(/["'&<>\0]/g, (char) => names[char] ?? char)
}

function escapeJs(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '\\': '\\\\', "'": "\\'", '"': '\\"', '<': '\\u003C', '>': '\\u003E', '&': '\\u0026', '=': '\\u003D',
  }
  return text.replace(/[\\'"<>&=]|\p{Cc}/gu, (char) => names[char] ?? `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)
}

function length(value: unknown): number {
  switch (kindOf(value)) {
    case 'string':
      return Buffer.byteLength(value as string)
    case 'slice':
      return (value as unknown[]).length
    case 'map':
      return mapEntries(value as object).length
    case 'nil':
      throw new Error('len of nil pointer')
    default:
      throw new Error(`len of type ${typeName(value)}`)
  }
}

function indexOne(value: unknown, key: unknown): unknown {
  switch (kindOf(value)) {
    case 'nil':
      throw new Error('index of untyped nil')
    case 'string':
      return Buffer.from(value as string)[checkRange(asIndex(key), Buffer.byteLength(value as string))]
    case 'slice':
      return (value as unknown[])[checkRange(asIndex(key), (value as unknown[]).length)]
    case 'map':
    case 'struct':
      return mapValue(value as object, key)
    default:
      throw new Error(`can't index item of type ${typeName(value)}`)
  }
}

function checkRange(index: number, size: number): number {
  if (index >= size) throw new Error(`index out of range: ${index}`)
  return index
}

/** A missing key gives the zero value of what the map holds: '' in a map of strings. */
function mapValue(value: object, key: unknown): unknown {
  const found = mapEntries(value).find(([name]) => name === String(key))
  if (found !== undefined) return found[1]
  return mapEntries(value).every(([, entry]) => typeof entry === 'string') ? '' : undefined
}

function slice(value: unknown, ...bounds: unknown[]): unknown {
  if (bounds.length > 3) throw new Error(`too many slice indexes: ${bounds.length}`)
  const isText = typeof value === 'string'
  if (!isText && !Array.isArray(value)) throw new Error(`can't slice item of type ${typeName(value)}`)
  if (isText && bounds.length === 3) throw new Error('cannot 3-index slice a string')
  const bytes = isText ? Buffer.from(value) : value
  const indexes = bounds.map(asIndex)
  const [start = 0, end = bytes.length] = indexes
  for (const index of indexes) if (index > bytes.length) throw new Error(`index out of range: ${index}`)
  if (start > end) throw new Error(`invalid slice index: ${start} > ${end}`)
  return isText ? Buffer.from(value).subarray(start, end).toString() : value.slice(start, end)
}

function callFunction(value: unknown, args: unknown[]): unknown {
  if (typeof value !== 'function') throw new Error(value === null || value === undefined ? 'call of nil' : `non-function of type ${typeName(value)}`)
  return (value as TemplateFunction)(...args)
}

function isEqual(first: unknown, second: unknown): boolean {
  const [one, two] = [kindOf(first), kindOf(second)]
  if (one === 'nil' || two === 'nil') return one === two
  if (one !== two) throw new Error('incompatible types for comparison')
  if (one === 'slice' || one === 'map' || one === 'func') throw new Error('non-comparable type for comparison')
  if (one === 'struct') return formatGoJson(first) === formatGoJson(second)
  // A bigint equals the number of its value.
  return one === 'number' ? !((first as number) < (second as number)) && !((first as number) > (second as number)) : first === second
}

function compare(first: unknown, second: unknown): number {
  const [one, two] = [kindOf(first), kindOf(second)]
  if ((one !== 'number' && one !== 'string') || (two !== 'number' && two !== 'string')) throw new Error('invalid type for comparison')
  if (one !== two) throw new Error('incompatible types for comparison')
  const [a, b] = [first as number | string, second as number | string]
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * JSON exactly as Go's encoding/json writes it: documents that are made anew must get the digests that skopeo and podman
 * give them.
 */

/** A part of a document that is already JSON text, written as it is. */
export class RawJson {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Objects and Maps keep their order of keys, undefined members are left out, `<`, `>`, `&` and line separators are escaped. */
export function encodeGoJson(value: unknown): string {
  if (value instanceof RawJson) return value.text
  if (value instanceof Map) return `{${[...(value as Map<string, unknown>)].map(([key, member]) => `${encodeText(key)}:${encodeGoJson(member)}`).join(',')}}`
  if (Array.isArray(value)) return `[${value.map((item) => encodeGoJson(item ?? null)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([key, member]) => `${encodeText(key)}:${encodeGoJson(member)}`).join(',')}}`
  }
  return typeof value === 'string' ? encodeText(value) : JSON.stringify(value ?? null)
}

/** A map as Go writes it: keys sorted by their bytes. (A plain object would put keys that look like numbers first.) */
export function sortedMap<T>(members: Iterable<readonly [string, T]>): Map<string, T> {
  return new Map([...members].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
}

/**
 * The members of a JSON object as text, without white space and escaped as Go does when it copies raw values: numbers
 * keep all their digits, strings their own escapes. The last of equal keys counts. `text` must be valid JSON.
 */
export function splitJsonObject(text: string): Map<string, RawJson> {
  const compact = compactJson(text)
  const members = new Map<string, RawJson>()
  let start = 1
  let depth = 0
  let key: string | undefined
  for (let at = 0; at < compact.length; at++) {
    const char = compact[at]
    if (char === '"') at = endOfText(compact, at)
    else if (char === '{' || char === '[') depth++
    else if (char === ':' && depth === 1 && key === undefined) {
      key = JSON.parse(compact.slice(start, at)) as string
      start = at + 1
    }
    if (char === '}' || char === ']') depth--
    if (key !== undefined && ((char === ',' && depth === 1) || depth === 0)) {
      members.set(key, new RawJson(compact.slice(start, at)))
      key = undefined
    }
    if (char === ',' && depth === 1) start = at + 1
  }
  return members
}

function compactJson(text: string): string {
  let result = ''
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '"') {
      at = endOfText(text, at)
    } else if (char === ' ' || char === '\n' || char === '\t' || char === '\r') {
      result += text.slice(start, at)
      start = at + 1
    }
  }
  return escapeForHtml(result + text.slice(start))
}

/** Index of the quote that ends the string which begins at `start`. */
function endOfText(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

function encodeText(text: string): string {
  // Most texts need no escapes: of a repository's thousands of tags none does.
  if (/^[\w ./:@+=-]*$/.test(text)) return `"${text}"`
  // Go writes the two short escapes that JSON.stringify prefers in their long form.
  const json = JSON.stringify(text.toWellFormed()).replaceAll(/\\[\\"nrtu]|\\[bf]/g, (escape) => (escape === '\\b' ? '\\u0008' : escape === '\\f' ? '\\u000c' : escape))
  return escapeForHtml(json)
}

const escapes: Readonly<Record<string, string>> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026', '\u2028': '\\u2028', '\u2029': '\\u2029' }

/** These characters occur within strings only. */
function escapeForHtml(json: string): string {
  return /[<>&\u2028\u2029]/.test(json) ? json.replaceAll(/[<>&\u2028\u2029]/g, (char) => escapes[char]!) : json
}

const timePattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/

/** A time as Go's time.Time writes it again (RFC 3339, at most nanoseconds, no trailing zeros); undefined if it is none. */
export function formatGoTime(text: string): string | undefined {
  const match = timePattern.exec(text)
  if (match === null || Number.isNaN(Date.parse(text.replace(',', '.')))) return undefined
  const [, year, month, day, hour, minute, second, fraction = '', zone] = match as unknown as string[]
  const digits = fraction.slice(0, 9).replace(/0+$/, '')
  return `${year}-${month}-${day}T${hour}:${minute}:${second}${digits === '' ? '' : `.${digits}`}${zone === '+00:00' || zone === '-00:00' ? 'Z' : zone}`
}

/** Go's zero time, which it writes where none is known. */
export const zeroGoTime = '0001-01-01T00:00:00Z'

/**
 * The TOML that most registries.conf files consist of: comments, `[table]` headers, and keys with plain strings, booleans
 * or one-line lists of plain strings. Reading Debian's shortnames.conf so takes 0.2 ms instead of 4 with the full parser.
 */

type Value = string | boolean | string[]
type Table = Record<string, Value>

const key = String.raw`(?:[A-Za-z0-9_-]+|"[^"\\\p{Cc}]*")`
const string = String.raw`(?:"[^"\\\p{Cc}]*"|'[^'\p{Cc}]*')`
const end = String.raw`[ \t]*(?:#[^\p{Cc}]*)?$`
const blankPattern = new RegExp(`^${end}`, 'u')
const headerPattern = new RegExp(String.raw`^[ \t]*\[[ \t]*([A-Za-z0-9_-]+)[ \t]*\]${end}`, 'u')
const entryPattern = new RegExp(String.raw`^[ \t]*(${key})[ \t]*=[ \t]*(true|false|${string}|\[[ \t]*(?:${string}[ \t]*(?:,[ \t]*${string}[ \t]*)*,?[ \t]*)?\])${end}`, 'u')
const stringPattern = new RegExp(string, 'gu')

/** Undefined for anything else, mistakes included: the full parser reads those, or says what is wrong. */
export function parseSimpleToml(text: string): Record<string, unknown> | undefined {
  const document: Record<string, unknown> = {}
  let table = document as Table
  for (const line of text.split('\n')) {
    const content = line.endsWith('\r') ? line.slice(0, -1) : line
    if (blankPattern.test(content)) continue
    const header = headerPattern.exec(content)?.[1]
    if (header !== undefined) {
      if (header === '__proto__' || Object.hasOwn(document, header)) return undefined
      document[header] = table = {}
      continue
    }
    const entry = entryPattern.exec(content)
    if (entry === null) return undefined
    const name = unquote(entry[1] as string)
    if (name === '__proto__' || Object.hasOwn(table, name)) return undefined
    table[name] = valueOf(entry[2] as string)
  }
  return document
}

function valueOf(text: string): Value {
  if (text === 'true' || text === 'false') return text === 'true'
  return text.startsWith('[') ? (text.match(stringPattern) ?? []).map(unquote) : unquote(text)
}

function unquote(text: string): string {
  return /^["']/.test(text) ? text.slice(1, -1) : text
}

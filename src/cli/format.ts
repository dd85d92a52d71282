/**
 * --format of lists and single objects: `json`, `table {{…}}` and Go templates over podman's field names.
 * Columns are laid out as Go's tabwriter does with podman's settings (minimum 12, padding 2).
 */
const minimumWidth = 12
const padding = 2

/** Header words that differ from the field's name split at capitals. */
export type Headers = Readonly<Record<string, string>>

export interface ListFormat {
  /** As typed; undefined: the default template. */
  format: string | undefined
  /** `table …` template of the plain output. */
  defaultTemplate: string
  headers: Headers
  noHeading?: boolean
  /** Names of all fields that templates may use: the header row is made from them. */
  fields?: readonly string[]
}

/** What a list command prints, with its final newline; '' for nothing. */
export async function renderList<Row extends object>(rows: readonly Row[], list: ListFormat, jsonRows: () => unknown): Promise<string> {
  const format = list.format
  if (format === 'json') return `${formatJson(jsonRows())}\n`
  const source = format === undefined || format === '' || format === 'table' ? list.defaultTemplate : unescapeTemplate(format)
  const isTable = source.startsWith('table ') || source.startsWith('table\t')
  const body = isTable ? source.slice(6).trimStart() : source
  const fields = simpleFields(body)
  const headings = isTable && list.noHeading !== true ? [headerRow(list, rows)] : []
  // The default listing needs no template engine: it is only fields between tabs.
  const lines = fields === undefined
    ? await renderRows(body, [...headings, ...rows])
    : [...headings, ...rows].map((row) => fields.map((field) => cellText((row as Record<string, unknown>)[field])).join('\t'))
  if (lines.length === 0) return ''
  const text = lines.map((line) => (line.endsWith('\n') ? line : `${line}\n`)).join('')
  return alignColumns(text)
}

async function renderRows(body: string, rows: readonly object[]): Promise<string[]> {
  const { renderTemplate } = await import('../text/go-template/render-template.ts')
  // podman repeats the template for each row, unless it does so itself.
  if (/^\s*\{\{-?\s*range/.test(body)) return [renderTemplate(body, rows)]
  return rows.map((row) => renderTemplate(body, row))
}

/** One object, or several, by a template or as JSON. */
export async function renderObject(value: unknown, format: string): Promise<string> {
  if (format === 'json' || format === '') return formatJson(value)
  const { renderTemplate } = await import('../text/go-template/render-template.ts')
  return renderTemplate(unescapeTemplate(format), value)
}

/** podman indents by four, with `[]` and `{}` for empty ones. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value, null, 4)
}

/** A user can't type a tab easily: `\t` and `\n` mean what they say. */
export function unescapeTemplate(format: string): string {
  return format.replaceAll('\\t', '\t').replaceAll('\\n', '\n')
}

/** Field names of a template that is `{{.A}}\t{{.B}}` and nothing more. */
function simpleFields(body: string): string[] | undefined {
  const fields: string[] = []
  for (const part of body.split('\t')) {
    const match = /^\{\{\s*\.(\w+)\s*\}\}$/.exec(part)
    if (!match) return undefined
    fields.push(match[1] as string)
  }
  return fields
}

function cellText(value: unknown): string {
  return value === undefined || value === null ? '' : String(value)
}

function headerRow(list: ListFormat, rows: readonly object[]): Record<string, string> {
  const names = [...Object.keys(list.headers), ...(list.fields ?? []), ...Object.keys(rows[0] ?? {})]
  const mentioned = [...list.defaultTemplate.matchAll(/\.(\w+)/g), ...(list.format ?? '').matchAll(/\.(\w+)/g)].map((match) => match[1] as string)
  return Object.fromEntries([...names, ...mentioned].map((name) => [name, list.headers[name] ?? headerWord(name)]))
}

/** `CreatedAt` → `CREATED AT`, `ID` → `ID`. */
export function headerWord(field: string): string {
  return field.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toUpperCase()
}

/** Go's text/tabwriter: a column is a run of consecutive lines that have a tab-ended cell there; the last cell of a line is free. */
export function alignColumns(text: string): string {
  if (!text.includes('\t')) return text
  const lines = text.split('\n').map((line) => line.split('\t'))
  layOut(lines, 0, lines.length, 0)
  return lines.map((cells) => cells.join('')).join('\n')
}

function layOut(lines: string[][], from: number, to: number, column: number): void {
  let at = from
  while (at < to) {
    if (!hasColumn(lines[at], column)) { at++; continue }
    let end = at
    let width = 0
    for (; end < to && hasColumn(lines[end], column); end++) width = Math.max(width, displayWidth(lines[end]?.[column] ?? ''))
    const total = Math.max(minimumWidth, width + padding)
    for (let line = at; line < end; line++) {
      const cells = lines[line] as string[]
      cells[column] = (cells[column] ?? '') + ' '.repeat(Math.max(0, total - displayWidth(cells[column] ?? '')))
    }
    layOut(lines, at, end, column + 1)
    at = end
  }
}

function hasColumn(cells: string[] | undefined, column: number): boolean {
  return cells !== undefined && cells.length > column + 1
}

/** tabwriter counts characters, not bytes. */
function displayWidth(text: string): number {
  let width = 0
  for (const _ of text) width++
  return width
}

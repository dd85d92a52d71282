/**
 * --format of lists and single objects: `json`, `table {{…}}` and Go templates over podman's field names.
 * Text between a table's tabs is laid out in columns, as podman's tabwriter does.
 */
import { formatTable } from '../text/table.ts'

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
  if (isJsonFormat(format)) return `${formatJson(jsonRows())}\n`
  const source = format === undefined || format === '' || format === 'table' ? list.defaultTemplate : unescapeTemplate(format)
  const isTable = /^table\s/.test(source)
  // podman's table formats take a space for a column's end.
  const body = isTable ? source.slice(6).trim().replaceAll(' ', '\t').replaceAll(/\{\{[^}]*\}\}/g, (action) => action.replaceAll('\t', ' ')) : source
  const headings = isTable && list.noHeading !== true ? [headerRow(list, rows)] : []
  // The default listing needs no template engine: it is only fields between tabs.
  const fields = source === list.defaultTemplate ? simpleFields(body) : undefined
  const lines = fields === undefined
    ? await renderRows(body, headings, rows)
    : [...headings, ...rows].map((row) => fields.map((field) => cellText((row as Record<string, unknown>)[field])).join('\t'))
  if (lines.length === 0) return ''
  const text = lines.map((line) => (line.endsWith('\n') ? line : `${line}\n`)).join('')
  // Only tables have columns: a template of the user's own keeps its tabs, for the scripts that cut at them.
  return isTable ? alignColumns(text) : forTerminal(text, source)
}

/** podman takes `{{json .}}` of a list for `json`, too. */
export function isJsonFormat(format: string | undefined): boolean {
  return format !== undefined && /^\s*(?:json|\{\{\s*json\s*\.?\s*\}\})\s*$/.test(format)
}

async function renderRows(body: string, headings: readonly object[], rows: readonly object[]): Promise<string[]> {
  const { compileTemplate } = await import('../text/go-template/render-template.ts')
  const template = compileTemplate(body)
  // podman repeats the template for each row, unless it does so itself.
  if (/^\s*\{\{-?\s*range/.test(body)) return [template.render(rows)]
  return [...headings, ...rows].map((row) => template.render(row))
}

/** One object by a template, or as JSON. */
export async function renderObject(value: unknown, format: string): Promise<string> {
  if (format === 'json' || format === '') return formatJson(value)
  const { renderTemplate, unescapeFormat } = await import('../text/go-template/render-template.ts')
  return forTerminal(renderTemplate(unescapeFormat(format), value), unescapeFormat(format))
}

/** What a template takes out of an image are its author's words: on a terminal they draw nothing and give no commands. A script gets them as they are, and so does who writes colours into the template. */
export async function forTerminal(text: string, template: string): Promise<string> {
  const controls = /[^\P{Cc}\n\t]/u
  if (!controls.test(text) || controls.test(template)) return text
  const { isatty } = await import('node:tty')
  return isatty(1) ? text.replaceAll(/[^\P{Cc}\n\t]/gu, '?') : text
}

/** podman indents by four, with `[]` and `{}` for empty ones. Control characters that JSON may have as they are could drive a terminal. */
export function formatJson(value: unknown): string {
  const text = JSON.stringify(value, null, 4)
  return /[\x7f-\x9f]/.test(text) ? text.replaceAll(/[\x7f-\x9f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`) : text
}

/** A user can't type a tab easily: `\t` and `\n` mean what they say (in a list, in actions too: podman's way). */
function unescapeTemplate(format: string): string {
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

/** Text with tabs to columns, each line a row. */
export function alignColumns(text: string): string {
  if (!text.includes('\t')) return text
  const lines = text.split('\n')
  const end = lines.at(-1) === '' ? lines.pop() : undefined
  return formatTable(lines.map((line) => line.split('\t'))).map((line) => `${line}\n`).join('') + (end ?? '')
}

/**
 * A document as podman's templates see it. They name Go fields (`.Host.OCIRuntime.Name`) where the JSON has other keys
 * (`host.ociRuntime.name`); both lead to the value. An unknown field is an error, but in what Go holds as a map it is no value.
 * `convert` makes of a struct's field what it is in Go.
 */
export function goFieldNames(value: unknown, isMap = false, convert?: (key: string, item: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => goFieldNames(item, false, convert))
  if (typeof value !== 'object' || value === null) return value
  if (isMap) return new Map(Object.entries(value).map(([key, item]) => [key, goFieldNames(item, false, convert)]))
  const named: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    const converted = convert === undefined ? item : convert(key, item)
    const inner = converted === item ? goFieldNames(item, mapFields.has(key), convert) : converted
    const name = goNames[key] ?? key.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
    Object.defineProperty(named, name, { value: inner, enumerable: true, configurable: true })
    const other = key === 'Id' ? 'ID' : key
    if (other !== name) Object.defineProperty(named, other, { value: inner, configurable: true })
  }
  Object.defineProperty(named, 'toJSON', { value: () => value })
  return named
}

/** What Go's types hold as maps. */
const mapFields: ReadonlySet<string> = new Set([
  'Labels', 'Annotations', 'Ports', 'PortBindings', 'Networks', 'Tmpfs', 'Volumes', 'ExposedPorts', 'Data', 'Options', 'CgroupConf',
  'labels', 'options', 'ipam_options', 'graphOptions', 'graphStatus', 'registries',
])

const goNames: Readonly<Record<string, string>> = {
  ociRuntime: 'OCIRuntime', os: 'OS', cgroupVersion: 'CgroupsVersion', cpus: 'CPUs', apparmorEnabled: 'AppArmorEnabled', capabilities: 'DefaultCapabilities',
  seccompEnabled: 'SECCOMPEnabled', seccompProfilePath: 'SECCOMPProfilePath', selinuxEnabled: 'SELinuxEnabled', id: 'ID', dns_enabled: 'DNSEnabled', ipv6_enabled: 'IPv6Enabled', ipam_options: 'IPAMOptions', idMappings: 'IDMappings',
}

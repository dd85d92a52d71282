/** Plain data as YAML, as podman's `info` prints it: keys sorted, block style, only what must be quoted is. */
export function formatYaml(value: unknown, indent = ''): string {
  if (Array.isArray(value)) return value.map((item) => `${indent}- ${scalarOrBlock(item, `${indent}  `).trimStart()}`).join('')
  const entries = Object.entries(value as Record<string, unknown>).filter(([, item]) => item !== undefined).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([key, item]) => `${indent}${key}:${member(item, indent)}`).join('')
}

function member(item: unknown, indent: string): string {
  if (isEmpty(item) || typeof item !== 'object' || item === null) return ` ${scalarOrBlock(item, `${indent}  `)}`
  return Array.isArray(item) ? `\n${formatYaml(item, indent)}` : `\n${formatYaml(item, `${indent}  `)}`
}

function scalarOrBlock(item: unknown, indent: string): string {
  if (Array.isArray(item) && item.length === 0) return '[]\n'
  if (typeof item === 'object' && item !== null) return isEmpty(item) ? '{}\n' : formatYaml(item, indent)
  if (typeof item === 'string' && item.includes('\n')) return `|-\n${item.split('\n').map((line) => `${indent}${line}\n`).join('')}`
  return `${typeof item === 'string' ? quoteIfNeeded(item) : String(item)}\n`
}

function isEmpty(item: unknown): boolean {
  return typeof item === 'object' && item !== null && Object.keys(item).length === 0
}

function quoteIfNeeded(text: string): string {
  if (text === '' || /^(true|false|null|yes|no|on|off|~|[-+]?[\d.]+([eE][-+]?\d+)?)$/i.test(text)) return JSON.stringify(text)
  if (/^[\s&*!|>%@`"'#{}[\],?:-]|: |:$| #|\s$/.test(text)) return `'${text.replaceAll("'", "''")}'`
  return text
}

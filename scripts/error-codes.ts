/** docs/errors.md: every error code of the library with the folder that throws it and the shape of its message, read from the sources. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const thrown = /new TpodError\(\s*'([A-Z][A-Z_0-9]*)',\s*(?:`((?:[^`\\]|\\.)*)`|'((?:[^'\\]|\\.)*)')/g

/** `${reference}` in a template becomes ‹reference›; longer expressions become …. */
function readable(message: string): string {
  return message
    .replace(/\$\{((?:[^{}]|\{[^{}]*\})*)\}/g, (_, expression: string) => (/^[\w.]{1,24}$/.test(expression) ? `‹${expression.split('.').at(-1)}›` : '…'))
    .replaceAll('\\n', ' ')
    .replaceAll('|', '\\|')
}

export function errorCodesPage(root: string): string {
  const codes = new Map<string, { folders: Set<string>; message: string }>()
  for (const file of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.ts')) continue
    for (const [, code, template, plain] of readFileSync(join(root, 'src', file), 'utf8').matchAll(thrown)) {
      const entry = codes.get(code as string) ?? { folders: new Set(), message: readable(template ?? plain ?? '') }
      entry.folders.add(file.split('/')[0] as string)
      codes.set(code as string, entry)
    }
  }
  const rows = [...codes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, { folders, message }]) => `| \`${code}\` | ${[...folders].sort().join(', ')} | ${message} |`)
  return `# Error codes

A \`TpodError\` has a stable \`code\`, a one-line message (action, object, why), often a \`remedy\`, and the exit status of a command that it ends where that is not 125. Codes by where they are thrown, with one of the messages:

| code | thrown in | message |
|---|---|---|
${rows.join('\n')}
`
}

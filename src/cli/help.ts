/** Help texts in podman's layout, from the definitions that the parser uses. */
import type { FlagInput } from '@oclif/core/interfaces'
import type { CommandClass } from './base-command.ts'
import type { CommandEntry, CommandGroup, CommandTable } from './command-entry.ts'
import { globalFlags } from './global-flags.ts'

type Definition = FlagInput[string]

export interface HelpParts {
  summary: string
  description: string
  usage: string
  aliases: string[]
  examples: string[]
  options: [label: string, text: string][]
}

/** Everything the help and docs/commands say about a command. */
export function helpParts(entry: CommandEntry, Class: CommandClass, path: string = entry.path): HelpParts {
  return {
    summary: entry.summary,
    description: Class.description ?? entry.summary,
    usage: `tpod ${path} ${usageWords(Class)}`.trimEnd(),
    aliases: [entry.path, ...entry.aliases].filter((other) => other !== path),
    examples: Class.examples.map(String),
    options: optionRows(Class.flags ?? {}),
  }
}

export function renderCommandHelp(entry: CommandEntry, Class: CommandClass, path: string): string {
  const parts = helpParts(entry, Class, path)
  const blocks = [
    parts.summary,
    `Description:\n${indent(parts.description)}`,
    `Usage:\n${indent(parts.usage)}`,
    parts.aliases.length > 0 ? `Aliases:\n${indent(parts.aliases.map((alias) => `tpod ${alias}`).join('\n'))}` : '',
    parts.examples.length > 0 ? `Examples:\n${indent(parts.examples.join('\n'))}` : '',
    parts.options.length > 0 ? `Options:\n${rows(parts.options)}` : '',
  ]
  return blocks.filter(Boolean).join('\n\n') + '\n'
}

export function renderGroupHelp(table: CommandTable, group: CommandGroup | undefined): string {
  const blocks = [
    group ? group.summary : 'Manage pods, containers and images',
    `Usage:\n  tpod ${group ? `${group.path} ` : '[options] '}[command]`,
    `Available Commands:\n${rows(childCommands(table, group))}`,
    group ? '' : `Options:\n${rows([...optionRows(globalFlags), ['-v, --version', 'version for tpod'], ['    --help', 'Help for tpod']])}`,
    group ? '' : "'tpod COMMAND --help' shows a command's options and examples.",
  ]
  return blocks.filter(Boolean).join('\n\n') + '\n'
}

/** Name and summary of what can follow the group's name; groups among them. */
export function childCommands(table: CommandTable, group: CommandGroup | undefined): [string, string][] {
  const prefix = group ? `${group.path} ` : ''
  const found = new Map<string, string>()
  for (const entry of table.commands) {
    if (entry.hidden) continue
    for (const path of [entry.path, ...entry.aliases]) {
      const name = path.slice(prefix.length)
      if (path.startsWith(prefix) && !name.includes(' ') && !(group && path !== entry.path && hasOther(entry, path, prefix))) found.set(name, entry.summary)
    }
  }
  if (!group) for (const { path, summary } of table.groups) found.set(path, summary)
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** Of several spellings under one group (`ls`, `list`, `ps`) only the first is listed. */
function hasOther(entry: CommandEntry, path: string, prefix: string): boolean {
  return [entry.path, ...entry.aliases].find((other) => other.startsWith(prefix)) !== path
}

function usageWords(Class: CommandClass): string {
  if (Class.usage) return [Class.usage].flat().join(' ')
  const words = Object.keys(Class.flags ?? {}).length > 0 ? ['[options]'] : []
  for (const definition of Object.values(Class.args ?? {})) {
    const name = definition.name.toUpperCase()
    if (definition.multiple) words.push(definition.required ? `${name} [${name}...]` : `[${name}...]`)
    else words.push(definition.required ? name : `[${name}]`)
  }
  return words.join(' ')
}

/** Label and text of each visible flag, by name. */
export function optionRows(flags: FlagInput): [string, string][] {
  return Object.keys(flags).filter((name) => !flags[name]?.hidden).toSorted().map((name) => {
    const definition = flags[name] as Definition
    const char = definition.char ? `-${definition.char}, ` : '    '
    const value = definition.type === 'option' ? ` ${[definition.helpValue].flat().join('|')}` : ''
    return [`${char}--${name}${value}`, (definition.summary ?? '') + defaultText(definition)]
  })
}

function defaultText(definition: Definition): string {
  const value: unknown = definition.default
  if (value === undefined || value === false || value === '' || Array.isArray(value)) return ''
  return typeof value === 'string' ? ` (default "${value}")` : ` (default ${String(value)})`
}

function indent(text: string): string {
  return text.split('\n').map((line) => (line === '' ? '' : `  ${line}`)).join('\n')
}

function rows(pairs: readonly [string, string][]): string {
  const width = Math.max(...pairs.map(([label]) => label.length))
  return pairs.map(([label, text]) => `  ${label.padEnd(width)}   ${text}`.trimEnd()).join('\n')
}

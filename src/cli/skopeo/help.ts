/** Help texts in skopeo's layout, from the same definitions. */
import type { FlagInput } from '@oclif/core/interfaces'
import type { CommandClass } from '../base-command.ts'
import type { CommandEntry, CommandTable } from '../command-entry.ts'
import { childCommands, optionRows } from '../help.ts'

/** Global flags are not repeated here: skopeo lists them in its own help alone. */
export function renderSkopeoCommandHelp(entry: CommandEntry, Class: CommandClass, table: CommandTable): string {
  const globals = table.globalFlags ?? {}
  const flags: FlagInput = Object.fromEntries(Object.entries(Class.flags ?? {}).filter(([name, definition]) => globals[name] !== definition))
  const usage = [Class.usage ?? ''].flat().join(' ').replace('[options]', '[command options]')
  const blocks = [
    Class.description ?? entry.summary,
    `Usage:\nskopeo ${entry.path} ${usage}`.trimEnd(),
    Class.examples.length > 0 ? `Examples:\n${Class.examples.map(String).join('\n')}` : '',
    `Flags:\n${rows([...optionRows(flags), ['-h, --help', `help for ${entry.path}`]])}`,
  ]
  return blocks.filter(Boolean).join('\n\n') + '\n'
}

export function renderSkopeoHelp(table: CommandTable): string {
  const flags: [string, string][] = [...optionRows(table.globalFlags ?? {}), ['-h, --help', 'help for skopeo'], ['-v, --version', 'Version for Skopeo']]
  const commands = childCommands(table, undefined).map(([name, summary]) => `  ${name.padEnd(21)} ${summary}`)
  return [
    'Various operations with container images and container image registries',
    'Usage:\n  skopeo [flags]\n  skopeo [command]',
    `Available Commands:\n${commands.join('\n')}`,
    `Flags:\n${rows(flags)}`,
    'Use "skopeo [command] --help" for more information about a command.',
  ].join('\n\n') + '\n'
}

function rows(pairs: readonly [string, string][]): string {
  const sorted = pairs.toSorted(([a], [b]) => (flagName(a) < flagName(b) ? -1 : 1))
  const width = Math.max(...sorted.map(([label]) => label.length))
  return sorted.map(([label, text]) => `  ${label.padEnd(width)}   ${text}`.trimEnd()).join('\n')
}

function flagName(label: string): string {
  return label.slice(label.indexOf('--') + 2)
}

/** Help in the layout of the program that was called. */
import type { CommandClass, CommandContext } from './base-command.ts'
import type { CommandEntry, CommandGroup, CommandTable } from './command-entry.ts'
import { renderCommandHelp, renderGroupHelp } from './help.ts'
import { inNameOf, programName } from './program-name.ts'
import { renderSkopeoCommandHelp, renderSkopeoHelp } from './skopeo/help.ts'

export function commandHelp({ env, table }: Pick<CommandContext, 'env' | 'table'>, entry: CommandEntry, Class: CommandClass, path: string): string {
  const program = programName(env)
  return inNameOf(program, program === 'skopeo' ? renderSkopeoCommandHelp(entry, Class, table) : renderCommandHelp(entry, Class, path))
}

export function groupHelp(program: string, table: CommandTable, group: CommandGroup | undefined): string {
  return inNameOf(program, program === 'skopeo' ? renderSkopeoHelp(table) : renderGroupHelp(table, group))
}

/** The table of commands: what the dispatcher, the help and the completions know without loading a command. */
import type { FlagInput } from '@oclif/core/interfaces'
import type { CommandClass } from './base-command.ts'

export interface CommandEntry {
  /** The main spelling: `ps`, `volume ls`. */
  path: string
  /** Other spellings: `container ls`. */
  aliases: readonly string[]
  /** One line, equal to the class's own. */
  summary: string
  hidden?: boolean
  load: () => Promise<{ default: CommandClass }>
}

export interface CommandGroup {
  path: string
  summary: string
}

export interface CommandTable {
  /** Flags that stand before a command's name or after it; absent: podman's. */
  globalFlags?: FlagInput
  commands: readonly CommandEntry[]
  groups: readonly CommandGroup[]
}

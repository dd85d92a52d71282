/** From the words of a command line to an entry of the command table, without loading a command. */
import { TpodError } from '../errors/tpod-error.ts'
import { suggestSimilar } from '../text/levenshtein.ts'
import { splitArgv } from './argv.ts'
import type { CommandEntry, CommandGroup, CommandTable } from './command-entry.ts'
import { globalFlags } from './global-flags.ts'
import { bool } from './options.ts'

export type Dispatch =
  | { kind: 'command'; entry: CommandEntry; path: string; argv: string[]; globalArgv: string[] }
  | { kind: 'group'; group: CommandGroup | undefined; help: boolean }
  | { kind: 'version' }

const version = bool('version for tpod', { char: 'v' })

/** Throws USAGE or UNKNOWN_COMMAND; the root itself is the group undefined. */
export function dispatch(argv: readonly string[], table: CommandTable): Dispatch {
  const globalArgv: string[] = []
  let group: CommandGroup | undefined
  let rest = argv
  const globals = table.globalFlags ?? globalFlags
  for (;;) {
    const split = splitArgv(rest, group ? globals : { ...globals, version }, { passthrough: true })
    if (split.given.has('version') && split.flags['version'] === true) return { kind: 'version' }
    if (split.help) return { kind: 'group', group, help: true }
    const word = split.positionals[0]
    globalArgv.push(...rest.slice(0, rest.length - split.positionals.length).filter((item) => item !== '--'))
    if (word === undefined) return { kind: 'group', group, help: false }
    const path = group ? `${group.path} ${word}` : word
    const entry = findEntry(table, path)
    if (entry) return { kind: 'command', entry, path, argv: split.positionals.slice(1), globalArgv }
    const next = table.groups.find((candidate) => candidate.path === path)
    if (!next) throw unknownCommand(path, table)
    group = next
    rest = split.positionals.slice(1)
  }
}

export function findEntry(table: CommandTable, path: string): CommandEntry | undefined {
  return table.commands.find((entry) => entry.path === path || entry.aliases.includes(path))
}

function unknownCommand(path: string, table: CommandTable): TpodError {
  const near = nearestPath(path, table)
  const parent = path.includes(' ') ? ` ${path.slice(0, path.lastIndexOf(' '))}` : ''
  return new TpodError('UNKNOWN_COMMAND', `unrecognized command \`tpod ${path}\``, {
    remedy: near ? `did you mean 'tpod ${near}'?` : `'tpod${parent} --help' lists the commands`,
  })
}

/** The known spelling a typing error away, if any. */
export function nearestPath(path: string, table: CommandTable): string | undefined {
  const known = table.commands.filter((entry) => !entry.hidden).flatMap((entry) => [entry.path, ...entry.aliases])
  return suggestSimilar(path, [...known, ...table.groups.map((group) => group.path)], 1)[0]
}

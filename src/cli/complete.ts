/**
 * What a shell may put in place of the last word: `WORD` or `WORD<tab>description` per line; `:files` and `:directories` ask the shell
 * to complete paths. Errors give no words: a completion must not disturb the user's line.
 */
import type { FlagInput } from '@oclif/core/interfaces'
import type { CommandClass, CommandContext } from './base-command.ts'
import { findEntry } from './dispatch.ts'
import { type GlobalValues, globalFlags } from './global-flags.ts'
import { childCommands } from './help.ts'
import { type Completion, completionOf } from './options.ts'

type Definition = FlagInput[string]
type Context = Pick<CommandContext, 'env' | 'table'>

export async function completeWords(words: readonly string[], context: Context): Promise<string[]> {
  const last = words.at(-1) ?? ''
  try {
    const candidates = await candidatesFor(words.slice(0, -1), last, context)
    return candidates.filter((line) => line.startsWith(':') || line.startsWith(last))
  } catch {
    return []
  }
}

async function candidatesFor(before: readonly string[], last: string, context: Context): Promise<string[]> {
  const { table } = context
  const scan = scanCommand(before, context)
  const globals = scan.globals
  if (scan.pendingGlobal) return valueCandidates(scan.pendingGlobal, last, globals, context)
  const entry = scan.path === '' ? undefined : findEntry(table, scan.path)
  if (!entry) {
    if (last.startsWith('-')) return flagNames(table.globalFlags ?? globalFlags)
    return childCommands(table, table.groups.find(({ path }) => path === scan.path)).map(([name, summary]) => `${name}\t${summary}`)
  }
  const { default: Class } = await entry.load()
  const flags = { ...(table.globalFlags ?? globalFlags), ...Class.flags }
  const position = scanArguments(scan.rest, flags, Class.passthrough)
  collectGlobals(scan.rest, globals)
  if (position.isPassthrough) return Class.passthrough && entry.path !== 'top' ? [':files'] : []
  if (position.pending) return valueCandidates(position.pending, last, globals, context)
  if (last.startsWith('--') && last.includes('=')) {
    const name = last.slice(2, last.indexOf('='))
    const definition = flags[name as keyof typeof flags] as Definition | undefined
    const values = definition ? await valueCandidates(definition, last.slice(name.length + 3), globals, context) : []
    return values.map((value) => (value.startsWith(':') ? value : `--${name}=${value}`))
  }
  if (last.startsWith('-')) return [...flagNames(flags), '--help\tshow help']
  return argumentCandidates(Class, position.count, scan.rest, globals, context)
}

interface CommandScan { path: string; rest: string[]; globals: GlobalValues; pendingGlobal?: Definition }

/** Finds the command's words; flags before them are global. */
function scanCommand(before: readonly string[], { table }: Context): CommandScan {
  const globals = { 'storage-opt': [], 'log-level': 'warn', debug: false } as unknown as GlobalValues
  let path = ''
  let at = 0
  while (at < before.length) {
    const word = before[at] as string
    if (word.startsWith('-')) {
      const name = word.slice(2)
      const definition = ((table.globalFlags ?? globalFlags) as FlagInput)[name]
      const takesValue = definition?.type === 'option'
      if (takesValue && at + 1 >= before.length) return { path, rest: [], globals, pendingGlobal: definition }
      at += takesValue ? 2 : 1
      continue
    }
    const longer = path === '' ? word : `${path} ${word}`
    at++
    path = longer
    if (findEntry(table, path) || !table.groups.some((group) => group.path === path)) break
  }
  collectGlobals(before.slice(0, at), globals)
  return { path, rest: before.slice(at), globals }
}

/** --root and --runroot, wherever they stand, so that the right store is asked. */
function collectGlobals(words: readonly string[], globals: GlobalValues): void {
  for (const [at, word] of words.entries()) {
    for (const name of ['root', 'runroot'] as const) {
      if (word === `--${name}`) globals[name] = words[at + 1]
      else if (word.startsWith(`--${name}=`)) globals[name] = word.slice(name.length + 3)
    }
  }
}

interface Position { count: number; pending?: Definition; isPassthrough: boolean }

/** How many positionals stand before, and whether a flag waits for its value. */
function scanArguments(words: readonly string[], flags: FlagInput, passthrough: boolean): Position {
  let count = 0
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (!word.startsWith('-') || word === '-') {
      count++
      if (passthrough) return { count, isPassthrough: true }
      continue
    }
    if (word.includes('=')) continue
    const definition = word.startsWith('--') ? byLongName(flags, word.slice(2)) : Object.values(flags).find(({ char }) => char === word.at(-1))
    if (definition?.type !== 'option') continue
    at++
    if (at >= words.length) return { count, pending: definition, isPassthrough: false }
  }
  return { count, isPassthrough: false }
}

function byLongName(flags: FlagInput, name: string): Definition | undefined {
  return flags[name] ?? Object.values(flags).find(({ aliases }) => aliases?.includes(name))
}

function flagNames(flags: FlagInput): string[] {
  return Object.entries(flags).filter(([, { hidden }]) => !hidden).map(([name, { summary }]) => `--${name}\t${summary ?? ''}`)
}

async function valueCandidates(definition: Definition, last: string, globals: GlobalValues, context: Context): Promise<string[]> {
  if (definition.type === 'option' && definition.options) return [...definition.options]
  return objectNames(completionOf(definition) ?? 'none', last, [], globals, context)
}

async function argumentCandidates(Class: CommandClass, count: number, used: readonly string[], globals: GlobalValues, context: Context): Promise<string[]> {
  const definitions = Object.values(Class.args ?? {})
  const definition = definitions[Math.min(count, definitions.length - 1)]
  if (!definition || (count >= definitions.length && !definition.multiple)) return []
  return objectNames(completionOf(definition) ?? 'none', '', used, globals, context)
}

async function objectNames(kind: Completion, last: string, used: readonly string[], globals: GlobalValues, context: Context): Promise<string[]> {
  if (typeof kind !== 'string') return [...kind]
  if (kind === 'files' || kind === 'directories') return [`:${kind}`]
  if (kind === 'commands' || kind === 'none') return []
  // -v takes host paths too.
  if (kind === 'volumes' && /^[./]/.test(last)) return [':files']
  const { storedNames } = await import('./stored-names.ts')
  const names = await storedNames(kind, globals, context)
  return names.filter((line) => !used.includes(line.split('\t', 1)[0] as string))
}

import { Command } from '@oclif/core/command'
import type { ArgInput, FlagInput, Input, OutputArgs, OutputFlags, ParserOutput } from '@oclif/core/interfaces'
import type { Outcome } from '../errors/outcome.ts'
import { TpodError } from '../errors/tpod-error.ts'
import type { Engine } from '../libpod/engine.ts'
import { type FlagValue, type SplitArgv, splitArgv } from './argv.ts'
import type { CommandTable } from './command-entry.ts'
import { type GlobalValues, globalFlags } from './global-flags.ts'
import { discardOutput, printLine } from './output.ts'

type FlagOutput = OutputFlags<FlagInput>
type ArgOutput = OutputArgs<ArgInput>

/** What main.ts hands to a command beside its argv. It stands where oclif has its Config. */
export interface CommandContext {
  /** Words as typed: `tpod container ls`. */
  commandLine: string
  /** Global flags that stood before the command's name. */
  globalArgv: readonly string[]
  table: CommandTable
  env: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal
  /** Told when the global flags are known, so that errors can be shown as asked. */
  onGlobals?: (globals: GlobalValues) => void
}

/** --help was asked for: not an error, but nothing else of the command runs. */
export class HelpRequested extends Error {}

export type CommandClass = (new (argv: string[], config: never) => BaseCommand) & {
  summary?: string
  description?: string | undefined
  examples: readonly unknown[]
  flags: FlagInput
  args: ArgInput
  aliases: string[]
  hidden: boolean
  usage: string | string[] | undefined
  passthrough: boolean
}

/**
 * Base of all commands: an oclif command whose argv is split by cli/argv.ts (see there why), with the engine at hand.
 * `run()` returns; the exit status is what it resolves to, 0 for nothing.
 */
export abstract class BaseCommand extends Command {
  /** The words from the first positional on are the container's. */
  static passthrough = false

  declare context: CommandContext
  #globals: GlobalValues | undefined
  protected given: ReadonlySet<string> = new Set()

  abstract override run(): Promise<number | void>

  protected get signal(): AbortSignal {
    return this.context.signal
  }

  protected override async parse<F extends FlagOutput, B extends FlagOutput, A extends ArgOutput>(options?: Input<F, B, A>): Promise<ParserOutput<F, B, A>> {
    const definition = (options ?? this.constructor) as unknown as { flags?: FlagInput; args?: ArgInput; passthrough?: boolean }
    const own = definition.flags ?? {}
    const globals: FlagInput = this.context.table.globalFlags ?? globalFlags
    const before = splitArgv(this.context.globalArgv, globals)
    const split = splitArgv(this.argv, { ...globals, ...own }, { passthrough: definition.passthrough ?? false })
    this.parsed = true
    if (split.help || before.help) throw new HelpRequested()
    this.#globals = mergeGlobals(before, split, own, globals)
    this.context.onGlobals?.(this.#globals)
    if (this.#globals.noout) discardOutput()
    // A flag that is the command's own under one name of the program may be global under the other: skopeo's --policy.
    for (const name of before.given) {
      if (own[name] === undefined || own[name] !== globals[name] || split.given.has(name)) continue
      split.flags[name] = before.flags[name]
      split.given.add(name)
    }
    this.given = split.given
    const args = bindArgs(split.positionals, definition.args ?? {}, this.context.commandLine)
    const flags: Record<string, FlagValue> = {}
    for (const name in own) flags[name] = split.flags[name]
    return { flags, args, argv: split.positionals, raw: [], metadata: { flags: {} }, nonExistentFlags: [] } as unknown as ParserOutput<F, B, A>
  }

  protected get globals(): GlobalValues {
    if (!this.#globals) throw new Error('the command asked for global flags before it parsed its own')
    return this.#globals
  }

  /** The engine as flags, environment and configuration files ask. */
  protected async openEngine(): Promise<Engine> {
    const { openCliEngine } = await import('./open-engine.ts')
    return openCliEngine(this.globals, this.context)
  }

  /**
   * Prints what became of each object: its value on standard output; errors after, the last one ends the command.
   * Returns the exit status.
   */
  protected async report<T>(outcomes: readonly Outcome<T>[], show: (value: T, input: string) => string = (_, input) => input): Promise<number> {
    let status = 0
    for (const { input, value, error } of outcomes) {
      if (!error) printLine(show(value as T, input))
    }
    for (const { error } of outcomes) {
      if (!error) continue
      const { reportError } = await import('./errors.ts')
      const code = reportError(error, { commandLine: this.context.commandLine, debug: this.globals.debug, program: this.context.commandLine.split(' ', 1)[0] as string })
      status = status === 0 ? code : Math.max(status, code)
    }
    return status
  }

  /** What `inspect` prints: an array as JSON, or the template per object; errors after. */
  protected async reportObjects(outcomes: readonly Outcome<unknown>[], format: string): Promise<number> {
    const [{ formatJson, isJsonFormat, renderObject }, { inspectFields }] = await Promise.all([import('./format.ts'), import('./inspect-fields.ts')])
    const found = outcomes.filter(({ error }) => error === undefined).map(({ value }) => value)
    const isDocker = this.context.commandLine.startsWith('docker ')
    if (format === 'json' || format === '' || (isJsonFormat(format) && !isDocker)) printLine(formatJson(found))
    else {
      // podman's inspect takes a table for its rows.
      const template = format.replace(/^table\s+/, '')
      for (const value of found) {
        printLine((await renderObject(inspectFields(value, !isDocker), template)).replace(/\n$/, ''))
      }
    }
    return this.report(outcomes.flatMap(({ input, error }) => (error === undefined ? [] : [{ input, error: inspectError(error) }])))
  }

  protected usageError(message: string): TpodError {
    return new TpodError('BAD_ARGUMENTS', message)
  }
}

function mergeGlobals(before: SplitArgv, after: SplitArgv, own: FlagInput, globals: FlagInput): GlobalValues {
  const values: Record<string, FlagValue> = {}
  for (const name in globals) {
    // A command's own flag of that name is not the global one.
    const later = !(name in own) && after.given.has(name)
    const [first, second] = [before.flags[name], after.flags[name]]
    if (!later) values[name] = first
    else values[name] = Array.isArray(first) && Array.isArray(second) ? [...first, ...second] : second
  }
  const level = values['log-level']
  return { ...values, debug: level === 'debug' || level === 'trace' || values['debug'] === true } as unknown as GlobalValues
}

/** What podman says of an object that is not there; its `inspect` has one exit status for all. */
function inspectError(error: Error): Error {
  if (!(error instanceof TpodError) || !error.code.startsWith('NO_SUCH_')) return error
  return new TpodError(error.code, `inspecting object: ${error.message}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
}

/** Assigns positionals to the declared args and checks their number. */
function bindArgs(positionals: readonly string[], definitions: ArgInput, commandLine: string): Record<string, unknown> {
  const bound: Record<string, unknown> = {}
  const names = Object.keys(definitions)
  const required = names.filter((name) => definitions[name]?.required).length
  const isOpen = names.some((name) => definitions[name]?.multiple)
  if (positionals.length < required) throw new TpodError('USAGE', wrongCount(positionals.length, required, isOpen ? undefined : names.length))
  let at = 0
  for (const name of names) {
    if (definitions[name]?.multiple) {
      bound[name] = positionals.slice(at)
      at = positionals.length
    } else if (at < positionals.length) bound[name] = positionals[at++]
  }
  if (at < positionals.length) {
    const message = names.length === 0 ? `"${commandLine}" takes no arguments, got "${positionals[at]}"` : wrongCount(positionals.length, required, names.length)
    throw new TpodError('USAGE', message)
  }
  return bound
}

/** What podman says of a wrong number of words. `most` is undefined where any number more may follow. */
export function wrongCount(received: number, least: number, most: number | undefined): string {
  if (most === undefined) return `requires at least ${least} arg(s), only received ${received}`
  if (least === most) return `accepts ${most} arg(s), received ${received}`
  return least === 0 ? `accepts at most ${most} arg(s), received ${received}` : `accepts between ${least} and ${most} arg(s), received ${received}`
}

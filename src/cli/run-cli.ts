/** One run of the command line: dispatch, command, exit status. The only place that looks at the process's own argv and environment. */
import { ExitCode } from '../errors/exit-codes.ts'
import { TpodError } from '../errors/tpod-error.ts'
import { type CommandClass, type CommandContext, HelpRequested } from './base-command.ts'
import type { CommandTable } from './command-entry.ts'
import { type Dispatch, dispatch } from './dispatch.ts'
import type { GlobalValues } from './global-flags.ts'
import { printLine, writeError, writeOut } from './output.ts'
import { programName } from './program-name.ts'
import { watchSignals } from './signals.ts'
import { version } from './version.ts'

/** Whose command line it is under that name: scripts ask, to know which flags there are. */
const skopeoVersion = '1.9.3'

/** What oclif's Command reads of its Config before run(). */
const oclifConfig = {
  bin: 'tpod', name: 'tpod', version, root: '/', platform: 'linux', arch: process.arch, shell: 'sh',
  pjson: { oclif: {} }, plugins: new Map(), scopedEnvVarTrue: () => false, runHook: async () => ({ successes: [], failures: [] }),
}

/** Runs the command that `argv` (without program name) asks for; resolves to the exit status. Never throws. */
export async function runCli(argv: readonly string[], table: CommandTable, env: CommandContext['env']): Promise<number> {
  const program = programName(env)
  let commandLine = program
  let debug = argv.includes('--log-level=debug')
  try {
    const found = dispatch(argv, table)
    if (found.kind === 'version') {
      printLine(program === 'skopeo' ? `skopeo version ${skopeoVersion} commit: tpod-${version}` : `tpod version ${version}`)
      return ExitCode.ok
    }
    if (found.kind === 'group') return await showGroup(found, table, program)
    commandLine = `${program} ${found.path}`
    const { default: Class } = await found.entry.load()
    const context: CommandContext = {
      commandLine, globalArgv: found.globalArgv, table, env, signal: watchSignals(),
      onGlobals: (globals: GlobalValues) => { debug = globals.debug },
    }
    return await runClass(Class, found, context)
  } catch (error) {
    const { reportError } = await import('./errors.ts')
    return reportError(error, { commandLine, debug, program })
  }
}

async function runClass(Class: CommandClass, found: Extract<Dispatch, { kind: 'command' }>, context: CommandContext): Promise<number> {
  const command = new Class(found.argv, oclifConfig as never)
  command.context = context
  try {
    return (await command.run()) ?? ExitCode.ok
  } catch (error) {
    if (!(error instanceof HelpRequested)) throw error
    const { commandHelp } = await import('./program-help.ts')
    writeOut(commandHelp(context, found.entry, Class, found.path))
    return ExitCode.ok
  }
}

async function showGroup(found: Extract<Dispatch, { kind: 'group' }>, table: CommandTable, program: string): Promise<number> {
  const { groupHelp } = await import('./program-help.ts')
  const help = groupHelp(program, table, found.group)
  // Called without a command skopeo only says so.
  if (program === 'skopeo' && !found.help) throw new TpodError('USAGE', "Missing command 'skopeo COMMAND'\nTry 'skopeo --help' for more information")
  if (found.help) {
    writeOut(help)
    return ExitCode.ok
  }
  const path = found.group ? `${program} ${found.group.path}` : program
  writeError(`${help}\nError: missing command '${path} COMMAND'\n`)
  return ExitCode.engineFailure
}
